//! Rate limits: requests and tokens per minute, held in any sliding minute and used fully.
//!
//! A [`Limiter`] hands out a [`Permit`] for each request. Callers pass one first-in-first-out
//! gate, so a large request is not overtaken by small ones that would fit sooner; whoever is at
//! the gate waits until two layers agree:
//!
//! 1. **The pace** (`pace.rs`): governor's GCRA, one for requests and one for tokens, at the full
//!    rate with a burst of half a second, or of two large requests once it is earned. It spreads the
//!    load evenly. On its own it would admit the rate *plus* the burst in a minute. A server that
//!    refuses a request although its minute has room counts seconds: then no burst is larger than
//!    half a second.
//! 2. **The window** (`window.rs`): a log of the permits of the last minute (and a
//!    [slack](window::SLACK)), in which neither requests nor tokens may pass the limit. It makes
//!    the promise exact. On its own it would let a whole minute's worth out at once.
//!
//! A permit is given before the request's reservation is made durable, which takes as long as the disk takes;
//! [`Permit::leave`] moves it to the moment at which the request really leaves.
//!
//! Both are corrected when a request ends: [`Permit::settle`] gives back tokens that were reserved
//! and not used, or books the debt when more were used. A debt is learned too late to prevent; it
//! delays what comes next.
//!
//! # Limits that are not known, or change
//!
//! What a server announces in its headers counts where it is lower than what was set, or where
//! nothing was ([`Limiter::announce`]). Where neither is known, `search.rs` finds the requests per
//! minute by trying: down at a refusal, up again in small steps. Of a server that refuses nothing
//! and only gets slow, `climb.rs` finds how many requests it serves at once ([`Places`]).
//!
//! # How much of a limit is used
//!
//! 60 / 60.5 = 99.2 % of the requests, for the slack. Of the tokens less, by what no limit that is
//! never passed can use:
//!
//! - A request that does not fit into what is left of the minute waits: about half a request lies
//!   idle on average, and with requests of one size the remainder that holds no further one.
//! - What a request under way has reserved and will give back is out of use until it ends.
//! - Where both limits bind alike, requests of different sizes reach one at times and the other at
//!   other times, and neither is used up.
//!
//! At 90,000 tokens a minute and requests of 1,500 to 4,500 tokens, 97.0 % are used in the long
//! run; at 2,000,000 it is 99.1 %.
//!
//! # Restarts
//!
//! The window is in memory. A process that starts within a minute of the last one tells it what that
//! one sent ([`Limiter::remember`]), so that the promise holds for a minute that spans both.

mod climb;
mod pace;
mod places;
mod search;
mod state;
#[cfg(test)]
mod tests;
mod window;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub use places::{Place, Places};

use state::State;
use window::Usage;

/// What the server allows. `None` is no limit; zero is taken as one, so that nothing waits for
/// ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests in any 60 seconds.
    pub requests_per_minute: Option<u64>,
    /// Tokens, prompt and output, in any 60 seconds. A request larger than this is let through
    /// alone, when the minute before it is empty; callers should refuse it earlier.
    pub tokens_per_minute: Option<u64>,
    /// The server counts prompt plus *maximum* output tokens when it admits a request, as OpenAI
    /// does: tokens that were reserved and not used are not given back.
    pub count_reserved_tokens: bool,
}

/// What several accounts allow together: nothing is limited unless it is in each.
pub fn together(limits: impl IntoIterator<Item = Limits>) -> Limits {
    let sum = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
    let both = |one: Limits, other: Limits| Limits {
        requests_per_minute: sum(one.requests_per_minute, other.requests_per_minute),
        tokens_per_minute: sum(one.tokens_per_minute, other.tokens_per_minute),
        count_reserved_tokens: one.count_reserved_tokens,
    };
    limits.into_iter().reduce(both).unwrap_or_default()
}

/// What a server says that it allows, in any 60 seconds. `None`: it did not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Announced {
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens.
    pub tokens: Option<u64>,
}

impl Announced {
    /// What is said here, and where nothing is, what was said before.
    fn or(self, before: Self) -> Self {
        Self { requests: self.requests.or(before.requests), tokens: self.tokens.or(before.tokens) }
    }
}

/// What a session has learnt of a server by trying.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Learnt {
    /// The requests per minute that were found, where no limit is set or announced.
    pub requests_per_minute: Option<u64>,
    /// The server refuses bursts within its limits.
    pub smooth: bool,
}

/// What was admitted in the last 60 seconds, less what was given back, plus debts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests in the last 60 seconds.
    pub requests: u64,
    /// Tokens in the last 60 seconds: as reserved until a permit is settled, then as used.
    pub tokens: u64,
}

/// Why nobody passes, and until when as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// When it is looked at again.
    pub until: Instant,
    /// Why.
    pub by: HeldBy,
}

/// What holds a request back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBy {
    /// A pause after a refusal.
    Pause,
    /// The requests per minute.
    Requests,
    /// The tokens per minute.
    Tokens,
}

/// Admits requests so that no sliding minute has more requests or tokens than the [`Limits`].
///
/// Clones share one state. Time is tokio's, so a paused runtime clock drives it.
#[derive(Debug, Clone)]
pub struct Limiter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Whoever holds it is next; tokio's mutex is fair (first in, first out) and a waiter that is
    /// dropped leaves the queue.
    gate: tokio::sync::Mutex<()>,
    /// Wakes the one at the gate: something may now be possible earlier than it thinks.
    changed: Notify,
    /// Never held across an await.
    state: Mutex<State>,
    /// Requests that wait for a permit now.
    waiting: AtomicUsize,
}

/// A request waits for as long as this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Limiter {
    /// A limiter with an empty minute behind it.
    pub fn new(limits: Limits) -> Self {
        let shared = Shared {
            gate: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            state: Mutex::new(State::new(Instant::now(), limits)),
            waiting: AtomicUsize::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Books requests that left before this limiter was made: how long ago each did, and its tokens;
    /// the oldest first, and before the first permit.
    pub fn remember(&self, past: impl IntoIterator<Item = (Duration, u64)>) {
        self.shared.state().remember(Instant::now(), past);
    }

    /// Waits until one request of `tokens` tokens (prompt plus maximum output) may be sent.
    ///
    /// Callers are served in the order of their first poll. Dropping the future gives the place in
    /// the queue up and takes nothing from the limits.
    pub async fn acquire(&self, tokens: u64) -> Permit {
        let _waiting = Waiting::new(&self.shared.waiting);
        let _turn = self.shared.gate.lock().await;
        loop {
            let admitted = self.shared.state().admit(Instant::now(), tokens);
            let until = match admitted {
                Ok(slot) => {
                    let (shared, at) = (Arc::clone(&self.shared), Instant::now());
                    return Permit { shared, slot, at, tokens };
                }
                Err(until) => until,
            };
            // `Notify` keeps a call that comes between the look at the state and the wait.
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(until) => {}
                () = self.shared.changed.notified() => {}
            }
        }
    }

    /// Lets nobody pass before `until`, as after a 429. The later of several pauses wins.
    pub fn pause_until(&self, until: Instant) {
        // No wake-up: whoever is at the gate looks again before it passes.
        self.shared.state().pause_until(until);
    }

    /// The end of the pause, while there is one.
    pub fn paused_until(&self) -> Option<Instant> {
        self.shared.state().paused_until(Instant::now())
    }

    /// What holds the one at the gate back; `None` when nobody had to wait last.
    pub fn hold(&self) -> Option<Hold> {
        self.shared.state().hold()
    }

    /// Changes the limits while requests wait and are under way. They act at once, on the minute
    /// that is behind as well; a higher limit gives no burst beyond its pace.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.state().set_limits(Instant::now(), limits);
        self.shared.changed.notify_one();
    }

    /// Takes note of what the server says that it allows. The lower of that and of the limits that
    /// were set counts.
    pub fn announce(&self, announced: Announced) {
        if self.shared.state().announce(Instant::now(), announced) {
            self.shared.changed.notify_one();
        }
    }

    /// What is known of the server beyond what it says.
    pub fn learnt(&self) -> Learnt {
        self.shared.state().learnt()
    }

    /// Begins with what was learnt earlier, instead of with nothing.
    pub fn recall(&self, learnt: Learnt) {
        self.shared.state().recall(Instant::now(), learnt);
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.shared.state().limits()
    }

    /// Requests that wait for a permit now.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// What was admitted in the last 60 seconds; counted without limits, too.
    pub fn rates(&self) -> Rates {
        self.shared.state().rates(Instant::now())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to send one request now. Dropped without [`settle`](Permit::settle) or
/// [`cancel`](Permit::cancel), it counts as used in full.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts as used"]
pub struct Permit {
    shared: Arc<Shared>,
    /// Where the window has booked it.
    slot: u64,
    /// When it was given.
    at: Instant,
    /// Tokens reserved.
    tokens: u64,
}

impl Permit {
    /// Says that the request leaves now and not when the permit was given: its minute begins now.
    ///
    /// Between the two it counts as of the permit, so that a request that leaves within a minute of its
    /// permit is never passed over: whoever was admitted meanwhile was admitted beside it.
    pub fn leave(&mut self) {
        let mut state = self.shared.state();
        self.slot = state.postpone(Instant::now(), self.slot, self.tokens);
    }

    /// Books the tokens that the request really used: fewer than reserved are given back, unless
    /// the server counts reservations; more become a debt.
    pub fn settle(self, used_tokens: u64) {
        if used_tokens > self.tokens || !self.counts_reserved_tokens() {
            self.settle_as_counted(used_tokens);
        }
    }

    /// Books what the server counted when it admitted the request, where that turned out not to be
    /// what was reserved.
    pub fn settle_as_counted(self, counted_tokens: u64) {
        let mut state = self.shared.state();
        if counted_tokens > self.tokens {
            state.charge(Instant::now(), self.slot, counted_tokens - self.tokens);
        } else {
            state.give_back(self.slot, Usage::tokens(self.tokens - counted_tokens));
            drop(state);
            self.shared.changed.notify_one();
        }
    }

    /// Whether the server counts reservations.
    pub fn counts_reserved_tokens(&self) -> bool {
        self.shared.state().limits().count_reserved_tokens
    }

    /// The server refused the request for its rate (HTTP 429): nobody passes before `until`. It
    /// counts as used, for servers count what they refuse. Where no limit is known, the rate goes
    /// down.
    pub fn refused(self, until: Instant) {
        // No wake-up: whoever is at the gate looks again before it passes.
        self.shared.state().refused(Instant::now(), self.at, until);
    }

    /// Gives the request and all its tokens back: it never left.
    pub fn cancel(self) {
        self.shared.state().give_back(self.slot, Usage::request(self.tokens));
        self.shared.changed.notify_one();
    }
}
