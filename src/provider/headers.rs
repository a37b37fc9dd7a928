//! The response headers that matter: how long to wait, and what to quote to a provider's support.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderMap;

use super::access::{Counted, LimitHeaders};
use super::error::presentable;
use super::key::ApiKey;
use crate::chat::SIMULATED_HEADER;

/// The longest wait that is read from a header: a year, so that sums with it stay in range. How long
/// is really waited is for the caller to say.
pub const MAX_WAIT: Duration = Duration::from_hours(365 * 24);

/// A number of seconds from here on is a date since the Unix epoch (2001-09-09), not a wait.
const EPOCH_SECONDS_FROM: f64 = 1e9;
/// A number from here on is a date in milliseconds since the Unix epoch.
const EPOCH_MILLISECONDS_FROM: f64 = 1e12;

/// What the headers of a response say. Waits are counted from the arrival of the response and are
/// at most [`MAX_WAIT`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    /// How long the server asks to wait (`retry-after-ms`, `retry-after`).
    pub retry_after: Option<Duration>,
    /// When a rate limit is free again (`x-ratelimit-reset-*`): the last of the limits that have
    /// nothing left; when none says so, the first to be free.
    pub rate_limit_reset: Option<Duration>,
    /// Where the client stands with each limit that the server names.
    pub limits: Vec<Standing>,
    /// The media type of the body, such as `application/json`.
    pub content_type: Option<String>,
    /// The server's own name for the request, to quote to its support.
    pub request_id: Option<String>,
    /// The server says that its answers are made up.
    pub simulated: bool,
}

/// Where a client stands with one rate limit, as far as the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What the limit counts.
    pub counts: Counted,
    /// The limit.
    pub limit: Option<u64>,
    /// What is left of it.
    pub remaining: Option<u64>,
    /// The wait until it is free again.
    pub reset: Option<Duration>,
}

impl ResponseHeaders {
    /// Reads the headers of a response that arrived at `now`, with the API's names for its limits.
    /// A malformed value counts as absent.
    pub fn read(
        headers: &HeaderMap,
        names: &[LimitHeaders],
        now: SystemTime,
        key: Option<&ApiKey>,
    ) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let shown = |name: &str| text(name).map(|value| presentable(value, key));
        let milliseconds = text("retry-after-ms").and_then(|value| number_wait(value, 1e-3));
        let limits: Vec<Standing> =
            names.iter().filter_map(|names| standing(names, text, now)).collect();
        Self {
            retry_after: milliseconds
                .or_else(|| text("retry-after").and_then(|value| wait_from(value, now))),
            rate_limit_reset: rate_limit_reset(&limits),
            limits,
            content_type: shown("content-type"),
            request_id: shown("x-request-id").or_else(|| shown("request-id")),
            simulated: headers.contains_key(SIMULATED_HEADER),
        }
    }
}

/// What the headers say of one limit; `None` when they say nothing.
fn standing<'a>(
    names: &LimitHeaders,
    header: impl Fn(&str) -> Option<&'a str>,
    now: SystemTime,
) -> Option<Standing> {
    let count = |name| header(name).and_then(|value| count_from(value.trim()));
    let standing = Standing {
        counts: names.counts,
        limit: count(names.limit),
        remaining: count(names.remaining),
        reset: header(names.reset).and_then(|value| wait_from(value, now)),
    };
    let says = standing.limit.is_some() || standing.remaining.is_some() || standing.reset.is_some();
    says.then_some(standing)
}

/// A whole number; what is below zero is nothing left, and fractions are dropped.
fn count_from(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from float saturates, and the sign is taken care of"
        )]
        Some(number.max(0.0) as u64)
    })
}

fn rate_limit_reset(limits: &[Standing]) -> Option<Duration> {
    let exhausted = limits.iter().filter(|limit| limit.remaining == Some(0));
    let exhausted = exhausted.filter_map(|limit| limit.reset).max();
    // A guess too short costs one more refused request, which is free; one too long costs idle time.
    exhausted.or_else(|| limits.iter().filter_map(|limit| limit.reset).min())
}

/// A wait in any form that servers use: seconds, seconds or milliseconds since the epoch, `6m0s`,
/// RFC 3339, an HTTP date. A date in the past is no wait. At most [`MAX_WAIT`].
fn wait_from(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let seconds = if number >= EPOCH_MILLISECONDS_FROM {
            number / 1e3 - since_epoch
        } else if number >= EPOCH_SECONDS_FROM {
            number - since_epoch
        } else {
            number
        };
        return capped(seconds);
    }
    if let Some(wait) = unit_wait(text) {
        return Some(wait);
    }
    let date = httpdate::parse_http_date(text)
        .ok()
        .or_else(|| text.parse::<jiff::Timestamp>().ok().map(SystemTime::from))?;
    Some(date.duration_since(now).unwrap_or_default().min(MAX_WAIT))
}

/// A number times `unit` seconds.
fn number_wait(text: &str, unit: f64) -> Option<Duration> {
    capped(text.trim().parse::<f64>().ok()? * unit)
}

/// Go's duration text, as OpenAI sends it: `6m0s`, `1.5s`, `120ms`, `1h2m`, `1d`.
pub(super) fn unit_wait(text: &str) -> Option<Duration> {
    const UNITS: &[(&str, f64)] = &[
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("d", 86_400.0),
    ];
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (name, after) = after.split_at_checked(letters)?;
        let (_, unit) = UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(name))?;
        seconds += number.parse::<f64>().ok()? * unit;
        rest = after;
    }
    (!text.is_empty()).then(|| capped(seconds)).flatten()
}

/// Seconds as a wait from zero to [`MAX_WAIT`]; `None` for NaN.
fn capped(seconds: f64) -> Option<Duration> {
    if seconds.is_nan() {
        return None;
    }
    Some(Duration::from_secs_f64(seconds.clamp(0.0, MAX_WAIT.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::super::access::{ANTHROPIC_LIMITS, OPENAI_LIMITS};
    use super::*;

    /// 2026-01-01T00:00:00Z.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_hours(490_896)
    }

    fn read(pairs: &[(&'static str, &str)]) -> ResponseHeaders {
        let headers = pairs
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            })
            .collect();
        let names = [OPENAI_LIMITS, ANTHROPIC_LIMITS].concat();
        ResponseHeaders::read(&headers, &names, now(), None)
    }

    fn milliseconds(text: &str) -> Option<u128> {
        wait_from(text, now()).map(|wait| wait.as_millis())
    }

    #[test]
    fn every_form_of_a_wait_is_read() {
        for (text, expected) in [
            ("0", 0),
            ("20", 20_000),
            (" 1.5 ", 1500),
            ("-5", 0),
            ("6m0s", 360_000),
            ("1.5s", 1500),
            ("120ms", 120),
            ("1m2.5s", 62_500),
            ("1h", 3_600_000),
            ("17h59m", 64_740_000),
            ("1d", 86_400_000),
            ("999999999", 31_536_000_000),
            ("inf", 31_536_000_000),
            ("1767225610", 10_000),
            ("1767225610500", 10_500),
            ("1700000000", 0),
            ("2026-01-01T00:00:07Z", 7000),
            ("2026-01-01T01:00:07+01:00", 7000),
            ("2025-12-31T23:59:59Z", 0),
            ("Thu, 01 Jan 2026 00:00:30 GMT", 30_000),
            ("Wed, 31 Dec 2025 00:00:30 GMT", 0),
        ] {
            assert_eq!(milliseconds(text), Some(expected), "{text}");
        }
        for text in ["", "soon", "NaN", "5 parsecs", "m5", "1.2.3s", "s"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }

    #[test]
    fn retry_after_in_milliseconds_goes_first() {
        let headers = read(&[("retry-after", "2"), ("retry-after-ms", "1250")]);
        assert_eq!(headers.retry_after, Some(Duration::from_millis(1250)));
        let headers = read(&[("retry-after", "2"), ("retry-after-ms", "x")]);
        assert_eq!(headers.retry_after, Some(Duration::from_secs(2)));
        assert_eq!(read(&[]), ResponseHeaders::default());
    }

    #[test]
    fn an_exhausted_limit_decides_the_reset() {
        let headers = [
            ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-tokens", "6m0s"),
            ("x-ratelimit-remaining-tokens", "0"),
        ];
        assert_eq!(read(&headers).rate_limit_reset, Some(Duration::from_mins(6)));
        let unknown = [headers[0], headers[2]];
        assert_eq!(read(&unknown).rate_limit_reset, Some(Duration::from_millis(120)));
    }

    #[test]
    fn each_api_names_its_limits_in_its_own_way() {
        let headers = read(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:01Z"),
            ("anthropic-ratelimit-output-tokens-limit", "8000"),
            ("anthropic-ratelimit-output-tokens-remaining", "-3.5"),
            ("anthropic-ratelimit-output-tokens-reset", "2026-01-01T00:00:20Z"),
            ("x-ratelimit-limit-tokens", "many"),
        ]);
        let standing = |counts, limit, remaining, seconds| Standing {
            counts,
            limit: Some(limit),
            remaining: Some(remaining),
            reset: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(
            headers.limits,
            [standing(Counted::Requests, 50, 49, 1), standing(Counted::OutputTokens, 8000, 0, 20)]
        );
        assert_eq!(headers.rate_limit_reset, Some(Duration::from_secs(20)));
    }

    #[test]
    fn requests_a_day_are_not_taken_for_requests_a_minute() {
        let headers = HeaderMap::from_iter([
            (HeaderName::from_static("x-ratelimit-limit-requests"), HeaderValue::from(14_400)),
            (HeaderName::from_static("x-ratelimit-limit-tokens"), HeaderValue::from(18_000)),
        ]);
        let read = |name: &str| {
            let names = super::super::by_name(name).unwrap().access().limits;
            let read = ResponseHeaders::read(&headers, names, now(), None);
            read.limits.iter().map(|standing| standing.counts).collect::<Vec<_>>()
        };
        assert_eq!(read("openai"), [Counted::Requests, Counted::Tokens]);
        assert_eq!(read("groq"), [Counted::Other, Counted::Tokens]);
    }

    #[test]
    fn identifiers_are_made_presentable() {
        let headers = read(&[("x-request-id", &"r".repeat(1000)), ("content-type", "text/html")]);
        assert_eq!(headers.request_id.unwrap().chars().count(), 300);
        assert_eq!(headers.content_type.as_deref(), Some("text/html"));
    }

    proptest! {
        #[test]
        fn no_header_value_panics_or_waits_too_long(text in "\\PC{0,30}", like in "[-+0-9.eEinfaNsmhduµ:TZ ]{0,24}") {
            for text in [text, like] {
                prop_assert!(wait_from(&text, now()).is_none_or(|wait| wait <= MAX_WAIT));
                prop_assert!(number_wait(&text, 1e-3).is_none_or(|wait| wait <= MAX_WAIT));
            }
        }
    }
}
