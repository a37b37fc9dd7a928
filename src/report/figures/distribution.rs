//! How often each whole number occurs: exact counts, from which percentiles and bars are read off.

use std::collections::BTreeMap;

/// A count for each value that occurred. Exact; grows with the number of different values only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    counts: BTreeMap<u64, u64>,
    total: u64,
    sum: u128,
}

/// One bar: values from `from` to `to`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bin {
    /// The lowest value in it.
    pub from: u64,
    /// The highest value in it; `u64::MAX` for the bar that takes all the rest.
    pub to: u64,
    /// How many values fell into it.
    pub count: u64,
}

impl Distribution {
    /// Counts a value.
    pub fn note(&mut self, value: u64) {
        *self.counts.entry(value).or_default() += 1;
        self.total += 1;
        self.sum += u128::from(value);
    }

    /// Counts a score from 0.0 to 1.0 in hundredths, rounded down; what is outside is moved to the
    /// edge.
    pub fn note_score(&mut self, score: f64) {
        self.note(hundredths(score));
    }

    /// How many values were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The largest value; 0 when there is none.
    pub fn max(&self) -> u64 {
        self.counts.keys().next_back().copied().unwrap_or(0)
    }

    /// The mean; 0 when nothing was counted.
    #[expect(clippy::cast_precision_loss, reason = "a mean for display")]
    pub fn mean(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.sum as f64 / self.total as f64 }
    }

    /// The value below or at which `percent` of a hundred values are (the nearest rank); 0 when
    /// nothing was counted.
    pub fn percentile(&self, percent: u64) -> u64 {
        let rank = u128::from(self.total) * u128::from(percent.min(100));
        let rank = u64::try_from(rank.div_ceil(100)).unwrap_or(u64::MAX).max(1);
        let mut seen = 0;
        for (value, count) in &self.counts {
            seen += count;
            if seen >= rank {
                return *value;
            }
        }
        0
    }

    /// How many values are in a range, both ends included.
    pub fn between(&self, from: u64, to: u64) -> u64 {
        if from > to { 0 } else { self.counts.range(from..=to).map(|(_, count)| count).sum() }
    }

    /// At most about `most` bars of one width that reach over 98 of 100 values; a last one takes
    /// the rest.
    pub fn bins(&self, most: u64) -> Vec<Bin> {
        if self.total == 0 {
            return Vec::new();
        }
        let reach = self.percentile(98);
        let width = nice_width(reach / most.max(1) + 1);
        let mut bins: Vec<Bin> = (0..=reach / width)
            .map(|index| {
                let from = index * width;
                let to = from.saturating_add(width - 1);
                Bin { from, to, count: self.between(from, to) }
            })
            .collect();
        let rest_from = bins.last().map_or(0, |bin| bin.to.saturating_add(1));
        let rest = self.between(rest_from, u64::MAX);
        if rest > 0 {
            bins.push(Bin { from: rest_from, to: u64::MAX, count: rest });
        }
        bins
    }
}

/// The first of 1, 2, 5, 10, 20, 50, ... that is not below `least`.
pub(super) fn nice_width(least: u64) -> u64 {
    let mut decade: u64 = 1;
    loop {
        for factor in [1, 2, 5] {
            let width = decade.saturating_mul(factor);
            if width >= least {
                return width;
            }
        }
        decade = decade.saturating_mul(10);
    }
}

/// A score from 0.0 to 1.0 in hundredths, rounded down; what is outside is moved to the edge.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 100, and NaN becomes 0"
)]
fn hundredths(score: f64) -> u64 {
    // A hair more than the score: 0.29 * 100 is a little below 29.
    (score * 100.0 + 1e-9).clamp(0.0, 100.0) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Distribution {
        let mut distribution = Distribution::default();
        for value in values {
            distribution.note(*value);
        }
        distribution
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let ten = of(&[10, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let at = [0, 10, 50, 51, 90, 99, 100].map(|percent| ten.percentile(percent));
        assert_eq!(at, [1, 1, 5, 6, 9, 10, 10]);
        assert_eq!((ten.max(), ten.total()), (10, 10));
        assert!((ten.mean() - 5.5).abs() < 1e-12);
        assert_eq!(of(&[]).percentile(50), 0);
    }

    #[test]
    fn a_few_giants_do_not_flatten_the_bars() {
        let mut values: Vec<u64> = (0..1_000).map(|n| n % 20).collect();
        values.push(1_000_000);
        let bins = of(&values).bins(10);
        assert_eq!(bins.first(), Some(&Bin { from: 0, to: 1, count: 100 }));
        assert_eq!(bins.last(), Some(&Bin { from: 20, to: u64::MAX, count: 1 }));
        assert_eq!(bins.len(), 11);
    }

    #[test]
    fn scores_fall_into_their_hundredth() {
        let scores = [0.0, 0.29, 0.7, 0.999, 1.0, 7.0, -1.0, f64::NAN].map(hundredths);
        assert_eq!(scores, [0, 29, 70, 99, 100, 100, 0, 0]);
    }

    proptest! {
        #[test]
        fn bars_hold_every_value_once(
            values in proptest::collection::vec(any::<u64>(), 0..50), most in 0_u64..40,
        ) {
            let values: Vec<u64> = values.iter().map(|v| v >> (v % 64)).collect();
            let bins = of(&values).bins(most);
            let held: u64 = bins.iter().map(|bin| bin.count).sum();
            prop_assert_eq!(held, values.len() as u64);
            prop_assert!(bins.iter().all(|bin| bin.from <= bin.to));
            prop_assert!(bins.len() as u64 <= most.max(1) + 2);
        }
    }
}
