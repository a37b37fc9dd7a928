//! Rate limits as a provider counts them that looks at seconds: a bucket of one second's worth,
//! filled evenly (`OpenAI` and Anthropic say of their limits that 60 a minute may be enforced as 1 a
//! second).

use std::time::Duration;

use tokio::time::Instant;

use super::limits::{Limit, NotAdmitted};

/// Buckets for requests and tokens.
#[derive(Debug, Default)]
pub(super) struct Smooth {
    requests: Bucket,
    tokens: Bucket,
}

#[derive(Debug, Default)]
struct Bucket {
    /// What is in it, with when that was; full before the first request.
    level: Option<(f64, Instant)>,
}

impl Smooth {
    /// Takes a request out of both buckets, or says which is too empty and for how long.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        tokens: u64,
        rpm: Option<u64>,
        tpm: Option<u64>,
    ) -> Result<(), NotAdmitted> {
        let limits = [
            (rpm, 1, &mut self.requests, Limit::Requests as fn(u64) -> Limit),
            (tpm, tokens, &mut self.tokens, Limit::Tokens),
        ];
        let mut taken: Vec<(&mut Bucket, f64)> = Vec::new();
        let mut longest: Option<(Limit, Duration)> = None;
        for (most, cells, bucket, limit) in limits {
            let Some(most) = most else { continue };
            if most == 0 || cells > most {
                return Err(NotAdmitted::Ever { limit: limit(most) });
            }
            match bucket.wait(now, cells, most) {
                Some(wait) if longest.is_none_or(|(_, other)| wait > other) => {
                    longest = Some((limit(most), wait));
                }
                Some(_) => {}
                None => taken.push((bucket, as_f64(cells))),
            }
        }
        if let Some((limit, wait)) = longest {
            return Err(NotAdmitted::Yet { limit, wait });
        }
        for (bucket, cells) in taken {
            bucket.take(cells);
        }
        Ok(())
    }
}

impl Bucket {
    /// Fills the bucket up to now. How long until `cells` can be taken; `None` when they can now.
    /// More than it holds can be taken when it is full.
    fn wait(&mut self, now: Instant, cells: u64, per_minute: u64) -> Option<Duration> {
        let per_second = as_f64(per_minute) / 60.0;
        let full = per_second.max(1.0);
        let level = match self.level {
            None => full,
            Some((level, since)) => {
                (level + per_second * now.duration_since(since).as_secs_f64()).min(full)
            }
        };
        self.level = Some((level, now));
        let missing = as_f64(cells).min(full) - level;
        // A millionth of a cell is what adding fractions makes of nothing.
        (missing > 1e-6).then(|| Duration::from_secs_f64(missing / per_second))
    }

    fn take(&mut self, cells: f64) {
        if let Some((level, _)) = &mut self.level {
            *level -= cells;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "limits and tokens are far below 2^52")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_passes_at_once_and_no_more() {
        let start = Instant::now();
        let mut smooth = Smooth::default();
        for _ in 0..10 {
            assert_eq!(smooth.admit(start, 1, Some(600), None), Ok(()));
        }
        let wait = Duration::from_millis(100);
        let refused = Err(NotAdmitted::Yet { limit: Limit::Requests(600), wait });
        assert_eq!(smooth.admit(start, 1, Some(600), None), refused);
        assert_eq!(smooth.admit(start + wait, 1, Some(600), None), Ok(()));
    }

    #[test]
    fn a_request_above_a_second_s_worth_passes_alone() {
        let start = Instant::now();
        let mut smooth = Smooth::default();
        assert_eq!(smooth.admit(start, 300, Some(600), Some(6_000)), Ok(()));
        let wait = Duration::from_millis(2_010);
        let refused = Err(NotAdmitted::Yet { limit: Limit::Tokens(6_000), wait });
        assert_eq!(smooth.admit(start, 1, Some(600), Some(6_000)), refused);
        let ever = Err(NotAdmitted::Ever { limit: Limit::Tokens(6_000) });
        assert_eq!(smooth.admit(start, 6_001, Some(600), Some(6_000)), ever);
    }
}
