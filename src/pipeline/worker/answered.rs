//! An answer on its way: made durable, read, and turned from a reservation into a cost.

use std::sync::Arc;

use super::{Answer, Arrived, Job, Report};
use crate::chat::{Completion, TokenUsage};
use crate::event::Phase;
use crate::failpoint::{Point, reached};
use crate::ledger::{Price, cost_of, is_enough, is_plausible};
use crate::pipeline::failure::RunError;
use crate::pipeline::judge::{Asked, REASON_LESS, read_body};
use crate::pipeline::lane::Lane;
use crate::pipeline::shared::Shared;
use crate::pipeline::site::{Pass, Site};
use crate::pipeline::waits::Wait;
use crate::provider::{ApiError, DecodeError, classify};
use crate::store::{AttemptEnd, NewResponse, unix_ms};

pub(super) async fn answered(shared: &Shared, job: &mut Job, pass: Pass, answer: Answer) -> Report {
    let site = Arc::clone(pass.site());
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
    site.note_success();
    let sent = Sent {
        phase: job.purpose.phase,
        examples: job.examples.len(),
        tasks: job.purpose.tasks.len(),
        prompt_bound: job.prompt_bound,
        max_output_tokens: job.max_output_tokens(),
    };
    let (arrived, end) = digest(shared, &job.lane, &site, sent, seq, &body);
    settle(shared, job, pass, attempt_id, end).await;
    reached(Point::AnswerSettled);
    Report::Arrived(arrived)
}

/// What is known of a request when its answer comes.
#[derive(Debug, Clone, Copy)]
pub(in crate::pipeline) struct Sent {
    pub(in crate::pipeline) phase: Phase,
    /// In-context examples of the request.
    pub(in crate::pipeline) examples: usize,
    /// Open tasks whose outputs it asked for.
    pub(in crate::pipeline) tasks: usize,
    pub(in crate::pipeline) prompt_bound: u64,
    pub(in crate::pipeline) max_output_tokens: u64,
}

/// Reads a body that is durable, and says what it cost.
pub(in crate::pipeline) fn digest(
    shared: &Shared,
    lane: &Lane,
    site: &Site,
    sent: Sent,
    seq: u64,
    body: &[u8],
) -> (Arrived, AttemptEnd) {
    let Sent { phase, examples, tasks, prompt_bound, max_output_tokens } = sent;
    let asked = Asked { phase, examples, tasks };
    let (items, decoded) = read_body(lane.provider, shared.template, body, asked);
    let completion = decoded.as_ref().ok();
    // Before the site is proven: then a pool's worth of requests is reserved by their bounds.
    if let Some(usage) = completion.and_then(|completion| completion.usage.as_ref()) {
        lane.note_bill(usage, prompt_bound);
    }
    if completion.is_some() {
        site.prove();
    }
    if completion.is_some_and(|it| it.lost_to_reasoning().is_some()) && lane.first_loss() {
        tracing::warn!(
            "an answer was all hidden reasoning, up to its limit: it is paid for and empty; \
             {REASON_LESS}"
        );
    }
    let end = settlement(&lane.price, prompt_bound, max_output_tokens, completion);
    let unreadable = decoded.err().map(|error| unreadable(site, error));
    // A site that has never answered with a completion, or says that it never will, is the one at
    // fault.
    let unreadable = unreadable.filter(|error| {
        let is_at_fault = !site.is_proven() || error.is_final();
        !is_at_fault || !lane.set_aside(site, error)
    });
    (Arrived { seq, items, unreadable }, end)
}

/// What a 2xx body without a completion means. Its excerpt leaves characters out, so that a key may
/// appear in it that was not in the body.
fn unreadable(site: &Site, error: DecodeError) -> RunError {
    match error {
        DecodeError::ErrorObject(error) => {
            let hint = classify(&error).hint();
            let message = site.client.scrub(&error.message);
            RunError::Refused { error: ApiError { message, ..error }, hint }
        }
        error => {
            let message = site.client.scrub(&error.to_string());
            RunError::Unreadable { base_url: site.base_url.clone(), message }
        }
    }
}

/// Turns the reservation into the reported cost, or into an unconfirmed one when the report cannot
/// be believed.
async fn settle(shared: &Shared, job: &mut Job, pass: Pass, attempt_id: u64, end: AttemptEnd) {
    // The journal first: a request that takes the money which this frees comes behind it there, so
    // that its rows never hold more than the budget.
    shared.end(attempt_id, end.clone()).await;
    let reservation = job.reservation.take();
    match &end {
        AttemptEnd::Answered { cost, usage } => {
            reservation.settle(*cost);
            pass.settle(usage, job.max_output_tokens());
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
