//! How long to wait before a provider is asked again how far a batch is.

use std::time::Duration;

use crate::provider::is_loopback;

/// Pauses that grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    next: Duration,
    most: Duration,
}

impl Patience {
    /// For an API at this address: most batches take minutes, those of a server on this machine as
    /// long as it takes.
    pub(super) fn of(base_url: &str) -> Self {
        let (first, most) = if is_loopback(base_url) { (10, 200) } else { (5_000, 60_000) };
        Self { next: Duration::from_millis(first), most: Duration::from_millis(most) }
    }

    /// The longest pause.
    pub(super) fn most(&self) -> Duration {
        self.most
    }

    /// The next pause, half as long again as the one before.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.mul_f64(1.5).min(self.most);
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
    }
}
