//! What follows from an attempt that brought no answer.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::{Errand, Next, Report};
use crate::limit::Limits;
use crate::pipeline::failure::RunError;
use crate::pipeline::lane::Lane;
use crate::pipeline::retry::backoff;
use crate::pipeline::shared::Shared;
use crate::pipeline::site::{Pass, Site};
use crate::provider::{ApiError, FailureKind, Refusal, ResponseHeaders, classify};
use crate::usd::Usd;

/// A server that asks for a longer pause than this is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// The first pause after a 429 that names none.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause after a 429 is shorter, whatever the server names.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// No pause of our own choice after a 429 is longer.
const OWN_PAUSE_CAP: Duration = Duration::from_secs(60);

/// A pause of this length is one that waits for a minute to go by.
const LONG_PAUSE: Duration = Duration::from_secs(2);
/// So many long pauses are no chance.
const MANY_LONG_PAUSES: u32 = 3;

/// Long pauses of a server whose tokens a minute are kept to, as they are counted here.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct LongPauses(AtomicU32);

impl LongPauses {
    /// Takes note of a pause; true when it is the one after which something should be said.
    fn are_many(&self, pause: Duration, limits: Limits) -> bool {
        let counts_what_was_used =
            limits.tokens_per_minute.is_some() && !limits.count_reserved_tokens;
        counts_what_was_used
            && pause >= LONG_PAUSE
            && self.0.fetch_add(1, Ordering::Relaxed) + 1 == MANY_LONG_PAUSES
    }
}

pub(super) fn refused(
    shared: &Shared,
    job: &impl Errand,
    pass: Pass,
    headers: &ResponseHeaders,
    error: ApiError,
    rng: &mut fastrand::Rng,
    failures: u32,
) -> Next {
    let refusal = classify(&error);
    let failure = |error| RunError::Refused { error, hint: refusal.hint() };
    if refusal != Refusal::RateLimited {
        shared.count(|attempts| attempts.refused += 1);
    }
    match refusal {
        Refusal::RateLimited => rate_limited(shared, pass, headers, rng),
        Refusal::ServerError => {
            let pause = headers.retry_after.unwrap_or_else(|| backoff(rng, failures));
            if pause > LONGEST_PAUSE {
                return Next::Done(Report::GaveUp(failure(error)));
            }
            let retry = Next::Retry {
                pause: pause.max(backoff(rng, failures)),
                failure: failure(error.clone()),
            };
            may_be_its_own(job.lane(), pass.site(), failure(error), retry)
        }
        Refusal::BadRequest if job.learn(&error) => Next::Again,
        Refusal::BadRequest | Refusal::TooLarge | Refusal::Other if pass.site().is_proven() => {
            tracing::warn!(request = job.request_index(), %error, "the server refused a request");
            Next::Done(Report::GaveUp(failure(error)))
        }
        _ => Next::Elsewhere(failure(error)),
    }
}

/// The whole site pauses; the request that met the limit is not to blame.
fn rate_limited(
    shared: &Shared,
    pass: Pass,
    headers: &ResponseHeaders,
    rng: &mut fastrand::Rng,
) -> Next {
    shared.count(|attempts| attempts.rate_limited += 1);
    if let Some(wait) = pass.site().without_success_for(LONGEST_PAUSE) {
        return Next::Elsewhere(RunError::RateLimited { wait });
    }
    if pass.site().limiter.paused_until().is_none() {
        shared.pauses.fetch_add(1, Ordering::Relaxed);
    }
    let step = pass.site().next_pause_step();
    let asked = headers.retry_after.or(headers.rate_limit_reset);
    if let Some(wait) = asked.filter(|wait| *wait > LONGEST_PAUSE) {
        return Next::Elsewhere(RunError::RateLimited { wait });
    }
    // A pause of nothing would let the site be asked again at once, and again: what is asked for and
    // does not help grows with each time.
    let grown = |first: Duration| first.saturating_mul(1 << step.min(10)).min(OWN_PAUSE_CAP);
    let pause = match asked {
        Some(wait) => wait.max(grown(SHORTEST_PAUSE)),
        None => grown(FIRST_PAUSE).mul_f64(rng.f64()).max(SHORTEST_PAUSE),
    };
    // All that were refused in one wave make one pause.
    let limiter = &pass.site().limiter;
    let is_new = limiter.paused_until().is_none();
    if is_new && shared.long_pauses.are_many(pause, limiter.limits()) {
        tracing::warn!(
            "the server refuses requests for their tokens a minute, although what they use is within \
             the limit: if it counts max_tokens beforehand, --tpm-counts-max-tokens true keeps to \
             that; or others use the same account"
        );
    }
    pass.refused(Instant::now() + pause);
    Next::Again
}

pub(super) fn not_sent(
    shared: &Shared,
    lane: &Lane,
    site: &Site,
    message: String,
    kind: FailureKind,
    rng: &mut fastrand::Rng,
    failures: u32,
) -> Next {
    shared.count(|attempts| attempts.refused += 1);
    let certificate = kind == FailureKind::Tls;
    let failure = RunError::Unreachable { base_url: site.base_url.clone(), message, certificate };
    if certificate && !site.is_proven() {
        return Next::Elsewhere(failure);
    }
    let retry = Next::Retry { pause: backoff(rng, failures), failure: failure.clone() };
    may_be_its_own(lane, site, failure, retry)
}

/// A failure that may pass. Where others could take the request and this site does nothing but fail,
/// it rests, and in the end it is set aside: it would be asked the most, since it is the first to
/// have room again.
fn may_be_its_own(lane: &Lane, site: &Site, failure: RunError, otherwise: Next) -> Next {
    if !site.keeps_failing() || !lane.has_choice() {
        return otherwise;
    }
    if site.rest() { Next::Again } else { Next::Elsewhere(failure) }
}

/// The attempt may be billed, so another one needs money of its own.
pub(super) fn unknown(
    shared: &Shared,
    job: &mut impl Errand,
    site: &Site,
    message: String,
    kind: FailureKind,
    rng: &mut fastrand::Rng,
    failures: u32,
) -> Next {
    shared.count(|attempts| attempts.unconfirmed += 1);
    let worst_case = job.reservation().worst_case();
    job.reservation().take().unconfirmed();
    let base_url = site.base_url.clone();
    let failure = RunError::Unreachable { base_url, message, certificate: false };
    if kind == FailureKind::TooLarge {
        // The next answer would be as long, and is paid for as well.
        return Next::Done(Report::GaveUp(failure));
    }
    if !reserve_again(shared, job, worst_case) {
        return Next::Done(Report::OutOfBudget);
    }
    let retry = Next::Retry { pause: backoff(rng, failures), failure: failure.clone() };
    may_be_its_own(job.lane(), site, failure, retry)
}

/// Sets money aside for another attempt; false when the budget does not hold it.
pub(super) fn reserve_again(shared: &Shared, job: &mut impl Errand, worst_case: Usd) -> bool {
    let reserved = shared.ledger.reserve(worst_case);
    reserved.map(|reservation| *job.reservation() = reservation).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_pauses_within_the_limit_are_spoken_of_once() {
        let used = Limits { tokens_per_minute: Some(9_000), ..Limits::default() };
        let reserved = Limits { count_reserved_tokens: true, ..used };
        let pauses = LongPauses::default();
        let told = |seconds, limits| pauses.are_many(Duration::from_secs(seconds), limits);
        for (seconds, limits) in [(1, used), (30, Limits::default()), (30, reserved)] {
            assert!((0..5).all(|_| !told(seconds, limits)), "{seconds} {limits:?}");
        }
        assert_eq!([2, 60, 30, 30].map(|seconds| told(seconds, used)), [false, false, true, false]);
    }
}
