//! The smoothing layer: governor's GCRA with a clock and a state of our own.
//!
//! GCRA keeps one number, the *theoretical arrival time*: when the next cell (a request or a
//! token) would come if cells came exactly at the rate. It moves forward by one interval with
//! every cell; a cell may come as early as the burst allows. Giving back and charging cells move
//! it by hand, which is why the state is ours; the clock is ours so that it is tokio's.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// The burst is the limit divided by this, half a second's worth, ...
const SMALL_BURST: u64 = 120;

/// ... or two requests, where one takes more than that, but not above the limit divided by this.
///
/// A request that waits for room in the window falls behind the pace, and with a burst smaller
/// than a request what follows could not catch up. At 90,000 tokens a minute and requests of
/// 1,500 to 4,500 the larger burst lifts the used share from 95.7 % to 97.0 %; without any pace,
/// in bursts of a minute's worth, it would be 97.3 %.
const LARGE_BURST: u64 = 10;

/// It is one request, where that takes no more than a second's worth, the limit divided by this, and
/// nothing comes back that has to be caught up with: two would be more than a server allows that counts
/// seconds, and it would have to refuse one before it is known as such.
const SECOND: u64 = 60;

/// Where a second holds but one request, they are a little slower than the limit, in per cent: at 60 a
/// minute 20 ms are for the differences between their ways.
const SLOWER_PERCENT: u64 = 102;
/// Each that is refused all the same makes those after it slower by one per cent, up to this.
const SLOWEST_PERCENT: u64 = 106;

const MINUTE_NANOS: u64 = 60_000_000_000;

/// Paces cells at a limit per minute, or not at all.
#[derive(Debug)]
pub(super) struct Pace {
    epoch: Instant,
    arrival: ArrivalTime,
    /// Cells of the largest request so far.
    largest: u64,
    /// Whether cells come back, so that what comes next has to catch up.
    gives_back: bool,
    /// Whether no burst is larger than the small one.
    smooth: bool,
    /// How long requests take that a second holds but one of, in per cent of the interval.
    slower_percent: u64,
    rate: Option<Rate>,
}

#[derive(Debug)]
struct Rate {
    /// Cells per minute.
    limit: u64,
    /// Nanoseconds from cell to cell.
    interval: u64,
    /// Cells that may come at once.
    burst: NonZeroU32,
    governor: RateLimiter<NotKeyed, ArrivalTime, TokioClock, NoOpMiddleware<Nanos>>,
}

impl Pace {
    /// A pace that has its small burst free at `epoch`. The large one is for catching up, and has to
    /// be earned. Whether it `gives_back` cells decides how large that is.
    pub(super) fn new(epoch: Instant, limit: Option<u64>, gives_back: bool) -> Self {
        let arrival = ArrivalTime::default();
        let mut pace = Self {
            epoch,
            arrival,
            largest: 1,
            gives_back,
            smooth: false,
            slower_percent: SLOWER_PERCENT,
            rate: None,
        };
        pace.rate = limit.and_then(|limit| pace.rate_of(limit));
        if let Some(rate) = &pace.rate {
            let earned = u64::from(rate.burst.get()) - small_burst(rate.limit);
            pace.arrival.set(rate.time_of(earned));
        }
        pace
    }

    /// Says whether cells come back from now on.
    pub(super) fn expect_refunds(&mut self, now: Instant, gives_back: bool) {
        if self.gives_back != gives_back {
            self.gives_back = gives_back;
            self.set_limit(now, self.rate.as_ref().map(|rate| rate.limit));
        }
    }

    /// Gives large bursts up: the server counts seconds rather than minutes. When it refuses again,
    /// requests are kept further apart where a second holds but one.
    pub(super) fn be_smooth(&mut self, now: Instant) {
        if self.smooth {
            self.slower_percent = (self.slower_percent + 1).min(SLOWEST_PERCENT);
        }
        self.smooth = true;
        self.set_limit(now, self.rate.as_ref().map(|rate| rate.limit));
    }

    /// Passes `cells` at once, or gives the instant at which they could.
    ///
    /// More cells than the burst pass when the whole burst is free, and what exceeds it is charged.
    pub(super) fn pass(&mut self, cells: u64) -> Result<(), Instant> {
        if cells > self.largest {
            self.grow(cells);
        }
        let Some(rate) = &self.rate else { return Ok(()) };
        let cells = cells.min(rate.limit);
        let within = cells.min(u64::from(rate.burst.get()));
        let Some(asked) = u32::try_from(within).ok().and_then(NonZeroU32::new) else {
            return Ok(());
        };
        let decision = rate.governor.check_n(asked).expect("never asks for more than the burst");
        decision.map_err(|not_until| {
            self.epoch + Duration::from_nanos(not_until.earliest_possible().as_u64())
        })?;
        let rest = rate.time_of(cells - within);
        self.arrival.set(self.arrival.get().saturating_add(rest));
        Ok(())
    }

    /// Makes the burst fit a request of so many cells. The request may use what that adds; the rest
    /// has to be earned, or large requests would begin with a rush.
    fn grow(&mut self, cells: u64) {
        self.largest = cells;
        let Some(old) = &self.rate else { return };
        let Some(new) = self.rate_of(old.limit) else { return };
        let (before, after) = (u64::from(old.burst.get()), u64::from(new.burst.get()));
        let to_earn = new.time_of(after.saturating_sub(before.max(cells)));
        if to_earn > 0 {
            let now = self.nanos(Instant::now());
            self.arrival.set(self.arrival.get().max(now).saturating_add(to_earn));
        }
        self.rate = Some(new);
    }

    /// Gives cells back. What would be more than a full burst is lost: GCRA takes an arrival time
    /// in the past as now.
    pub(super) fn refund(&self, cells: u64) {
        if let Some(rate) = &self.rate {
            self.arrival.set(self.arrival.get().saturating_sub(rate.time_of(cells)));
        }
    }

    /// Charges cells that did not pass; never more than a minute's worth ahead of now, since a
    /// minute later nothing of it counts.
    pub(super) fn charge(&self, now: Instant, cells: u64) {
        let Some(rate) = &self.rate else { return };
        let (now, arrival) = (self.nanos(now), self.arrival.get());
        let charged = arrival.max(now).saturating_add(rate.time_of(cells));
        self.arrival.set(charged.min(arrival.max(now + MINUTE_NANOS)));
    }

    /// Changes the limit. The cells that were free or owed under the old one still are, as far as
    /// the new burst goes: a change gives no burst away, and does not make anyone wait at the old
    /// rate. Where no limit was, one cell is free and the burst has to be earned.
    pub(super) fn set_limit(&mut self, now: Instant, limit: Option<u64>) {
        let new = limit.and_then(|limit| self.rate_of(limit));
        let old = std::mem::replace(&mut self.rate, new);
        let Some(new) = &self.rate else { return };
        let (old_interval, old_burst) =
            old.map_or((new.interval, 1), |old| (old.interval, old.burst.get()));
        let now = self.nanos(now);
        let interval = i128::from(new.interval);
        let behind = i128::from(self.arrival.get().saturating_sub(now)) * interval;
        let taken = behind / i128::from(old_interval)
            + (i128::from(new.burst.get()) - i128::from(old_burst)) * interval;
        let taken = u64::try_from(taken.max(0)).unwrap_or(u64::MAX).min(MINUTE_NANOS);
        self.arrival.set(now + taken);
    }

    /// The arrival time, to [`restore`](Self::restore) when a pass is taken back at once.
    pub(super) fn arrival(&self) -> u64 {
        self.arrival.get()
    }

    /// Takes a pass back.
    pub(super) fn restore(&self, arrival: u64) {
        self.arrival.set(arrival);
    }

    /// The rate for a limit, on the shared arrival time. `None` above 2³² - 1 cells a minute, which
    /// governor can't count; the window alone holds such a limit.
    fn rate_of(&self, limit: u64) -> Option<Rate> {
        u32::try_from(limit).ok()?;
        // Rounded down, so slightly too fast rather than too slow: the window holds the limit.
        let interval = MINUTE_NANOS / limit.max(1);
        let interval =
            if self.is_close(limit) { interval / 100 * SLOWER_PERCENT } else { interval };
        let burst = self.burst(limit);
        let burst = u32::try_from(burst).ok().and_then(NonZeroU32::new)?;
        let quota = Quota::with_period(Duration::from_nanos(interval))?.allow_burst(burst);
        let clock = TokioClock::new(self.epoch);
        let governor = RateLimiter::new(quota, self.arrival.clone(), clock);
        Some(Rate { limit, interval, burst, governor })
    }

    /// Cells that may come at once.
    fn burst(&self, limit: u64) -> u64 {
        let (small, largest) = (small_burst(limit), self.largest);
        if self.smooth || largest <= small {
            return small;
        }
        if !self.gives_back && largest <= limit / SECOND {
            return largest;
        }
        largest.saturating_mul(2).min(limit / LARGE_BURST).max(small)
    }

    /// Whether a server that counts seconds could take two requests for too many that only travelled
    /// at different speeds. Of very few the window keeps as much apart.
    fn is_close(&self, limit: u64) -> bool {
        let holds_one = limit < self.largest.saturating_mul(120);
        holds_one && limit >= 20 && (self.smooth || self.largest == 1)
    }

    fn nanos(&self, instant: Instant) -> u64 {
        nanos_since(self.epoch, instant)
    }
}

impl Rate {
    /// The nanoseconds that `cells` take at this rate.
    fn time_of(&self, cells: u64) -> u64 {
        cells.saturating_mul(self.interval)
    }
}

/// Half a second's worth of cells.
fn small_burst(limit: u64) -> u64 {
    (limit / SMALL_BURST).max(1)
}

/// GCRA's state, in nanoseconds since the epoch; clones share it, so that it outlives a change of
/// the quota.
#[derive(Debug, Clone, Default)]
struct ArrivalTime(Arc<AtomicU64>);

impl ArrivalTime {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Changes come one at a time: the limiter's lock is held.
    fn set(&self, nanos: u64) {
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl StateStore for ArrivalTime {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, next) = decide(Some(Nanos::new(self.get())))?;
        self.set(next.as_u64());
        Ok(outcome)
    }
}

/// tokio's clock in nanoseconds since an epoch.
///
/// A `RateLimiter` takes its first reading as the zero of its arrival times. That reading is the
/// epoch, so limiters built at different times share one arrival time.
#[derive(Debug)]
struct TokioClock {
    epoch: Instant,
    started: AtomicBool,
}

impl TokioClock {
    fn new(epoch: Instant) -> Self {
        Self { epoch, started: AtomicBool::new(false) }
    }
}

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let started = self.started.swap(true, Ordering::Relaxed);
        Nanos::new(if started { nanos_since(self.epoch, Instant::now()) } else { 0 })
    }
}

fn nanos_since(epoch: Instant, instant: Instant) -> u64 {
    u64::try_from(instant.saturating_duration_since(epoch).as_nanos()).unwrap_or(u64::MAX)
}
