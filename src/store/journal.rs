//! The writing side: what workers and the collector ask of the writer thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::batches::{BatchChange, NewBatch};
use super::embeddings::EmbeddingBatch;
use super::memory::Disk;
use super::reader::ESTIMATE_KEY;
use super::records::{AttemptEnd, NewAttempt, NewResponse, VerdictBatch};
use super::writer::{Ack, Command, Place, SessionEnd, Writer};
use super::{RunReader, StoreError};
use crate::histogram::{Durations, Histogram};
use crate::summary::{Estimate, StopReason};

/// Commands that may wait for the writer thread before callers are held back.
const QUEUE: usize = 1_024;
/// Where the classes of commit times end, in seconds: from a fast disk to one that hangs.
const COMMITS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

/// The writing side of a run. Clones write to the same run.
#[derive(Debug, Clone)]
pub struct Journal {
    commands: mpsc::Sender<Command>,
    /// Why the writer thread ended before its time.
    failure: Arc<OnceLock<StoreError>>,
    next_attempt: Arc<AtomicU64>,
    /// Set for a run in memory.
    disk: Option<Arc<dyn Disk>>,
    /// How long commits took.
    commits: Arc<Histogram>,
}

/// The writer thread, to be waited for after the last command. For a run in memory it is a task.
#[derive(Debug)]
pub struct WriterThread(Writing);

#[derive(Debug)]
enum Writing {
    Thread(JoinHandle<()>),
    /// Ends when it is dropped.
    Task(JoinSet<()>),
}

impl WriterThread {
    /// Waits until everything is written and the database is closed.
    pub fn join(self) {
        match self.0 {
            // A panic there has already failed every caller through its dropped answer.
            Writing::Thread(thread) => drop(thread.join()),
            Writing::Task(task) => drop(task),
        }
    }
}

impl Journal {
    pub(super) fn start(
        connection: Connection,
        place: Place,
        session: i64,
        reader: &RunReader,
    ) -> Result<(Self, WriterThread), StoreError> {
        let next_attempt = reader.next_attempt_id()?;
        let last_seq = reader.last_seq()?;
        let (database, disk) = (place.database.clone(), place.disk.clone());
        let commits = Arc::new(Histogram::new(&COMMITS));
        let writer = Writer::new(connection, place, session, last_seq, Arc::clone(&commits))
            .map_err(|error| StoreError::io(&database, &error))?;
        let (commands, queue) = mpsc::channel(QUEUE);
        let failure = Arc::new(OnceLock::new());
        let told = Arc::clone(&failure);
        let writing = if let Some(disk) = disk.clone() {
            let mut task = JoinSet::new();
            task.spawn(writer.run_as_task(queue, told, disk));
            Writing::Task(task)
        } else {
            let thread = std::thread::Builder::new()
                .name("journal".to_owned())
                .spawn(move || writer.run(queue, &told))
                .map_err(|error| StoreError::io(&database, &error))?;
            Writing::Thread(thread)
        };
        let next_attempt = Arc::new(AtomicU64::new(next_attempt));
        let journal = Self { commands, failure, next_attempt, disk, commits };
        Ok((journal, WriterThread(writing)))
    }

    /// A number for a new attempt, unique within the run.
    pub fn next_attempt_id(&self) -> u64 {
        self.next_attempt.fetch_add(1, Ordering::Relaxed)
    }

    /// How long this session's commits took, each until it was durable.
    pub fn commit_times(&self) -> Durations {
        self.commits.read()
    }

    /// Records that an attempt is about to leave. When this returns, its reservation is durable.
    ///
    /// # Errors
    /// [`StoreError`]: the attempt must not be sent then.
    pub async fn begin(&self, attempt: NewAttempt) -> Result<(), StoreError> {
        self.ask(|ack| Command::Begin(attempt, ack)).await
    }

    /// Records a batch that is about to leave, with all its attempts, all of it or nothing. When this
    /// returns, its reservations are durable.
    ///
    /// # Errors
    /// [`StoreError`]: the batch must not be sent then.
    pub async fn begin_batch(&self, batch: NewBatch) -> Result<(), StoreError> {
        self.ask(|ack| Command::BeginBatch(batch, ack)).await
    }

    /// Records what happened to a batch, durably.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    pub async fn change_batch(&self, number: u64, change: BatchChange) -> Result<(), StoreError> {
        self.ask(|ack| Command::ChangeBatch(number, change, ack)).await
    }

    /// Records a whole 2xx body. When this returns, it is durable; the answer is its position in
    /// the journal, from 1 without gaps.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    pub async fn answer(&self, response: NewResponse) -> Result<u64, StoreError> {
        self.ask(|ack| Command::Answer(response, ack)).await
    }

    /// Records how an attempt ended, without waiting for the disk: after a crash the end is worked
    /// out again from what is durable.
    ///
    /// # Errors
    /// The [`StoreError`] that closed the journal.
    pub async fn end(
        &self,
        attempt_id: u64,
        end: AttemptEnd,
        at_ms: i64,
    ) -> Result<(), StoreError> {
        self.tell(Command::End(attempt_id, end, at_ms)).await
    }

    /// Records embeddings and how the attempt ended that brought them, all of it or nothing. When
    /// this returns, it is durable.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    pub async fn embed(&self, batch: EmbeddingBatch) -> Result<(), StoreError> {
        self.ask(|ack| Command::Embed(batch, ack)).await
    }

    /// Records verdicts, all of the batch or none, without waiting for the disk: after a crash
    /// they are derived again.
    ///
    /// # Errors
    /// The [`StoreError`] that closed the journal.
    pub async fn judge(&self, batch: VerdictBatch) -> Result<(), StoreError> {
        self.tell(Command::Judge(batch)).await
    }

    /// Stores a text under a name, replacing an earlier one, durably.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    pub async fn set_meta(&self, key: &'static str, value: String) -> Result<(), StoreError> {
        self.ask(|ack| Command::SetMeta(key, value, ack)).await
    }

    /// Stores what is expected of the run, durably.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    pub async fn set_estimate(&self, estimate: &Estimate) -> Result<(), StoreError> {
        self.set_meta(ESTIMATE_KEY, estimate.to_text()).await
    }

    /// Stores a text under a name when the writer gets to it. Nobody waits for it, and when the writer
    /// is far behind it is left out: for what can be found out again.
    pub fn note_meta(&self, key: &'static str, value: String) {
        let (ack, _nobody_waits) = oneshot::channel();
        drop(self.commands.try_send(Command::SetMeta(key, value, ack)));
    }

    /// Waits until everything asked so far is durable.
    ///
    /// # Errors
    /// [`StoreError`] when something could not be written.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.ask(Command::Flush).await
    }

    /// Ends the session, durably, and moves the write-ahead log into the database.
    ///
    /// # Errors
    /// [`StoreError`] when something could not be written.
    pub async fn close(
        &self,
        reason: StopReason,
        message: Option<String>,
    ) -> Result<(), StoreError> {
        self.ask(|ack| Command::Close(SessionEnd::Stopped(reason, message), ack)).await
    }

    /// Ends a session that has sent nothing as if it had never begun, and closes the journal.
    ///
    /// # Errors
    /// [`StoreError`] when something could not be written.
    pub async fn withdraw(&self) -> Result<(), StoreError> {
        self.ask(|ack| Command::Close(SessionEnd::Withdrawn, ack)).await
    }

    async fn tell(&self, command: Command) -> Result<(), StoreError> {
        if let Some(disk) = &self.disk {
            tokio::time::sleep(disk.hand_over()).await;
        }
        self.commands.send(command).await.map_err(|_closed| self.closed())
    }

    /// The error that closed the journal.
    fn closed(&self) -> StoreError {
        self.failure.get().cloned().unwrap_or(StoreError::Closed)
    }

    async fn ask<T>(&self, command: impl FnOnce(Ack<T>) -> Command) -> Result<T, StoreError> {
        let (ack, answer) = oneshot::channel();
        self.tell(command(ack)).await?;
        answer.await.map_err(|_closed| self.closed())?
    }
}
