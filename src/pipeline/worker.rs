//! One request's life: permit, durable reservation, HTTP, durable response, settlement; and what
//! to do when it goes wrong. Workers do network I/O and nothing else: what a response is worth,
//! the collector decides.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::failure::RunError;
use super::judge::read_body;
use super::retry::{backoff, rng_for};
use super::shared::Shared;
use crate::chat::{Completion, CompletionRequest};
use crate::event::Phase;
use crate::ledger::{Reservation, cost_of, is_plausible};
use crate::limit::Permit;
use crate::provider::{ApiError, FailureKind, Outcome, Quirks, Refusal, ResponseHeaders, classify};
use crate::store::{AttemptEnd, NewAttempt, NewResponse, unix_ms};
use crate::task::TaskRef;
use crate::template::Item;

/// A server that asks for a longer pause than this is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// The first pause after a 429 that names none.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause of our own choice after a 429 is longer.
const OWN_PAUSE_CAP: Duration = Duration::from_secs(60);

/// A request ready to be sent, with its first reservation.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request_index: u64,
    pub(super) phase: Phase,
    pub(super) examples: Vec<TaskRef>,
    pub(super) request: CompletionRequest,
    pub(super) body: Bytes,
    pub(super) quirks: Quirks,
    pub(super) prompt_bound: u64,
    pub(super) reservation: Reservation,
}

/// A response that is durable and settled, on its way to the judge.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) seq: u64,
    pub(super) items: Vec<Item>,
    /// Why the body is no completion, if it is none.
    pub(super) unreadable: Option<String>,
}

/// How a job ended.
#[derive(Debug)]
pub(super) enum Report {
    /// It was answered.
    Arrived(Arrived),
    /// The run is stopping, and nothing of it was under way.
    Cancelled,
    /// Its attempts are used up, or the server will not have it.
    GaveUp(RunError),
    /// The budget does not hold another attempt.
    OutOfBudget,
    /// The run cannot go on.
    Fatal(RunError),
}

/// What follows from one attempt.
enum Next {
    Done(Report),
    /// Try again after a pause; the failure counts as one of the request's attempts.
    Retry {
        pause: Duration,
        failure: RunError,
    },
    /// Try again at once or when the pool's pause is over; it was not the request's fault.
    Again,
}

pub(super) async fn run_job(shared: Arc<Shared>, mut job: Job) -> Report {
    let mut rng = rng_for(shared.run_seed, job.request_index);
    let mut failures = 0;
    loop {
        let Some(permit) = shared.permit(&job).await else { return Report::Cancelled };
        match attempt(&shared, &mut job, permit, &mut rng, failures).await {
            Next::Done(report) => return report,
            Next::Again => {}
            Next::Retry { pause, failure } => {
                failures += 1;
                if failures >= shared.max_attempts {
                    return Report::GaveUp(failure);
                }
                if shared.stopped_within(pause).await {
                    return Report::Cancelled;
                }
            }
        }
    }
}

async fn attempt(
    shared: &Shared,
    job: &mut Job,
    permit: Permit,
    rng: &mut fastrand::Rng,
    failures: u32,
) -> Next {
    refresh_body(shared, job);
    let id = shared.journal.next_attempt_id();
    job.reservation.mark_sent();
    if let Err(error) = shared.journal.begin(new_attempt(shared, job, id)).await {
        // Not durable, so it must not leave.
        job.reservation.mark_refused();
        permit.cancel();
        return Next::Done(Report::Fatal(error.into()));
    }
    shared.count(|attempts| attempts.sent += 1);
    let sent_at = Instant::now();
    let path = shared.provider.path();
    let body = job.body.clone();
    let request_id = format!("{}-{}", shared.run_id, job.request_index);
    match shared.client.post(path, body, &request_id).await {
        Outcome::Answered { status, body, .. } => {
            Next::Done(answered(shared, job, permit, id, status, body.into(), sent_at).await)
        }
        Outcome::Refused { status, headers, error } => {
            job.reservation.mark_refused();
            shared.end_refused(id, Some(status), error.to_string()).await;
            refused(shared, job, &headers, error, rng, failures)
        }
        Outcome::NotSent { message, kind } => {
            job.reservation.mark_refused();
            permit.cancel();
            shared.end_refused(id, None, message.clone()).await;
            not_sent(shared, message, kind, rng, failures)
        }
        Outcome::Unknown { message, .. } => {
            shared.end_unconfirmed(id, message.clone()).await;
            unknown(shared, job, message, rng, failures)
        }
    }
}

/// Encodes the body again when the API turned out to take something else meanwhile.
fn refresh_body(shared: &Shared, job: &mut Job) {
    let quirks = shared.quirks();
    if quirks != job.quirks {
        job.body = shared.provider.encode(&job.request, &quirks).into();
        job.quirks = quirks;
    }
}

fn new_attempt(shared: &Shared, job: &Job, id: u64) -> NewAttempt {
    NewAttempt {
        id,
        request_index: job.request_index,
        phase: job.phase,
        examples: job.examples.clone(),
        prompt_bound: job.prompt_bound,
        max_output_tokens: shared.max_output_tokens,
        reserved: job.reservation.amount(),
        at_ms: unix_ms(),
    }
}

async fn answered(
    shared: &Shared,
    job: &mut Job,
    permit: Permit,
    attempt_id: u64,
    status: u16,
    body: Bytes,
    sent_at: Instant,
) -> Report {
    let response = NewResponse {
        attempt_id,
        request_index: job.request_index,
        status,
        latency_ms: u64::try_from(sent_at.elapsed().as_millis()).unwrap_or(u64::MAX),
        body: body.clone(),
        at_ms: unix_ms(),
    };
    // Durable, raw, before anything reads it.
    let seq = match shared.journal.answer(response).await {
        Ok(seq) => seq,
        Err(error) => return Report::Fatal(error.into()),
    };
    shared.count(|attempts| attempts.answered += 1);
    shared.note_success();
    let (items, decoded) = read_body(shared.provider, shared.template, &body, job.examples.len());
    let completion = decoded.as_ref().ok();
    if completion.is_some() {
        shared.prove();
    }
    settle(shared, job, permit, attempt_id, completion).await;
    let unreadable = decoded.err().map(|error| error.to_string());
    Report::Arrived(Arrived { seq, items, unreadable })
}

/// Turns the reservation into the reported cost, or into an unconfirmed one when the report cannot
/// be believed.
async fn settle(
    shared: &Shared,
    job: &mut Job,
    permit: Permit,
    attempt_id: u64,
    completion: Option<&Completion>,
) {
    let end = settlement(shared, job.prompt_bound, completion);
    let reservation = job.reservation.take();
    match &end {
        AttemptEnd::Answered { cost, usage } => {
            reservation.settle(*cost);
            permit.settle(usage.total());
            shared.note_usage(usage, job.body.len());
        }
        AttemptEnd::Refused { .. } | AttemptEnd::Unconfirmed { .. } => {
            reservation.unconfirmed();
            shared.count(|attempts| attempts.unconfirmed += 1);
        }
    }
    shared.end(attempt_id, end).await;
}

/// What an answered attempt costs, from its decoded body.
pub(super) fn settlement(
    shared: &Shared,
    prompt_bound: u64,
    completion: Option<&Completion>,
) -> AttemptEnd {
    settlement_of(&shared.price, prompt_bound, shared.max_output_tokens, completion)
}

/// What an answered attempt costs, from its decoded body and the bounds it was sent with.
pub(super) fn settlement_of(
    price: &crate::ledger::Price,
    prompt_bound: u64,
    max_output_tokens: u64,
    completion: Option<&Completion>,
) -> AttemptEnd {
    let unconfirmed = |message: &str| AttemptEnd::Unconfirmed { message: message.to_owned() };
    match completion {
        None => unconfirmed("the body is not a completion"),
        Some(Completion { usage: None, .. }) => unconfirmed("the response has no usable usage"),
        Some(Completion { usage: Some(usage), .. })
            if !is_plausible(usage, prompt_bound, max_output_tokens) =>
        {
            unconfirmed("the reported usage is far beyond what the request allows")
        }
        Some(Completion { usage: Some(usage), .. }) => {
            AttemptEnd::Answered { cost: cost_of(price, usage), usage: *usage }
        }
    }
}

fn refused(
    shared: &Shared,
    job: &mut Job,
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
        Refusal::RateLimited => rate_limited(shared, headers, rng),
        Refusal::ServerError => {
            let pause = headers.retry_after.unwrap_or_else(|| backoff(rng, failures));
            Next::Retry { pause: pause.min(LONGEST_PAUSE), failure: failure(error) }
        }
        Refusal::BadRequest if shared.learn(&error) => Next::Again,
        Refusal::BadRequest | Refusal::TooLarge | Refusal::Other if shared.is_proven() => {
            tracing::warn!(request = job.request_index, %error, "the server refused a request");
            Next::Done(Report::GaveUp(failure(error)))
        }
        _ => Next::Done(Report::Fatal(failure(error))),
    }
}

/// The whole pool pauses; the request that met the limit is not to blame.
fn rate_limited(shared: &Shared, headers: &ResponseHeaders, rng: &mut fastrand::Rng) -> Next {
    shared.count(|attempts| attempts.rate_limited += 1);
    if let Some(wait) = shared.without_success_for(LONGEST_PAUSE) {
        return Next::Done(Report::Fatal(RunError::RateLimited { wait }));
    }
    let asked = headers.retry_after.or(headers.rate_limit_reset);
    if let Some(wait) = asked.filter(|wait| *wait > LONGEST_PAUSE) {
        return Next::Done(Report::Fatal(RunError::RateLimited { wait }));
    }
    let pause = asked.unwrap_or_else(|| {
        let step = shared.next_pause_step();
        let ceiling = FIRST_PAUSE.saturating_mul(1 << step.min(10)).min(OWN_PAUSE_CAP);
        ceiling.mul_f64(rng.f64())
    });
    // A pause of nothing would let the pool ask again at once, and again.
    shared.limiter.pause_until(Instant::now() + pause.max(Duration::from_millis(50)));
    Next::Again
}

fn not_sent(
    shared: &Shared,
    message: String,
    kind: FailureKind,
    rng: &mut fastrand::Rng,
    failures: u32,
) -> Next {
    shared.count(|attempts| attempts.refused += 1);
    let certificate = kind == FailureKind::Tls;
    let failure = RunError::Unreachable { base_url: shared.base_url.clone(), message, certificate };
    if certificate && !shared.is_proven() {
        return Next::Done(Report::Fatal(failure));
    }
    Next::Retry { pause: backoff(rng, failures), failure }
}

/// The attempt may be billed, so another one needs money of its own.
fn unknown(
    shared: &Shared,
    job: &mut Job,
    message: String,
    rng: &mut fastrand::Rng,
    failures: u32,
) -> Next {
    shared.count(|attempts| attempts.unconfirmed += 1);
    let worst_case = job.reservation.amount();
    job.reservation.take().unconfirmed();
    match shared.ledger.reserve(worst_case) {
        Ok(reservation) => job.reservation = reservation,
        Err(_reached) => return Next::Done(Report::OutOfBudget),
    }
    let failure =
        RunError::Unreachable { base_url: shared.base_url.clone(), message, certificate: false };
    Next::Retry { pause: backoff(rng, failures), failure }
}
