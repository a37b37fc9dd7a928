//! How long to wait before the next attempt.

use std::time::Duration;

/// The first pause before a retry, on average half of this.
const BASE: Duration = Duration::from_millis(500);
/// No pause of our own choice is longer.
const CAP: Duration = Duration::from_secs(60);

/// The pause before a request is sent again whose answer was of no use.
pub(super) const AFTER_UNREADABLE: Duration = Duration::from_secs(1);

/// A random pause before retry number `retry` (from 0): exponential with full jitter, which keeps
/// many workers that failed together from coming back together.
pub(super) fn backoff(rng: &mut fastrand::Rng, retry: u32) -> Duration {
    let ceiling = BASE.saturating_mul(1_u32.checked_shl(retry).unwrap_or(u32::MAX)).min(CAP);
    ceiling.mul_f64(rng.f64())
}

/// The random numbers of one request, from the run's seed and the request's index alone.
pub(super) fn rng_for(run_seed: u64, request_index: u64) -> fastrand::Rng {
    // An odd multiplier spreads neighbouring indices over the whole range.
    fastrand::Rng::with_seed(run_seed ^ request_index.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_cap_and_never_beyond() {
        let mut rng = rng_for(1, 2);
        for retry in 0..200 {
            let longest = (0..50).map(|_| backoff(&mut rng, retry)).max().unwrap();
            assert!(longest <= CAP.min(BASE * 2_u32.saturating_pow(retry.min(20))));
            assert!(longest > Duration::ZERO);
        }
    }

    #[test]
    fn the_same_request_waits_the_same_time() {
        assert_eq!(backoff(&mut rng_for(7, 3), 2), backoff(&mut rng_for(7, 3), 2));
        assert_ne!(backoff(&mut rng_for(7, 3), 2), backoff(&mut rng_for(7, 4), 2));
    }
}
