//! Places: how many requests may be under way at once, a fixed number or one that is found.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::climb::Climb;

/// Places for requests under way. Clones share them.
#[derive(Debug, Clone)]
pub struct Places {
    semaphore: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Whether there are more places than the first.
    open: bool,
    /// The places, once they are open.
    most: usize,
    climb: Option<Climb>,
    taken: usize,
    /// Permits that exist, in the semaphore or taken.
    permits: usize,
    /// Of these the ones that end when they are given back.
    surplus: usize,
}

impl Places {
    /// So many places, of which all but one stay closed until [`open`](Self::open) is called.
    pub fn fixed(places: usize) -> Self {
        Self::new(places, None)
    }

    /// As many places as the server is found to use, `most` at most, beginning with those that were
    /// `found` earlier. All but one stay closed until [`open`](Self::open) is called.
    pub fn found_by_trying(most: usize, found: Option<usize>) -> Self {
        Self::new(most, Some(Climb::new(most, found)))
    }

    fn new(most: usize, climb: Option<Climb>) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let state = State { open: false, most, climb, taken: 0, permits: 1, surplus: 0 };
        Self { semaphore: Arc::new(Semaphore::new(1)), state: Arc::new(Mutex::new(state)) }
    }

    /// Opens all places: the first request has shown that there is a server.
    pub fn open(&self) {
        let mut state = self.state();
        if !state.open {
            state.open = true;
            self.provide(&mut state);
        }
    }

    /// Lets nobody in any more. Whoever waits for a place gets none.
    pub fn close(&self) {
        self.semaphore.close();
    }

    /// Waits for a place; `None` when they are closed. Callers are served in their order, and one
    /// that is dropped gives its turn up.
    pub async fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.semaphore).acquire_owned().await.ok()?;
        self.state().taken += 1;
        Some(Place { places: self.clone(), permit: Some(permit) })
    }

    /// How many requests may be under way now.
    pub fn count(&self) -> usize {
        self.state().wanted()
    }

    /// The number of places that was found by trying.
    pub fn found(&self) -> Option<usize> {
        self.state().climb.as_ref().map(Climb::places)
    }

    fn finished(&self, tokens: u64) {
        let mut state = self.state();
        let taken = state.taken;
        if state.climb.as_mut().is_some_and(|climb| climb.finished(Instant::now(), tokens, taken)) {
            self.provide(&mut state);
        }
    }

    fn timed_out(&self) {
        let mut state = self.state();
        if state.climb.as_mut().is_some_and(Climb::timed_out) {
            self.provide(&mut state);
        }
    }

    /// Makes permits for new places, or marks as many for their end as there are too many.
    fn provide(&self, state: &mut State) {
        let wanted = state.wanted();
        let kept = state.permits - state.surplus;
        if wanted < kept {
            let free = self.semaphore.forget_permits(kept - wanted);
            state.permits -= free;
            state.surplus += kept - wanted - free;
            return;
        }
        let revived = state.surplus.min(wanted - kept);
        state.surplus -= revived;
        let new = wanted - kept - revived;
        state.permits += new;
        self.semaphore.add_permits(new);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic, so a poisoned one guards sound data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wanted(&self) -> usize {
        match &self.climb {
            _ if !self.open => 1,
            Some(climb) => climb.places().min(self.most),
            None => self.most,
        }
    }
}

/// A place that is taken; it is free again when this is dropped.
#[derive(Debug)]
#[must_use = "a place that is dropped is free again"]
pub struct Place {
    places: Places,
    permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Frees the place after a request that brought so many tokens.
    pub fn finished(self, tokens: u64) {
        self.places.finished(tokens);
    }

    /// Frees the place after a request that got no answer in time.
    pub fn timed_out(self) {
        self.places.timed_out();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state();
        state.taken -= 1;
        let Some(permit) = self.permit.take() else { return };
        if state.surplus > 0 {
            state.surplus -= 1;
            state.permits -= 1;
            permit.forget();
        }
    }
}
