//! An answer on its way: made durable, read, and turned from a reservation into a cost.

use super::{Answer, Arrived, Job, Report};
use crate::chat::{Completion, TokenUsage};
use crate::failpoint::{Point, reached};
use crate::ledger::{Price, cost_of, is_enough, is_plausible};
use crate::limit::Permit;
use crate::pipeline::failure::RunError;
use crate::pipeline::judge::{Asked, REASON_LESS, read_body};
use crate::pipeline::lane::Lane;
use crate::pipeline::shared::Shared;
use crate::pipeline::waits::Wait;
use crate::provider::{ApiError, DecodeError, classify};
use crate::store::{AttemptEnd, NewResponse, unix_ms};

pub(super) async fn answered(
    shared: &Shared,
    job: &mut Job,
    permit: Permit,
    answer: Answer,
) -> Report {
    let Answer { attempt_id, status, simulated, body, sent_at } = answer;
    let latency = sent_at.elapsed();
    if simulated && let Err(error) = shared.note_simulated().await {
        return Report::Fatal(error.into());
    }
    let response = NewResponse {
        attempt_id,
        request_index: job.request_index,
        status,
        latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
        body: body.clone(),
        at_ms: unix_ms(),
    };
    reached(Point::AnswerReceived);
    // Durable, raw, before anything reads it.
    let waiting = shared.waits.begin(Wait::Disk);
    let stored = shared.journal.answer(response).await;
    drop(waiting);
    let seq = match stored {
        Ok(seq) => seq,
        Err(error) => return Report::Fatal(error.into()),
    };
    reached(Point::AnswerStored);
    shared.count(|attempts| attempts.answered += 1);
    shared.note_latency(job.purpose.phase, latency);
    job.lane.note_success();
    let provider = job.lane.provider;
    let asked = Asked {
        phase: job.purpose.phase,
        examples: job.examples.len(),
        tasks: job.purpose.tasks.len(),
    };
    let (items, decoded) = read_body(provider, shared.template, &body, asked);
    let completion = decoded.as_ref().ok();
    if completion.is_some() {
        job.lane.prove();
    }
    if completion.is_some_and(|it| it.lost_to_reasoning().is_some()) && job.lane.first_loss() {
        tracing::warn!(
            "an answer was all hidden reasoning, up to its limit: it is paid for and empty; \
             {REASON_LESS}"
        );
    }
    settle(shared, job, permit, attempt_id, completion).await;
    reached(Point::AnswerSettled);
    let unreadable = decoded.err().map(|error| unreadable(&job.lane, error));
    Report::Arrived(Arrived { seq, items, unreadable })
}

/// What a 2xx body without a completion means. Its excerpt leaves characters out, so that a key may
/// appear in it that was not in the body.
fn unreadable(lane: &Lane, error: DecodeError) -> RunError {
    match error {
        DecodeError::ErrorObject(error) => {
            let hint = classify(&error).hint();
            let message = lane.client.scrub(&error.message);
            RunError::Refused { error: ApiError { message, ..error }, hint }
        }
        error => {
            let message = lane.client.scrub(&error.to_string());
            RunError::Unreadable { base_url: lane.base_url.clone(), message }
        }
    }
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
    let end = settlement(&job.lane.price, job.prompt_bound, job.max_output_tokens(), completion);
    // The journal first: a request that takes the money which this frees comes behind it there, so
    // that its rows never hold more than the budget.
    shared.end(attempt_id, end.clone()).await;
    let reservation = job.reservation.take();
    match &end {
        AttemptEnd::Answered { cost, usage } => {
            reservation.settle(*cost);
            permit.settle(usage.total());
            shared.add_usage(usage);
            job.lane.note_usage(usage, job.body.len());
        }
        AttemptEnd::Refused { .. } | AttemptEnd::Unconfirmed { .. } => {
            reservation.unconfirmed();
            shared.count(|attempts| attempts.unconfirmed += 1);
        }
    }
}

/// What an answered attempt costs, from its decoded body and the bounds it was sent with.
pub(in crate::pipeline) fn settlement(
    price: &Price,
    prompt_bound: u64,
    max_output_tokens: u64,
    completion: Option<&Completion>,
) -> AttemptEnd {
    match completion {
        None => AttemptEnd::Unconfirmed { message: "the body is not a completion".to_owned() },
        Some(completion) => {
            let (usage, text) = (completion.usage.as_ref(), &completion.text);
            settlement_of(price, prompt_bound, max_output_tokens, usage, text.len())
        }
    }
}

/// What an answered attempt costs, from the usage that it reports and the bytes of its text.
pub(super) fn settlement_of(
    price: &Price,
    prompt_bound: u64,
    max_output_tokens: u64,
    usage: Option<&TokenUsage>,
    text_bytes: usize,
) -> AttemptEnd {
    let unconfirmed = |message: &str| AttemptEnd::Unconfirmed { message: message.to_owned() };
    match usage {
        None => unconfirmed("the response has no usable usage"),
        Some(usage) if !is_plausible(usage, prompt_bound, max_output_tokens) => {
            unconfirmed("the reported usage is far beyond what the request allows")
        }
        Some(usage) if !is_enough(usage, prompt_bound, text_bytes) => {
            unconfirmed("the reported usage is less than the texts can have")
        }
        Some(usage) => AttemptEnd::Answered { cost: cost_of(price, usage), usage: *usage },
    }
}
