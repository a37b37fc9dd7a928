//! A batch leaves: durable first, then uploaded, then created.

use bytes::Bytes;
use tokio::time::Instant;

use super::Closing;
use super::carrier::{Carrier, End, Step};
use super::search::Found;
use crate::failpoint::{Point, reached};
use crate::pipeline::failure::RunError;
use crate::provider::{CallError, CustomId, Package, Refusal, classify};
use crate::store::{BatchChange, NewAttempt, NewBatch};

/// What the name of a file or a batch is waited for.
enum Sent<T> {
    Done(T),
    /// The run stops, and nothing of it is under way.
    Stopped,
}

impl Carrier {
    /// Sends a batch. Gives the provider's name for it.
    pub(super) async fn submit(
        &mut self,
        bodies: Vec<(u64, Bytes)>,
    ) -> Result<Step<String>, RunError> {
        self.begin().await?;
        reached(Point::BatchBegun);
        let named = |(attempt, body)| (CustomId { tag: self.batch.tag.clone(), attempt }, body);
        let requests: Vec<_> = bodies.into_iter().map(named).collect();
        let package = self.api.pack(&self.batch.tag, &requests);
        drop(requests);
        let file_id = match self.upload(&package).await {
            Ok(Sent::Done(file_id)) => file_id,
            Ok(Sent::Stopped) => return self.stopped().await,
            Err(error) => return self.failed(error).await,
        };
        reached(Point::BatchUploaded);
        let number = self.batch.tag.batch;
        self.shared.journal.change_batch(number, BatchChange::Creating).await?;
        reached(Point::BatchCreating);
        self.create(&package, &file_id).await
    }

    /// Makes the batch and its reservations durable.
    async fn begin(&mut self) -> Result<(), RunError> {
        let at_ms = self.batch.begun_at_ms;
        let attempts: Vec<NewAttempt> = self
            .batch
            .lines
            .values_mut()
            .map(|line| {
                line.reservation.mark_sent();
                NewAttempt {
                    id: line.attempt_id,
                    request_index: line.request_index,
                    phase: line.purpose.phase,
                    examples: line.examples.clone(),
                    tasks: line.purpose.tasks.clone(),
                    prompt_bound: line.prompt_bound,
                    max_output_tokens: line.max_output_tokens,
                    reserved: line.reservation.amount(),
                    at_ms,
                    endpoint: None,
                }
            })
            .collect();
        let sent = attempts.len() as u64;
        let (number, phase) = (self.batch.tag.batch, self.batch.phase);
        let batch = NewBatch { number, phase, attempts, at_ms };
        if let Err(error) = self.shared.journal.begin_batch(batch).await {
            // Not durable, so it must not leave.
            self.batch.lines.values_mut().for_each(|line| line.reservation.mark_refused());
            return Err(error.into());
        }
        self.shared.count(|attempts| attempts.sent += sent);
        Ok(())
    }

    fn call_name(&self) -> String {
        format!("{}-batch-{}", self.batch.tag.run, self.batch.tag.batch)
    }

    /// Uploads the requests, where that is done apart. A file alone costs nothing, so that a cut
    /// upload is simply begun again.
    async fn upload(&mut self, package: &Package) -> Result<Sent<String>, RunError> {
        let Package::File { path, content_type, body } = package else {
            return Ok(Sent::Done(String::new()));
        };
        let (mut failures, began) = (0, Instant::now());
        loop {
            if *self.closing.borrow() != Closing::No {
                return Ok(Sent::Stopped);
            }
            let name = format!("{}-file-{failures}", self.call_name());
            let (client, mut closing) = (self.client(), self.closing.clone());
            let error = tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing != Closing::No) => {
                    return Ok(Sent::Stopped);
                }
                uploaded = client.upload(path, content_type, body.clone(), &name) => {
                    match uploaded {
                        Ok(file_id) => return Ok(Sent::Done(file_id)),
                        Err(error) => error,
                    }
                }
            };
            failures += 1;
            self.give_up_or_rest(error, failures, began).await?;
        }
    }

    /// Creates the batch. An answer that did not come leaves it open whether there is one: the
    /// provider's list tells.
    async fn create(&mut self, package: &Package, file_id: &str) -> Result<Step<String>, RunError> {
        let (mut failures, began) = (0, Instant::now());
        loop {
            if *self.closing.borrow() != Closing::No {
                return self.stopped().await;
            }
            // The same each time: a server that knows the header creates one batch at most.
            let name = self.call_name();
            let tag = &self.batch.tag;
            let error = match self.client().create(package, file_id, tag, &name).await {
                Ok(remote) => {
                    reached(Point::BatchCreated);
                    self.created(&remote.id).await?;
                    return Ok(Step::Go(remote.id));
                }
                Err(error) => error,
            };
            if may_exist(&error) {
                tracing::warn!(%error, "whether a batch was created is not known: looking for it");
                match self.search().await? {
                    Found::At(id) => return Ok(Step::Go(id)),
                    Found::Nowhere => {}
                    Found::Unknowable(message) => return self.lose(&message).await.map(Step::Done),
                    Found::Left => return Ok(Step::Done(End::Left)),
                }
            }
            failures += 1;
            if let Err(error) = self.give_up_or_rest(error, failures, began).await {
                return self.failed(error).await;
            }
        }
    }

    /// Waits before the next try; or fails, when there will be none.
    async fn give_up_or_rest(
        &mut self,
        error: CallError,
        failures: u32,
        since: Instant,
    ) -> Result<(), RunError> {
        if let Some(error) = self.is_final(&error) {
            return Err(error);
        }
        if self.is_hopeless(failures, since) {
            return Err(self.given_up(error));
        }
        tracing::info!(%error, "a batch is sent again");
        let pause = self.pause_after(&error, failures - 1);
        self.rested(pause).await;
        Ok(())
    }

    /// The run stops before the batch left.
    async fn stopped(&mut self) -> Result<Step<String>, RunError> {
        self.call_off("the run stopped before the batch left").await.map(Step::Done)
    }

    /// It cannot be sent: its requests cost nothing, and the run ends.
    async fn failed(&mut self, error: RunError) -> Result<Step<String>, RunError> {
        self.call_off(&error.to_string()).await?;
        Err(error)
    }
}

/// Whether there may be a batch although the call that creates it failed: a gateway's 504 comes from
/// somebody who does not know.
fn may_exist(error: &CallError) -> bool {
    match error {
        CallError::Unknown { .. } | CallError::Unreadable { .. } => true,
        CallError::NotSent { .. } => false,
        CallError::Refused { error, .. } => classify(error) == Refusal::ServerError,
    }
}
