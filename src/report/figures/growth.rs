//! How many candidates were still novel as the pool grew.

/// A stretch of the run: so many candidates in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GrowthStep {
    /// Accepted tasks before the first of them.
    pub pool: u64,
    /// Candidates that came as far as the novelty check.
    pub checked: u64,
    /// Those of them that were accepted.
    pub novel: u64,
}

impl GrowthStep {
    /// The share of checked candidates that was novel; `None` when none was checked.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for display")]
    pub fn rate(&self) -> Option<f64> {
        (self.checked > 0).then(|| self.novel as f64 / self.checked as f64)
    }
}

/// The run in at most [`Growth::STEPS`] stretches with about as many checked candidates each.
#[derive(Debug)]
pub struct Growth {
    per_step: u64,
    steps: Vec<GrowthStep>,
    pool: u64,
}

impl Growth {
    /// So many stretches are drawn at most.
    pub const STEPS: u64 = 40;
    /// A rate over fewer candidates says nothing.
    const LEAST_PER_STEP: u64 = 25;

    /// For a run in which `checked` candidates came as far as the novelty check.
    pub fn new(checked: u64) -> Self {
        let per_step = checked.div_ceil(Self::STEPS).max(Self::LEAST_PER_STEP);
        Self { per_step, steps: Vec::new(), pool: 0 }
    }

    /// Counts the next candidate that came as far as the novelty check.
    pub fn note(&mut self, novel: bool) {
        if self.steps.last().is_none_or(|step| step.checked >= self.per_step) {
            self.steps.push(GrowthStep { pool: self.pool, ..GrowthStep::default() });
        }
        if let Some(step) = self.steps.last_mut() {
            step.checked += 1;
            step.novel += u64::from(novel);
        }
        self.pool += u64::from(novel);
    }

    /// The stretches that are long enough for a rate.
    pub fn steps(&self) -> &[GrowthStep] {
        match self.steps.split_last() {
            Some((last, before)) if last.checked < Self::LEAST_PER_STEP => before,
            _ => &self.steps,
        }
    }

    /// Accepted tasks so far.
    pub fn pool(&self) -> u64 {
        self.pool
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_is_cut_into_stretches_of_one_length() {
        let mut growth = Growth::new(60);
        (0..60).for_each(|n| growth.note(n % 5 > 0));
        let step = |pool, novel| GrowthStep { pool, checked: 25, novel };
        assert_eq!(growth.steps(), [step(0, 20), step(20, 20)]);
        assert_eq!(growth.pool(), 48);
        assert_eq!(growth.steps()[0].rate(), Some(0.8));
        assert_eq!(GrowthStep::default().rate(), None);
    }

    #[test]
    fn a_long_run_has_no_more_stretches_than_a_short_one() {
        let mut growth = Growth::new(1_000_000);
        (0..1_000_000).for_each(|_| growth.note(true));
        assert_eq!(growth.steps().len() as u64, Growth::STEPS);
    }
}
