//! How long to wait before a provider is asked again how far a batch is.

use std::time::Duration;

use crate::provider::is_loopback;

/// No pause is longer.
const MOST: Duration = Duration::from_secs(60);

/// Pauses that grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    next: Duration,
    first: Duration,
}

impl Patience {
    /// For an API at this address. Batches take minutes at least, but for those of a simulator on this
    /// machine; a gateway here is soon asked as seldom as what is behind it.
    pub(super) fn of(base_url: &str) -> Self {
        let first = Duration::from_millis(if is_loopback(base_url) { 10 } else { 5_000 });
        Self { next: first, first }
    }

    /// For what a server may still be about to do.
    pub(super) fn of_late(base_url: &str) -> Self {
        let first = Self::of(base_url).first.max(Duration::from_millis(100));
        Self { next: first, first }
    }

    /// How long nothing is sent after a batch was turned away.
    pub(super) fn after_refusal(&self) -> Duration {
        (self.first * 12).min(MOST)
    }

    /// The next pause, half as long again as the one before.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.mul_f64(1.5).min(MOST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_five_seconds_to_a_minute() {
        let mut patience = Patience::of("https://api.openai.com/v1");
        let pauses: Vec<u64> = (0..9).map(|_| patience.pause().as_secs()).collect();
        assert_eq!(pauses, [5, 7, 11, 16, 25, 37, 56, 60, 60]);
        assert_eq!(patience.after_refusal(), MOST);
    }

    #[test]
    fn a_simulator_is_not_waited_for_long_and_a_gateway_is_not_stormed() {
        let mut patience = Patience::of("http://127.0.0.1:4000/v1");
        let pauses: Vec<Duration> = (0..30).map(|_| patience.pause()).collect();
        assert!(pauses[..5].iter().sum::<Duration>() < Duration::from_millis(200));
        assert_eq!(pauses[29], MOST);
    }
}
