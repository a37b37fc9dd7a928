//! Where it is going: the pool size at which another dollar buys nothing new.
//!
//! The share of novel candidates is followed over the second half of the run, by a straight line
//! through its logarithm (least squares, weighted by what chance alone does to each rate: a
//! proportion `p` of `m` candidates has a logarithm with the variance `(1 - p) / (p m)`). The line
//! is drawn on to where a dollar brings less than one novel task. Its slope is known to twice its
//! standard error, widened when the rates scatter more than chance would have them; a slope that is
//! not below zero by that much is no fall, and nothing is projected.
//!
//! This supposes that model, prompt and rules stay as they are, and that the rate goes on falling as
//! it did. A logarithm never reaches zero: some novel task can always come, only not for a dollar.

use super::GrowthStep;

/// What the rate of novel candidates says about the tasks to come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outlook {
    /// Too few candidates for a line.
    TooEarly,
    /// No fall that chance could not have made.
    Steady,
    /// Falling.
    Falling {
        /// The pool size at which a dollar brings less than one novel task.
        exhausted_at: f64,
        /// The same with the steeper slope within the error.
        earliest: f64,
        /// The same with the flatter slope within the error.
        latest: f64,
        /// The share of novel candidates that the line has at twice the pool.
        rate_at_double: f64,
    },
}

/// Stretches that a line needs.
const LEAST_STEPS: usize = 6;

/// Projects from the stretches of a run with `pool` accepted tasks, of which a dollar buys
/// `checked_per_dollar` candidates that reach the novelty check.
#[expect(clippy::cast_precision_loss, reason = "a projection")]
pub fn project(steps: &[GrowthStep], pool: u64, checked_per_dollar: f64) -> Outlook {
    let points: Vec<Point> =
        steps.iter().skip(steps.len() / 2).filter_map(Point::of_step).collect();
    if points.len() < LEAST_STEPS || checked_per_dollar <= 1.0 {
        return Outlook::TooEarly;
    }
    let line = Line::through(&points);
    if line.slope + 2.0 * line.slope_error >= 0.0 {
        return Outlook::Steady;
    }
    let floor = -checked_per_dollar.ln();
    let reach = |slope: f64| line.x + (floor - line.y) / slope;
    Outlook::Falling {
        exhausted_at: reach(line.slope).max(pool as f64),
        earliest: reach(line.slope - 2.0 * line.slope_error).max(pool as f64),
        latest: reach(line.slope + 2.0 * line.slope_error).max(pool as f64),
        rate_at_double: (line.y + line.slope * (2.0 * pool as f64 - line.x)).exp().min(1.0),
    }
}

/// The logarithm of a rate at a pool size.
struct Point {
    x: f64,
    y: f64,
    weight: f64,
}

impl Point {
    /// Half a candidate is added to either side, so that the logarithm of none exists.
    #[expect(clippy::cast_precision_loss, reason = "a projection")]
    fn of_step(step: &GrowthStep) -> Option<Self> {
        if step.checked == 0 {
            return None;
        }
        let (novel, checked) = (step.novel as f64 + 0.5, step.checked as f64 + 1.0);
        let rate = novel / checked;
        Some(Self {
            x: step.pool as f64 + step.novel as f64 / 2.0,
            y: rate.ln(),
            weight: rate * checked / (1.0 - rate),
        })
    }
}

/// A line through the weighted middle of the points.
struct Line {
    x: f64,
    y: f64,
    slope: f64,
    slope_error: f64,
}

impl Line {
    fn through(points: &[Point]) -> Self {
        let sum = |of: &dyn Fn(&Point) -> f64| points.iter().map(of).sum::<f64>();
        let weight = sum(&|p| p.weight);
        let x = sum(&|p| p.weight * p.x) / weight;
        let y = sum(&|p| p.weight * p.y) / weight;
        let spread = sum(&|p| p.weight * (p.x - x).powi(2));
        let slope = sum(&|p| p.weight * (p.x - x) * (p.y - y)) / spread;
        let scatter = sum(&|p| p.weight * (p.y - y - slope * (p.x - x)).powi(2));
        #[expect(clippy::cast_precision_loss, reason = "a few dozen points")]
        let beyond_chance = (scatter / (points.len() as f64 - 2.0)).max(1.0);
        let slope_error = (beyond_chance / spread).sqrt();
        // All points at one place: no slope, and no error that would be small enough.
        if spread > 0.0 {
            Self { x, y, slope, slope_error }
        } else {
            Self { x, y, slope: 0.0, slope_error: f64::INFINITY }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rates that fall by the factor e every `scale` tasks, from 0.9.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small numbers"
    )]
    fn falling(scale: f64) -> (Vec<GrowthStep>, u64) {
        let (mut pool, mut steps) = (0_u64, Vec::new());
        for _ in 0..40 {
            let novel = (2_000.0 * 0.9 * (-(pool as f64 + 500.0) / scale).exp()) as u64;
            steps.push(GrowthStep { pool, checked: 2_000, novel });
            pool += novel;
        }
        (steps, pool)
    }

    #[test]
    fn an_exponential_fall_is_followed_to_its_end() {
        let (steps, pool) = falling(20_000.0);
        let Outlook::Falling { exhausted_at, earliest, latest, rate_at_double } =
            project(&steps, pool, 1_000.0)
        else {
            panic!("it falls");
        };
        // 0.9 exp(-n / 20000) = 1 / 1000
        let expected = 20_000.0 * (0.9_f64 * 1_000.0).ln();
        assert!((exhausted_at / expected - 1.0).abs() < 0.05, "{exhausted_at} {expected}");
        assert!(earliest < exhausted_at && exhausted_at < latest);
        assert!(rate_at_double > 0.0 && rate_at_double < 0.2);
    }

    #[test]
    fn what_does_not_fall_is_not_projected() {
        let step = |n: u64| GrowthStep { pool: n * 90, checked: 100, novel: 90 - n % 2 };
        let steps: Vec<_> = (0..40).map(step).collect();
        assert_eq!(project(&steps, 3_600, 1_000.0), Outlook::Steady);
        let all_novel: Vec<_> =
            (0..40).map(|n| GrowthStep { pool: n * 100, checked: 100, novel: 100 }).collect();
        assert_eq!(project(&all_novel, 4_000, 1_000.0), Outlook::Steady);
        let nothing: Vec<_> =
            (0..40).map(|_| GrowthStep { pool: 7, checked: 100, novel: 0 }).collect();
        assert_eq!(project(&nothing, 7, 1_000.0), Outlook::Steady);
    }

    #[test]
    fn a_short_run_and_a_dear_one_have_no_outlook() {
        let (steps, pool) = falling(20_000.0);
        assert_eq!(project(&steps[..8], pool, 1_000.0), Outlook::TooEarly);
        assert_eq!(project(&steps, pool, 0.5), Outlook::TooEarly);
        assert_eq!(project(&[], 0, 1_000.0), Outlook::TooEarly);
    }
}
