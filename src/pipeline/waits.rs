//! What the requests of a run wait for at the moment.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// What a request can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Its turn within the rate limit.
    Permit,
    /// The journal, before it leaves or when it is answered.
    Disk,
    /// The server's answer.
    Answer,
    /// The end of a pause after a failure.
    Retry,
}

/// Requests that wait for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crowd {
    /// How many.
    pub(super) count: usize,
    /// Since when the first of them waits.
    pub(super) since: Instant,
}

/// What the requests of a run wait for. Entering and leaving takes a fraction of a microsecond.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// For each kind when each began, in the order in which they began.
    begun: [BTreeMap<u64, Instant>; 4],
    next: u64,
}

/// A request waits for as long as this lives.
#[derive(Debug)]
#[must_use = "it waits for as long as this lives"]
pub(super) struct Waiting<'a> {
    waits: &'a Waits,
    wait: Wait,
    number: u64,
}

impl Waits {
    /// A request begins to wait.
    pub(super) fn begin(&self, wait: Wait) -> Waiting<'_> {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.begun[wait as usize].insert(number, Instant::now());
        Waiting { waits: self, wait, number }
    }

    /// Those that wait for this now; `None` when nobody does.
    pub(super) fn crowd(&self, wait: Wait) -> Option<Crowd> {
        let state = self.state();
        let begun = &state.begun[wait as usize];
        let (_, since) = begun.first_key_value()?;
        Some(Crowd { count: begun.len(), since: *since })
    }

    /// Nothing that holds this lock can panic, so a poisoned one guards sound data.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waits.state().begun[self.wait as usize].remove(&self.number);
    }
}
