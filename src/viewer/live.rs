//! Follows a run: takes new rows into the index and keeps the totals at hand, so that no page waits.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::report::count;
use crate::report::html::money;
use crate::store::{RunDir, RunReader, SearchIndex, StoreError};
use crate::summary::{RunState, Summary};

/// Rows taken into the index at once: a search waits for no more than a moment.
const ROWS_AT_ONCE: usize = 5_000;
/// How often the journal is looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// What is known of the run at the moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    /// Whether a process works on the run.
    pub(super) running: bool,
    /// The totals, as soon as they are known.
    pub(super) summary: Option<Summary>,
    /// Rows in the index.
    pub(super) indexed: u64,
    /// What went wrong.
    pub(super) problem: Option<String>,
}

impl Live {
    /// The rows of the journal, as far as they are known.
    pub(super) fn rows(&self) -> Option<u64> {
        self.summary.as_ref().map(Summary::candidates)
    }

    /// What the script of a page shows, as texts.
    pub(super) fn to_json(&self) -> Value {
        let known = |text: fn(&Summary) -> String| {
            self.summary.as_ref().map_or_else(|| "…".to_owned(), text)
        };
        json!({
            "running": self.running,
            "accepted": known(|s| count(s.accepted)),
            "rejected": known(|s| count(s.candidates() - s.accepted)),
            "spent": known(|s| money(s.spent)),
            "requests": known(|s| count(s.requests)),
            "indexed": count(self.indexed),
            "rows": known(|s| count(s.candidates())),
            "complete": self.rows().is_some_and(|rows| self.indexed >= rows),
        })
    }
}

/// What is known, shared.
pub(super) type Shared = Arc<Mutex<Live>>;

/// The thread that follows the run; it ends with this.
#[derive(Debug)]
pub(super) struct Follower {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Starts to follow a run.
    pub(super) fn start(dir: RunDir, index: SearchIndex, live: Shared) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || follow(&dir, index, &live, &stopped));
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(Err(_panicked)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that follows the run has failed");
        }
    }
}

fn follow(dir: &RunDir, mut index: SearchIndex, live: &Shared, stopped: &Receiver<()>) {
    let mut turn = Turn { reader: None, seen: None };
    loop {
        let pause = match turn.take(dir, &mut index, live) {
            Ok(true) => Duration::ZERO,
            Ok(false) => PAUSE,
            Err(error) => {
                change(live, |live| live.problem = Some(error.to_string()));
                PAUSE
            }
        };
        if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

struct Turn {
    reader: Option<RunReader>,
    /// The journal's state when the totals were read.
    seen: Option<i64>,
}

impl Turn {
    /// Looks at the run once; whether there is more to take into the index.
    fn take(
        &mut self,
        dir: &RunDir,
        index: &mut SearchIndex,
        live: &Shared,
    ) -> Result<bool, StoreError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(dir.read()?),
        };
        let running = reader.state()?.0 == RunState::Running;
        let counter = Some(reader.change_counter()?);
        if self.seen != counter {
            let summary = reader.summary()?;
            self.seen = counter;
            change(live, |live| live.summary = Some(summary));
        }
        let added = index.extend(reader, ROWS_AT_ONCE)?;
        let indexed = index.rows()?;
        change(live, |live| {
            (live.running, live.indexed, live.problem) = (running, indexed, None);
        });
        Ok(added == ROWS_AT_ONCE)
    }
}

fn change(live: &Shared, with: impl FnOnce(&mut Live)) {
    with(&mut live.lock().unwrap_or_else(PoisonError::into_inner));
}
