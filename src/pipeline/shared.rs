//! What all workers share, whichever API they ask: the ledger, the journal and the end of the
//! sending.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::site::Pass;
use super::waits::{Wait, Waits};
use super::worker::{Errand, LongPauses};
use crate::chat::TokenUsage;
use crate::config::SIMULATED_KEY;
use crate::event::Phase;
use crate::histogram::Histogram;
use crate::ledger::Ledger;
use crate::store::{AttemptEnd, Journal, StoreError, unix_ms};
use crate::summary::AttemptCounts;
use crate::template::Template;

/// What all workers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) template: &'static dyn Template,
    pub(super) ledger: Ledger,
    pub(super) journal: Journal,
    pub(super) max_attempts: u32,
    pub(super) run_seed: u64,
    pub(super) run_id: String,
    /// Whether the session is a pilot: it shows what the requests of the run take.
    pub(super) is_pilot: bool,
    /// True from the moment when nothing more may be sent.
    pub(super) stopping: watch::Receiver<bool>,
    /// Long pauses by rate limits in this session.
    pub(super) long_pauses: LongPauses,
    /// Whether the run is known to be simulated.
    pub(super) simulated: AtomicBool,
    /// What requests wait for now.
    pub(super) waits: Waits,
    /// How long answers took, by phase.
    pub(super) latencies: [Histogram; Phase::ALL.len()],
    /// How often an API began to pause after a 429.
    pub(super) pauses: AtomicU64,
    /// What was sent and used over all sessions.
    pub(super) tally: Mutex<(AttemptCounts, TokenUsage)>,
}

impl Shared {
    /// A pass for the next attempt of a job; `None` when the run is stopping.
    pub(super) async fn pass(&self, job: &impl Errand) -> Option<Pass> {
        let tokens = job.tokens();
        let mut stopping = self.stopping.clone();
        let _waiting = self.waits.begin(Wait::Permit);
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => None,
            pass = job.lane().pass(tokens) => Some(pass),
        }
    }

    /// Remembers in the journal that a server said of its answers that they are made up.
    pub(super) async fn note_simulated(&self) -> Result<(), StoreError> {
        if self.simulated.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        tracing::warn!("the server says that its answers are made up: the run is SIMULATED");
        self.journal.set_meta(SIMULATED_KEY, true.to_string()).await
    }

    /// Waits; true when the run began to stop meanwhile.
    pub(super) async fn stopped_within(&self, pause: Duration) -> bool {
        let mut stopping = self.stopping.clone();
        let _waiting = self.waits.begin(Wait::Retry);
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => true,
            () = tokio::time::sleep(pause) => false,
        }
    }

    /// An answer of this phase has come after so long.
    pub(super) fn note_latency(&self, phase: Phase, latency: Duration) {
        self.latencies[phase as usize].record(latency);
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut AttemptCounts)) {
        change(&mut self.lock_tally().0);
    }

    pub(super) fn add_usage(&self, usage: &TokenUsage) {
        self.lock_tally().1.add(usage);
    }

    pub(super) fn tally(&self) -> (AttemptCounts, TokenUsage) {
        *self.lock_tally()
    }

    /// Nothing that holds this lock can panic, so a poisoned one guards sound data.
    fn lock_tally(&self) -> MutexGuard<'_, (AttemptCounts, TokenUsage)> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn end(&self, attempt_id: u64, end: AttemptEnd) {
        // A closed journal has failed everybody who waits for it; its error ends the run.
        drop(self.journal.end(attempt_id, end, unix_ms()).await);
    }

    pub(super) async fn end_refused(&self, attempt_id: u64, status: Option<u16>, message: String) {
        self.end(attempt_id, AttemptEnd::Refused { status, message }).await;
    }

    pub(super) async fn end_unconfirmed(&self, attempt_id: u64, message: String) {
        self.end(attempt_id, AttemptEnd::Unconfirmed { message }).await;
    }
}
