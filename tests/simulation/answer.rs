//! Answers: what the server wrote, and what a fault makes of it.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::network::set;

/// More than the pipeline reads of a body.
const HUGE: usize = 9 * 1024 * 1024;

/// An answer as it will come.
#[derive(Debug)]
pub struct Script {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The pieces of the body, each with the pause before it.
    pub pieces: VecDeque<(Duration, Bytes)>,
    /// The connection breaks behind them.
    pub breaks_off: bool,
    pub is_huge: bool,
    /// Whether the body has what was asked for.
    pub is_completion: bool,
    /// The tokens that it says it took.
    pub used: Option<u64>,
}

impl Script {
    pub fn header(&mut self, name: &str, value: &str) {
        set(&mut self.headers, name, value);
    }

    /// Lets the fault do its work on the body.
    pub fn spoil(&mut self, fault: Option<Fault>, rng: &mut Rng, read_timeout: Duration) {
        let mut body: Vec<u8> = self.pieces.drain(..).flat_map(|(_, piece)| piece).collect();
        match fault {
            Some(Fault::Cut) => {
                body.truncate(rng.usize(..=body.len()));
                self.breaks_off = true;
            }
            Some(Fault::Garbage) => {
                // A client may read more of it than this can, and believe the report.
                self.read(&body);
                garble(&mut body, rng);
                let has = |name: &[u8]| body.windows(name.len()).any(|bytes| bytes == name);
                self.is_completion = has(b"choices") || has(b"data");
            }
            Some(Fault::Huge) => {
                body.resize(HUGE, b' ');
                self.is_huge = true;
            }
            Some(Fault::Lie) => lie(&mut body, rng),
            _ => {}
        }
        if !self.breaks_off && fault != Some(Fault::Garbage) {
            self.read(&body);
        }
        if fault == Some(Fault::Slow) {
            let pieces = rng.usize(2..6);
            let longest = read_timeout.mul_f64(1.2).as_secs_f64();
            for piece in body.chunks(body.len() / pieces + 1) {
                let pause = Duration::from_secs_f64(rng.f64() * longest);
                self.pieces.push_back((pause, Bytes::copy_from_slice(piece)));
            }
        } else {
            self.pieces.push_back((Duration::ZERO, body.into()));
        }
    }

    fn read(&mut self, body: &[u8]) {
        let Ok(value) = serde_json::from_slice::<Value>(body) else { return };
        self.is_completion = value.get("choices").or_else(|| value.get("data")).is_some();
        let count = |name: &str| value["usage"][name].as_u64();
        let used = count("prompt_tokens").zip(count("completion_tokens").or(Some(0)));
        // What nobody can believe is not given back either.
        let used = used.map(|(prompt, output)| prompt.saturating_add(output));
        self.used = used.filter(|used| *used < 1_000_000);
    }
}

/// Whole, and no completion any more; or at times one still.
fn garble(body: &mut Vec<u8>, rng: &mut Rng) {
    match rng.u8(..4) {
        0 => body.truncate(rng.usize(..=body.len())),
        1 => *body = (0..rng.usize(..200)).map(|_| rng.u8(..)).collect(),
        2 => body.clear(),
        _ => {
            // What the server bills is what it reports: the report stays as it is.
            let report = body.windows(7).rposition(|bytes| bytes == b"\"usage\"");
            let end = report.unwrap_or(body.len()).max(1);
            for _ in 0..rng.usize(1..20) {
                if let Some(byte) = body.get_mut(rng.usize(..end)) {
                    *byte = rng.u8(..);
                }
            }
        }
    }
}

/// Usage that nobody can settle by: missing, no numbers, less than nothing, or far too much.
fn lie(body: &mut Vec<u8>, rng: &mut Rng) {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return };
    let both = |prompt: Value, output: Value| json!({"prompt_tokens": prompt, "completion_tokens": output});
    value["usage"] = match rng.u8(..7) {
        0 => Value::Null,
        1 => json!({}),
        2 => both(json!(-1), json!(-1)),
        3 => both(json!(0), json!(0)),
        4 => both(json!(u64::MAX), json!(u64::MAX)),
        5 => both(json!("many"), json!([])),
        // Of a few short texts that are embedded, one token can be believed.
        _ if value.get("data").is_some() => Value::Null,
        _ => both(json!(1), json!(1)),
    };
    *body = value.to_string().into_bytes();
}

/// A refusal by the fault's status; and how long it asks to wait, where that is plain.
pub fn refusal(fault: Option<Fault>, rng: &mut Rng, now: SystemTime) -> (Script, Option<Duration>) {
    let mut script = Script::default();
    let mut wait = None;
    let (status, code) = match fault {
        Some(Fault::RateLimited) => {
            wait = ask_to_wait(&mut script, rng, now);
            (429, "rate_limit_exceeded")
        }
        Some(Fault::Objection) => ([400, 413, 422, 409][rng.usize(..4)], "invalid_request"),
        _ => ([500, 502, 503, 529][rng.usize(..4)], "server_error"),
    };
    script.status = StatusCode::from_u16(status).expect("a status");
    let body = match rng.u8(..4) {
        0 => Vec::new(),
        1 => b"<html>upstream failed</html>".to_vec(),
        _ => json!({"error": {"message": "simulated fault", "type": code, "code": code}})
            .to_string()
            .into_bytes(),
    };
    script.breaks_off = rng.u8(..10) == 0;
    script.pieces.push_back((Duration::ZERO, body.into()));
    (script, wait)
}

fn ask_to_wait(script: &mut Script, rng: &mut Rng, now: SystemTime) -> Option<Duration> {
    let seconds = rng.u64(..25);
    match rng.u8(..8) {
        0 => {
            script.header("retry-after", &seconds.to_string());
            return Some(Duration::from_secs(seconds));
        }
        1 => {
            script.header("retry-after-ms", &(seconds * 40).to_string());
            return Some(Duration::from_millis(seconds * 40));
        }
        2 => {
            let date = httpdate::fmt_http_date(now + Duration::from_secs(seconds));
            script.header("retry-after", &date);
        }
        3 => script.header("retry-after", "-5"),
        4 => script.header("retry-after", "soon"),
        5 => {
            script.header("x-ratelimit-remaining-requests", "0");
            script.header("x-ratelimit-reset-requests", &format!("{seconds}s"));
            return Some(Duration::from_secs(seconds));
        }
        _ => {}
    }
    None
}

/// The fewest tokens that a client can reserve for this request: of its texts hardly any, and all that
/// it asks for.
pub fn least_tokens(body: &[u8]) -> u64 {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let most = value.get("max_tokens").or_else(|| value.get("max_completion_tokens"));
    most.and_then(Value::as_u64).unwrap_or_default() + body.len() as u64 / 8
}
