//! The numbers along an axis.

use crate::report::html::numbers::{compact, percent_text, usd_text};

/// An axis from zero, with some round numbers.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report::html) struct Axis {
    end: f64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Counts, up to at least `most`.
    pub(in crate::report::html) fn count(most: f64) -> Self {
        Self::round(most.max(1.0), 1.0, |value, _| compact(value))
    }

    /// Shares of 1, up to at least `most`.
    pub(in crate::report::html) fn share(most: f64) -> Self {
        Self::round(most.clamp(1e-4, 1.0), 0.0, |value, _| percent_text(value))
    }

    /// US dollars, up to at least `most`.
    pub(in crate::report::html) fn usd(most: f64) -> Self {
        Self::round(most.max(1e-6), 0.0, usd_text)
    }

    /// Milliseconds, up to `most` exactly, in the unit that suits.
    pub(in crate::report::html) fn time(most_ms: f64) -> Self {
        let most_ms = most_ms.max(1.0);
        let units = [(1.0, "ms"), (1e3, "s"), (60e3, "min"), (3_600e3, "h"), (86_400e3, "d")];
        let fits = units.iter().rev().find(|(unit, _)| most_ms >= 2.0 * unit);
        let (unit, name) = fits.copied().unwrap_or((1.0, "ms"));
        let mut axis = Self::round(most_ms / unit, 0.0, |value, _| {
            if value == 0.0 { "0".to_owned() } else { format!("{} {name}", compact(value)) }
        });
        axis.ticks.iter_mut().for_each(|(value, _)| *value *= unit);
        axis.ticks.retain(|(value, _)| *value <= most_ms);
        axis.end = most_ms;
        axis
    }

    /// Where it ends.
    pub(in crate::report::html) fn end(&self) -> f64 {
        self.end
    }

    /// The numbers with where they are.
    pub(in crate::report::html) fn ticks(&self) -> &[(f64, String)] {
        &self.ticks
    }

    /// Three to five steps of 1, 2, 2.5 or 5 times a power of ten that reach over `most`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a handful of steps"
    )]
    fn round(most: f64, least_step: f64, text: impl Fn(f64, f64) -> String) -> Self {
        let decade = 10_f64.powf((most / 4.0).log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * decade);
        let fits = |step: &f64| step * 4.0 >= most * (1.0 - 1e-9);
        // Counts have no halves.
        let whole = |step: &f64| least_step == 0.0 || (step / least_step).fract() == 0.0;
        let step = steps.into_iter().filter(whole).find(fits).unwrap_or(most.max(least_step));
        let count = (most / step - 1e-9).ceil().max(1.0) as u32;
        let ticks = (0..=count).map(|n| {
            let value = step * f64::from(n);
            (value, text(value, step))
        });
        Self { end: step * f64::from(count), ticks: ticks.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(axis: &Axis) -> String {
        axis.ticks().iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn steps_are_round() {
        assert_eq!(shown(&Axis::count(0.0)), "0 1");
        assert_eq!(shown(&Axis::count(3.0)), "0 1 2 3");
        assert_eq!(shown(&Axis::count(97.0)), "0 25 50 75 100");
        assert_eq!(shown(&Axis::count(1_234_567.0)), "0 500k 1M 1.5M");
        assert_eq!(shown(&Axis::share(1.0)), "0% 25% 50% 75% 100%");
        assert_eq!(shown(&Axis::share(0.033)), "0% 1% 2% 3% 4%");
        assert_eq!(shown(&Axis::usd(0.0031)), "$0 $0.001 $0.002 $0.003 $0.004");
        assert_eq!(shown(&Axis::usd(0.18)), "$0 $0.05 $0.10 $0.15 $0.20");
        assert_eq!(shown(&Axis::usd(184.0)), "$0 $50 $100 $150 $200");
    }

    #[test]
    fn time_has_a_unit_and_ends_with_the_run() {
        let hour = Axis::time(5_400_000.0);
        assert_eq!(shown(&hour), "0 25 min 50 min 75 min");
        assert!((hour.end() - 5_400_000.0).abs() < 1e-9);
        assert_eq!(shown(&Axis::time(1_500.0)), "0 500 ms 1k ms 1.5k ms");
    }
}
