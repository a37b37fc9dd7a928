//! Takes one batch to its end.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::patience::Patience;
use super::search::Found;
use super::{Batch, Closing, Line, Note, Start};
use crate::failpoint::{Point, reached};
use crate::pipeline::failure::RunError;
use crate::pipeline::retry::{backoff, rng_for};
use crate::pipeline::shared::Shared;
use crate::pipeline::worker::Report;
use crate::provider::{
    BatchApi, BatchClient, BatchStage, CallError, Refusal, RemoteBatch, classify,
};
use crate::store::{AttemptEnd, BatchChange};

/// So many times in a row a provider may say that it does not know a batch before that is believed.
pub(super) const NOT_FOUND_LIMIT: u32 = 3;
/// A provider that cannot be asked for so long is gone.
pub(super) const LONGEST_SILENCE: Duration = Duration::from_hours(1);

/// Takes one batch to its end.
pub(in crate::pipeline) struct Carrier {
    pub(super) shared: Arc<Shared>,
    pub(super) batch: Batch,
    pub(super) api: &'static dyn BatchApi,
    pub(super) notes: mpsc::Sender<Note>,
    pub(super) closing: watch::Receiver<Closing>,
    pub(super) known: Arc<Mutex<BTreeSet<String>>>,
    pub(super) rng: fastrand::Rng,
}

/// How a carrier is done.
pub(super) enum End {
    /// Every request is told.
    Told { over_token_limit: bool },
    /// The run stops; the batch stays for the next session.
    Left,
}

/// What comes of a step that may be the last one.
pub(super) enum Step<T> {
    Go(T),
    Done(End),
}

impl Carrier {
    pub(in crate::pipeline) fn new(
        shared: Arc<Shared>,
        batch: Batch,
        api: &'static dyn BatchApi,
        notes: mpsc::Sender<Note>,
        closing: watch::Receiver<Closing>,
        known: Arc<Mutex<BTreeSet<String>>>,
    ) -> Self {
        let rng = rng_for(shared.run_seed, batch.tag.batch);
        Self { shared, batch, api, notes, closing, known, rng }
    }

    pub(in crate::pipeline) async fn carry(mut self, start: Start) {
        let number = self.batch.tag.batch;
        let over_token_limit = match self.run(start).await {
            Ok(End::Told { over_token_limit }) => over_token_limit,
            Ok(End::Left) => false,
            Err(error) => {
                self.note(Note::Failed(error)).await;
                false
            }
        };
        for line in std::mem::take(&mut self.batch.lines).into_values() {
            self.over(line, Report::Cancelled).await;
        }
        self.note(Note::Ended { number, over_token_limit }).await;
    }

    async fn run(&mut self, start: Start) -> Result<End, RunError> {
        let id = match start {
            Start::New(bodies) => match self.submit(bodies).await? {
                Step::Go(id) => id,
                Step::Done(end) => return Ok(end),
            },
            Start::NeverLeft => {
                let message = "the process ended before the batch left";
                return self.withdraw(message).await;
            }
            Start::MayExist => match self.search().await? {
                Found::At(id) => id,
                Found::Nowhere => {
                    let message = "the batch does not exist: its creation never arrived";
                    return self.withdraw(message).await;
                }
                Found::Unknowable(message) => return self.lose(&message).await,
                Found::Left => return Ok(End::Left),
            },
            Start::Created(id) => id,
        };
        match self.wait(&id).await? {
            Step::Go(remote) => self.settle(remote).await,
            Step::Done(end) => Ok(end),
        }
    }

    pub(super) fn client(&self) -> BatchClient<'_> {
        BatchClient::new(&self.batch.lane.first_site().client, self.api)
    }

    /// Waits for a batch to end. It is cancelled when what it would bring is not needed any more.
    async fn wait(&mut self, id: &str) -> Result<Step<RemoteBatch>, RunError> {
        let mut patience = Patience::of(&self.batch.lane.first_site().base_url);
        let (mut not_found, mut cancelled) = (0, false);
        let (mut last, mut last_answer) = (None, Instant::now());
        loop {
            if *self.closing.borrow_and_update() == Closing::Cancel && !cancelled {
                cancelled = true;
                if let Err(error) = self.client().cancel(id).await {
                    tracing::warn!(%error, "a batch was not cancelled");
                }
                patience = Patience::of(&self.batch.lane.first_site().base_url);
            }
            match self.client().get(id).await {
                Ok(remote) => {
                    (not_found, last_answer) = (0, Instant::now());
                    self.tell(&remote, &mut last).await?;
                    if remote.stage != BatchStage::Open {
                        return Ok(Step::Go(remote));
                    }
                }
                Err(CallError::Refused { error, .. }) if error.status == 404 => not_found += 1,
                Err(error) => {
                    if let Some(error) = self.is_final(&error) {
                        return Err(error);
                    }
                    if last_answer.elapsed() > LONGEST_SILENCE {
                        return Err(self.given_up(error));
                    }
                    tracing::debug!(%error, "a batch cannot be asked for now");
                }
            }
            if not_found >= NOT_FOUND_LIMIT {
                return self.is_lost(id).await;
            }
            if self.rested(patience.pause()).await == Closing::Leave {
                return Ok(Step::Done(End::Left));
            }
        }
    }

    /// The provider does not know a batch: whether its list, which the key must be able to see, does
    /// not have it either.
    async fn is_lost(&mut self, id: &str) -> Result<Step<RemoteBatch>, RunError> {
        match self.listed().await {
            Ok(batches) if batches.iter().any(|batch| batch.id == id) => {
                Err(RunError::Batch { message: format!("the provider lists {id} and denies it") })
            }
            Ok(_) => {
                let message = "the provider does not know the batch any more";
                self.lose(message).await.map(Step::Done)
            }
            Err(error) => Err(self.is_final(&error).unwrap_or_else(|| self.given_up(error))),
        }
    }

    /// Tells how far a batch is, when that has changed.
    async fn tell(
        &self,
        remote: &RemoteBatch,
        last: &mut Option<(String, u64, u64)>,
    ) -> Result<(), RunError> {
        let now = (remote.label.clone(), remote.completed, remote.failed);
        if last.as_ref() != Some(&now) {
            let number = self.batch.tag.batch;
            let (label, completed, failed) = now.clone();
            let change = BatchChange::Seen { label: label.clone(), completed, failed };
            self.shared.journal.change_batch(number, change).await?;
            self.note(Note::Seen { number, label, completed, failed }).await;
            *last = Some(now);
        }
        Ok(())
    }

    /// Waits, unless the run begins to stop, or stops harder, meanwhile.
    pub(super) async fn rested(&mut self, pause: Duration) -> Closing {
        tokio::select! {
            biased;
            changed = self.closing.changed() => {
                // Without a collector nobody waits for the batch.
                if changed.is_err() { return Closing::Leave }
            }
            () = tokio::time::sleep(pause) => {}
        }
        *self.closing.borrow()
    }

    /// A pause after a call that failed `failures` times before.
    pub(super) fn pause_after(&mut self, error: &CallError, failures: u32) -> Duration {
        let asked = match error {
            CallError::Refused { wait, .. } => wait.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        asked.min(LONGEST_SILENCE).max(backoff(&mut self.rng, failures))
    }

    /// The error with which the run ends, when no later call would fare better.
    pub(super) fn is_final(&self, error: &CallError) -> Option<RunError> {
        let CallError::Refused { error, .. } = error else { return None };
        let refusal = classify(error);
        let error = error.clone();
        match refusal {
            Refusal::RateLimited | Refusal::ServerError => None,
            Refusal::NotFound => Some(RunError::NoBatches {
                base_url: self.batch.lane.first_site().base_url.clone(),
                error,
            }),
            _ => Some(RunError::Refused { error, hint: refusal.hint() }),
        }
    }

    /// The error with which the run ends when a call has failed too often.
    pub(super) fn given_up(&self, error: CallError) -> RunError {
        if let CallError::Refused { error, .. } = error {
            let hint = classify(&error).hint();
            return RunError::Refused { error, hint };
        }
        let base_url = self.batch.lane.first_site().base_url.clone();
        RunError::Unreachable { base_url, message: error.to_string(), certificate: false }
    }

    /// Whether calls that have failed since then, so many times in a row, are to be given up. Where one
    /// has worked the next will again: a batch has time, and to wait costs nothing.
    pub(super) fn is_hopeless(&self, failures: u32, since: Instant) -> bool {
        if self.batch.lane.is_proven() {
            since.elapsed() > LONGEST_SILENCE
        } else {
            failures >= self.shared.max_attempts
        }
    }

    pub(super) async fn note(&self, note: Note) {
        // The collector outlives its carriers; when it does not, nobody needs the note.
        drop(self.notes.send(note).await);
    }

    pub(super) async fn over(&self, line: Line, report: Report) {
        let lane = Arc::clone(&self.batch.lane);
        self.note(Note::Over { lane, purpose: line.purpose, report }).await;
    }

    /// Nothing of the batch was carried out, and nothing will be: its requests are asked again.
    pub(super) async fn withdraw(&mut self, message: &str) -> Result<End, RunError> {
        // So that all of them are gathered before any leaves again.
        self.note(Note::Reading { number: self.batch.tag.batch }).await;
        for line in std::mem::take(&mut self.batch.lines).into_values() {
            self.free(line, None, RunError::Batch { message: message.to_owned() }, false).await;
        }
        self.end(message).await?;
        Ok(End::Told { over_token_limit: false })
    }

    /// Nothing of the batch was carried out, nothing will be, and the run ends: its requests are over.
    pub(super) async fn call_off(&mut self, message: &str) -> Result<End, RunError> {
        for mut line in std::mem::take(&mut self.batch.lines).into_values() {
            line.reservation.mark_refused();
            self.shared.end_refused(line.attempt_id, None, message.to_owned()).await;
            self.shared.count(|attempts| attempts.refused += 1);
            self.over(line, Report::Cancelled).await;
        }
        self.end(message).await?;
        Ok(End::Told { over_token_limit: false })
    }

    /// What became of the batch cannot be known: its requests count at their worst case, and are
    /// asked again.
    pub(super) async fn lose(&mut self, message: &str) -> Result<End, RunError> {
        tracing::warn!(message, "a batch is lost");
        self.note(Note::Reading { number: self.batch.tag.batch }).await;
        for line in std::mem::take(&mut self.batch.lines).into_values() {
            self.unconfirmed(line, message).await;
        }
        self.end(message).await?;
        Ok(End::Told { over_token_limit: false })
    }

    /// A request came to nothing, free of charge: it is asked again.
    pub(super) async fn free(
        &mut self,
        mut line: Line,
        status: Option<u16>,
        failure: RunError,
        counts: bool,
    ) {
        // The journal first, so that its rows never hold more than the budget.
        self.shared.end_refused(line.attempt_id, status, failure.to_string()).await;
        line.reservation.mark_refused();
        self.shared.count(|attempts| attempts.refused += 1);
        line.failures += u32::from(counts);
        let lane = Arc::clone(&self.batch.lane);
        self.note(Note::Again { lane, line, failure }).await;
    }

    /// A request may have been billed, and its answer is not to be had: it is asked again.
    pub(super) async fn unconfirmed(&mut self, mut line: Line, message: &str) {
        let message = message.to_owned();
        let end = AttemptEnd::Unconfirmed { message: message.clone() };
        self.shared.end(line.attempt_id, end).await;
        self.shared.count(|attempts| attempts.unconfirmed += 1);
        line.reservation.take().unconfirmed();
        line.failures += 1;
        let lane = Arc::clone(&self.batch.lane);
        self.note(Note::Again { lane, line, failure: RunError::Batch { message } }).await;
    }

    /// All requests are accounted for.
    pub(super) async fn end(&self, message: &str) -> Result<(), RunError> {
        reached(Point::BatchTold);
        let change = BatchChange::Ended(message.to_owned());
        Ok(self.shared.journal.change_batch(self.batch.tag.batch, change).await?)
    }

    /// The batch exists, under this name.
    pub(super) async fn created(&self, id: &str) -> Result<(), RunError> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        let change = BatchChange::Created(id.to_owned());
        self.shared.journal.change_batch(self.batch.tag.batch, change).await?;
        reached(Point::BatchNamed);
        Ok(())
    }
}
