//! Finds how many requests a server serves at once, when it refuses none and only gets slow.
//!
//! The measure is what the server gets done: output tokens a second, at a number of places that is
//! held until enough requests have ended. More places are worth it for as long as they bring more.
//! Concurrency limits that follow the latency, from TCP Vegas (Brakmo and Peterson, 1995) to
//! Netflix's `concurrency-limits`, keep the latency near the best one seen. That gives throughput
//! away at a server that works in batches, where each request gets slower and all of them together
//! faster; so the throughput itself is followed here, as in hill climbing.
//!
//! Places double while that brings more, and go back when it does not. Later half as many more are
//! tried now and then, since a server may have become faster. A request that times out halves them.
//! Time is handed in, so a paused clock drives it.

use tokio::time::Instant;

/// Places at first.
const FIRST: usize = 8;
/// More places are kept, and still more tried, when they bring so many times what was before.
const KEEP_GAIN: f64 = 1.04;
/// A measurement takes so many requests a place, ...
const REQUESTS_A_PLACE: usize = 2;
/// ... and no fewer than these.
const FEWEST_REQUESTS: usize = 40;
/// Measurements without a change, at first, before more places are tried; twice as many after
/// every try that brought nothing, ...
const PATIENCE: u32 = 8;
/// ... up to this.
const MOST_PATIENCE: u32 = 128;

/// What is known of a server that only gets slow.
#[derive(Debug)]
pub(super) struct Climb {
    places: usize,
    most: usize,
    stage: Stage,
    round: Round,
    patience: u32,
}

/// A throughput, in tokens a second, with the places that it was measured at.
#[derive(Debug, Clone, Copy)]
struct Measured {
    places: usize,
    rate: f64,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// The places are more than they were; `None` at the beginning.
    Trying { before: Option<Measured> },
    /// The places stay for so many measurements.
    Holding { left: u32 },
}

/// A measurement under way.
#[derive(Debug, Default)]
struct Round {
    /// Requests that still belong to the number of places before.
    skip: usize,
    since: Option<Instant>,
    finished: usize,
    /// Of these the ones that ended while places were free.
    idle: usize,
    tokens: u64,
}

impl Climb {
    /// Begins at the few places that any server has, or at those that an earlier session found.
    pub(super) fn new(most: usize, found: Option<usize>) -> Self {
        let places = found.unwrap_or(FIRST).clamp(1, most.max(1));
        let stage = match found {
            None => Stage::Trying { before: None },
            Some(_) => Stage::Holding { left: PATIENCE },
        };
        let round = Round { skip: places, ..Round::default() };
        Self { places, most: most.max(1), stage, round, patience: PATIENCE }
    }

    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// A request that took a place has ended with so many tokens of output, while so many places
    /// were taken, its own among them. Returns whether the number of places changed.
    pub(super) fn finished(&mut self, now: Instant, tokens: u64, taken: usize) -> bool {
        if self.round.skip > 0 {
            self.round.skip -= 1;
            return false;
        }
        let Some(since) = self.round.since else {
            self.round.since = Some(now);
            return false;
        };
        self.round.finished += 1;
        self.round.tokens += tokens;
        self.round.idle += usize::from(taken < self.places);
        if self.round.finished < (self.places * REQUESTS_A_PLACE).max(FEWEST_REQUESTS) {
            return false;
        }
        let round = std::mem::take(&mut self.round);
        // Places that nobody wants tell nothing of the server.
        if round.idle * 4 > round.finished {
            return false;
        }
        let seconds = now.duration_since(since).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "tokens of one round are far below 2^52")]
        let rate = round.tokens as f64 / seconds.max(1e-3);
        self.measured(Measured { places: self.places, rate })
    }

    /// A request got no answer in time. Those that were sent before the places were halved say no
    /// more than it does.
    pub(super) fn timed_out(&mut self) -> bool {
        if self.round.skip > 0 {
            return false;
        }
        self.stage = Stage::Holding { left: self.patience };
        self.go_to((self.places / 2).max(1))
    }

    fn measured(&mut self, now: Measured) -> bool {
        match self.stage {
            Stage::Trying { before: None } => self.try_more(now, true),
            Stage::Trying { before: Some(before) } => self.compare(before, now),
            Stage::Holding { left: 0 } => self.try_more(now, false),
            Stage::Holding { left } => {
                self.stage = Stage::Holding { left: left - 1 };
                false
            }
        }
    }

    fn compare(&mut self, before: Measured, now: Measured) -> bool {
        if now.rate >= before.rate * KEEP_GAIN {
            self.patience = PATIENCE;
            return self.try_more(now, true);
        }
        self.stage = Stage::Holding { left: self.patience };
        self.patience = (self.patience * 2).min(MOST_PATIENCE);
        self.go_to(before.places)
    }

    fn try_more(&mut self, now: Measured, double: bool) -> bool {
        let more = if double { self.places } else { (self.places / 2).max(1) };
        let places = self.places.saturating_add(more).min(self.most);
        if places == self.places {
            self.stage = Stage::Holding { left: self.patience };
            return false;
        }
        self.stage = Stage::Trying { before: Some(now) };
        self.go_to(places)
    }

    fn go_to(&mut self, places: usize) -> bool {
        let before = std::mem::replace(&mut self.places, places);
        self.round = Round { skip: before.max(places), ..Round::default() };
        before != places
    }
}
