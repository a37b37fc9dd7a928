//! One request's life: permit, durable reservation, HTTP, durable response, settlement; and what
//! to do when it goes wrong. Workers do network I/O and nothing else: what a response is worth,
//! the collector decides.

mod answered;
mod embeddings;
mod errand;
mod refused;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

pub(super) use self::answered::{Sent, digest, settlement};
pub(super) use self::embeddings::{EmbeddingJob, worst_case};
use self::errand::Answer;
pub(super) use self::errand::Errand;
pub(super) use self::refused::LongPauses;
use self::refused::{not_sent, refused, unknown};
use super::failure::RunError;
use super::lane::Lane;
use super::retry::rng_for;
use super::shared::Shared;
use super::site::Pass;
use super::waits::Wait;
use crate::chat::CompletionRequest;
use crate::event::Phase;
use crate::failpoint::{Point, reached};
use crate::ledger::Reservation;
use crate::provider::{ApiError, FailureKind, Outcome, Quirks};
use crate::store::{NewAttempt, unix_ms};
use crate::task::{OpenTask, TaskRef};
use crate::template::Item;
use crate::usd::Usd;

/// A request ready to be sent, with its first reservation.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request_index: u64,
    pub(super) lane: Arc<Lane>,
    pub(super) purpose: Purpose,
    pub(super) examples: Vec<TaskRef>,
    pub(super) request: CompletionRequest,
    pub(super) body: Bytes,
    pub(super) quirks: Quirks,
    pub(super) prompt_bound: u64,
    pub(super) reservation: Reservation,
}

/// What a request is for.
#[derive(Debug, Clone)]
pub(super) struct Purpose {
    pub(super) phase: Phase,
    /// The open tasks whose outputs it asks for.
    pub(super) tasks: Vec<OpenTask>,
    /// What is kept back for the requests that its answer will call for.
    pub(super) earmark: Usd,
    /// What is kept back for the embeddings of what it brings.
    pub(super) embeddings: Usd,
}

impl Purpose {
    /// A request that brings about no further ones.
    pub(super) fn of(phase: Phase) -> Self {
        Self { phase, tasks: Vec::new(), earmark: Usd::ZERO, embeddings: Usd::ZERO }
    }
}

impl Job {
    /// The most output tokens that its request asks for.
    pub(super) fn max_output_tokens(&self) -> u64 {
        u64::from(self.request.max_output_tokens)
    }
}

/// A response that is durable and settled, on its way to the judge.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) seq: u64,
    pub(super) items: Vec<Item>,
    /// Why the body is no completion, if it is none.
    pub(super) unreadable: Option<RunError>,
}

/// How a job ended.
#[derive(Debug)]
pub(super) enum Report {
    /// It was answered.
    Arrived(Arrived),
    /// The embeddings that it asked for are in the journal; they have so many dimensions.
    Embedded(usize),
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
pub(super) enum Next {
    Done(Report),
    /// Try again after a pause; the failure counts as one of the request's attempts.
    Retry {
        pause: Duration,
        failure: RunError,
    },
    /// Try again at once or when the site's pause is over; it was not the request's fault.
    Again,
    /// The site is at fault, as it would be with any other request: try elsewhere.
    Elsewhere(RunError),
}

pub(super) async fn run_job(shared: Arc<Shared>, mut job: impl Errand) -> Report {
    let mut rng = rng_for(shared.run_seed, job.request_index());
    let mut failures = 0;
    loop {
        let Some(pass) = shared.pass(&job).await else { return Report::Cancelled };
        let site = Arc::clone(pass.site());
        match attempt(&shared, &mut job, pass, &mut rng, failures).await {
            Next::Done(report) => return report,
            Next::Again => {}
            Next::Elsewhere(error) => {
                if !job.lane().set_aside(&site, &error) {
                    return Report::Fatal(error);
                }
            }
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
    job: &mut impl Errand,
    mut pass: Pass,
    rng: &mut fastrand::Rng,
    failures: u32,
) -> Next {
    let body = job.body();
    let attempt_id = shared.journal.next_attempt_id();
    let site = Arc::clone(pass.site());
    job.reservation().mark_sent();
    // Said only where there is a choice.
    let endpoint = job.lane().is_spread().then(|| site.name.clone());
    let attempt = NewAttempt { endpoint, ..job.new_attempt(attempt_id) };
    reached(Point::AttemptBefore);
    let waiting = shared.waits.begin(Wait::Disk);
    let begun = shared.journal.begin(attempt).await;
    drop(waiting);
    if let Err(error) = begun {
        // Not durable, so it must not leave.
        job.reservation().mark_refused();
        pass.cancel();
        return Next::Done(Report::Fatal(error.into()));
    }
    // The disk took its time, and the server counts from now on.
    pass.leave();
    shared.count(|attempts| attempts.sent += 1);
    let sent_at = Instant::now();
    let request_id = format!("{}-{}", shared.run_id, job.request_index());
    let path = job.path();
    reached(Point::AttemptBegun);
    let waiting = shared.waits.begin(Wait::Answer);
    let outcome = site.client.post(&path, body, &request_id).await;
    drop(waiting);
    match outcome {
        Outcome::Answered { status, headers, body } => {
            site.note_limits(&headers);
            let simulated = headers.simulated;
            let answer = Answer { attempt_id, status, simulated, body, sent_at };
            job.answered(shared, pass, answer).await
        }
        Outcome::Refused { status, headers, error } => {
            job.reservation().mark_refused();
            shared.end_refused(attempt_id, Some(status), error.to_string()).await;
            site.note_limits(&headers);
            refused(shared, job, pass, &headers, error, rng, failures)
        }
        Outcome::NotSent { message, kind } => {
            job.reservation().mark_refused();
            pass.cancel();
            shared.end_refused(attempt_id, None, message.clone()).await;
            not_sent(shared, job.lane(), &site, message, kind, rng, failures)
        }
        Outcome::Unknown { message, kind } => {
            shared.end_unconfirmed(attempt_id, message.clone()).await;
            if kind == FailureKind::Timeout {
                pass.timed_out();
            }
            unknown(shared, job, &site, message, kind, rng, failures)
        }
    }
}

impl Errand for Job {
    fn request_index(&self) -> u64 {
        self.request_index
    }

    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn path(&self) -> String {
        self.lane.provider.path(&self.request.model)
    }

    /// Encoded again when the API turned out to take something else meanwhile.
    fn body(&mut self) -> Bytes {
        let quirks = self.lane.quirks();
        if quirks != self.quirks {
            self.body = self.lane.provider.encode(&self.request, &quirks).into();
            self.quirks = quirks;
        }
        self.body.clone()
    }

    fn tokens(&self) -> u64 {
        self.lane.estimate_tokens(self.body.len(), self.max_output_tokens())
    }

    fn reservation(&mut self) -> &mut Reservation {
        &mut self.reservation
    }

    fn new_attempt(&self, id: u64) -> NewAttempt {
        NewAttempt {
            id,
            request_index: self.request_index,
            phase: self.purpose.phase,
            endpoint: None,
            examples: self.examples.clone(),
            tasks: self.purpose.tasks.clone(),
            prompt_bound: self.prompt_bound,
            max_output_tokens: self.max_output_tokens(),
            reserved: self.reservation.amount(),
            at_ms: unix_ms(),
        }
    }

    fn learn(&self, error: &ApiError) -> bool {
        // Another request may have learnt meanwhile what this one was sent without.
        self.lane.learn(error) || self.lane.quirks() != self.quirks
    }

    async fn answered(&mut self, shared: &Shared, pass: Pass, answer: Answer) -> Next {
        Next::Done(answered::answered(shared, self, pass, answer).await)
    }
}
