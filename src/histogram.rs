//! How long things took, counted by length: any thread adds to it, and nothing waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts of durations, in classes that each end at a bound.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One a bound, and one for what is above the last.
    counts: Vec<AtomicU64>,
    micros: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durations {
    /// Where classes end, in seconds.
    pub bounds: &'static [f64],
    /// How many durations each class has, and at the end those above the last bound.
    pub counts: Vec<u64>,
    /// Of all of them.
    pub sum: Duration,
}

impl Histogram {
    /// An empty one, whose classes end at these seconds, the lowest first.
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, micros: AtomicU64::new(0) }
    }

    /// Adds one.
    pub fn record(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let class = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What it holds now.
    pub fn read(&self) -> Durations {
        Durations {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_class_that_it_ends() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        for millis in [50, 100, 101, 1_000, 5_000] {
            histogram.record(Duration::from_millis(millis));
        }
        let read = histogram.read();
        assert_eq!(
            (read.counts.as_slice(), read.sum),
            (&[2, 2, 1][..], Duration::from_millis(6_251))
        );
    }
}
