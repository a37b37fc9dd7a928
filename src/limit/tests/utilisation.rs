//! The limits are used: ten minutes of a closed loop that always wants more.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::super::{Limiter, Limits};
use super::{paused_runtime, rpm, secs, tpm};

const MINUTES: u64 = 10;

/// Workers that ask for the next permit as soon as their request has ended.
struct Load {
    limits: Limits,
    workers: usize,
    /// Tokens reserved, drawn evenly.
    reserved: std::ops::RangeInclusive<u64>,
    /// Per cent of them used.
    used: u64,
    latency: Duration,
}

impl Load {
    fn new(limits: Limits, reserved: std::ops::RangeInclusive<u64>) -> Self {
        Self { limits, workers: 200, reserved, used: 100, latency: secs(2) }
    }

    /// Runs the load and gives the used shares of requests and tokens.
    #[expect(clippy::cast_precision_loss, reason = "a share to compare with 0.97")]
    fn run(&self) -> (f64, f64) {
        paused_runtime().block_on(async {
            let limiter = Limiter::new(self.limits);
            let end = Instant::now() + secs(60 * MINUTES);
            let used = Cell::new((0, 0));
            let workers = (0..self.workers).map(|seed| self.work(&limiter, seed, end, &used));
            join_all(workers).await;
            let (requests, tokens) = used.get();
            let share = |used: u64, limit: Option<u64>| {
                limit.map_or(0.0, |limit| used as f64 / (limit * MINUTES) as f64)
            };
            (
                share(requests, self.limits.requests_per_minute),
                share(tokens, self.limits.tokens_per_minute),
            )
        })
    }

    async fn work(&self, limiter: &Limiter, seed: usize, end: Instant, sum: &Cell<(u64, u64)>) {
        let mut rng = fastrand::Rng::with_seed(seed as u64);
        loop {
            let reserved = rng.u64(self.reserved.clone());
            let permit = limiter.acquire(reserved).await;
            if Instant::now() >= end {
                return;
            }
            let used = reserved * self.used / 100;
            let (requests, tokens) = sum.get();
            sum.set((requests + 1, tokens + used));
            sleep(self.latency).await;
            permit.settle(used);
        }
    }
}

#[test]
fn requests() {
    for limit in [1, 20, 60, 100, 239, 600, 3_500, 5_000] {
        let (used, _) = Load::new(rpm(limit), 1..=1).run();
        println!("{limit} requests a minute: {:.2} %", used * 100.0);
        assert!((0.97..=1.0).contains(&used), "{limit}: {used}");
    }
}

#[test]
fn tokens() {
    for (limit, sizes) in [
        (90_000, 1_500..=4_500),
        (90_000, 3_000..=3_000),
        (90_000, 100..=200),
        (90_000, 10..=4_500),
        (200_000, 500..=4_000),
        (2_000_000, 1_500..=4_500),
    ] {
        let (_, used) = Load::new(tpm(limit), sizes.clone()).run();
        println!("{limit} tokens a minute, {sizes:?}: {:.2} %", used * 100.0);
        assert!((0.97..=1.0).contains(&used), "{limit} {sizes:?}: {used}");
    }
}

#[test]
fn both_at_once() {
    for (requests, tokens, sizes) in [
        (500, 200_000, 100..=500),
        (500, 200_000, 200..=600),
        (600, 90_000, 100..=200),
        (60, 90_000, 500..=2_500),
    ] {
        let limits = Limits { requests_per_minute: Some(requests), ..tpm(tokens) };
        let (by_requests, by_tokens) = Load::new(limits, sizes.clone()).run();
        println!(
            "{requests} requests, {tokens} tokens, {sizes:?}: {:.2} % and {:.2} %",
            by_requests * 100.0,
            by_tokens * 100.0
        );
        assert!(by_requests <= 1.0 && by_tokens <= 1.0);
        assert!(by_requests.max(by_tokens) >= 0.97, "{by_requests} {by_tokens}");
    }
}

#[test]
fn tokens_after_refunds() {
    for (limit, sizes) in [(300_000, 1_500..=4_500), (1_000_000, 1_500..=4_500)] {
        let latency = Duration::from_millis(400);
        let load = Load { used: 50, latency, ..Load::new(tpm(limit), sizes.clone()) };
        let (_, used) = load.run();
        println!("{limit} tokens a minute, half refunded: {:.2} %", used * 100.0);
        assert!((0.97..=1.0).contains(&used), "{limit} {sizes:?}: {used}");
    }
}
