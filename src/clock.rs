//! The time of day: the system's, or in a simulation one that it sets. What is measured (pauses,
//! time limits, rate limits) does not depend on it: that is tokio's clock.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::SystemTime;

thread_local! {
    static SIMULATED: RefCell<Option<Rc<dyn Fn() -> SystemTime>>> = const { RefCell::new(None) };
}

/// Now, by the wall clock.
pub fn now() -> SystemTime {
    let simulated = SIMULATED.with_borrow(Clone::clone);
    simulated.map_or_else(SystemTime::now, |clock| clock())
}

/// Now, in milliseconds since the Unix epoch.
pub fn unix_ms() -> i64 {
    match now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

/// Sets the clock of this thread for as long as it lives.
pub struct SimulatedClock(Option<Rc<dyn Fn() -> SystemTime>>);

impl SimulatedClock {
    /// From now on this thread takes the time of day from `clock`.
    #[must_use = "the clock is the system's again when this is dropped"]
    pub fn set(clock: impl Fn() -> SystemTime + 'static) -> Self {
        Self(SIMULATED.replace(Some(Rc::new(clock))))
    }
}

impl Drop for SimulatedClock {
    fn drop(&mut self) {
        SIMULATED.set(self.0.take());
    }
}

impl fmt::Debug for SimulatedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedClock").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_simulated_clock_lasts_as_long_as_its_guard() {
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        let outer = SimulatedClock::set(move || at(5));
        {
            let before = SystemTime::UNIX_EPOCH - Duration::from_millis(7);
            let _inner = SimulatedClock::set(move || before);
            assert_eq!(unix_ms(), -7);
        }
        assert_eq!((unix_ms(), now()), (5, at(5)));
        drop(outer);
        assert!(unix_ms() > 1_700_000_000_000);
    }
}
