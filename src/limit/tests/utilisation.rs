//! The limits are used: ten minutes of a closed loop that always wants more.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::super::{Limiter, Limits};
use super::{paused_runtime, reserved_tpm, rpm, secs, tpm};

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
fn reserved_tokens() {
    for (limit, sizes) in [
        (90_000, 1_500..=4_500),
        (200_000, 500..=3_300),
        (200_000, 1_700..=3_300),
        (200_000, 2_400..=2_400),
        (200_000, 3_300..=3_300),
        (2_000_000, 1_500..=4_500),
    ] {
        let (_, used) = Load::new(reserved_tpm(limit), sizes.clone()).run();
        println!("{limit} reserved tokens a minute, {sizes:?}: {:.2} %", used * 100.0);
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

/// A bucket of one second's worth, as servers have it that count seconds.
struct Bucket {
    limit: f64,
    level: f64,
    since: Instant,
    refused: u32,
}

impl Bucket {
    fn take(&mut self, cells: f64) -> bool {
        let now = Instant::now();
        let full = (self.limit / 60.0).max(1.0);
        self.level += self.limit / 60.0 * now.duration_since(self.since).as_secs_f64();
        (self.level, self.since) = (self.level.min(full), now);
        let has_room = self.level + 1e-6 >= cells.min(full);
        if has_room {
            self.level -= cells;
        } else {
            self.refused += 1;
        }
        has_room
    }
}

/// Ten minutes at such a server, whose requests arrive up to 15 ms late: the used share and the
/// refusals.
fn at_a_smoothing_server(limits: Limits, cells: u64) -> (f64, u32) {
    paused_runtime().block_on(async {
        let limit = limits.tokens_per_minute.or(limits.requests_per_minute).unwrap();
        let limit = f64::from(u32::try_from(limit).unwrap());
        let counted = f64::from(u32::try_from(cells).unwrap());
        let (start, limiter) = (Instant::now(), Limiter::new(limits));
        let level = (limit / 60.0).max(1.0);
        let bucket = Cell::new(Some(Bucket { limit, level, since: start, refused: 0 }));
        let used = Cell::new(0.0);
        let worker = async |seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            loop {
                let permit = limiter.acquire(cells).await;
                if start.elapsed() >= secs(60 * MINUTES) {
                    return;
                }
                sleep(Duration::from_millis(20 + rng.u64(0..15))).await;
                let mut server = bucket.take().unwrap();
                let admitted = server.take(counted);
                bucket.set(Some(server));
                if admitted {
                    used.set(used.get() + counted);
                    sleep(secs(2)).await;
                    permit.settle(cells);
                } else {
                    permit.refused(Instant::now() + Duration::from_millis(50));
                }
            }
        };
        join_all((0..200).map(worker)).await;
        (used.get() / (limit * 10.0), bucket.take().unwrap().refused)
    })
}

#[test]
fn a_server_that_counts_seconds_refuses_nothing() {
    for (limits, cells) in [
        (rpm(60), 1),
        (rpm(100), 1),
        (rpm(600), 1),
        (rpm(3_500), 1),
        (tpm(1_000_000), 2_400),
        (reserved_tpm(1_000_000), 2_400),
        (reserved_tpm(280_000), 2_400),
        (reserved_tpm(200_000), 2_400),
        (reserved_tpm(150_000), 2_400),
    ] {
        let (used, refused) = at_a_smoothing_server(limits, cells);
        println!("{limits:?}: {:.2} %, {refused} refused", used * 100.0);
        assert!(used >= 0.97 && refused == 0, "{limits:?}: {used}, {refused}");
    }
}

#[test]
fn where_two_requests_are_more_than_a_second_holds_one_refusal_tells() {
    let (used, refused) = at_a_smoothing_server(tpm(100_000), 2_400);
    println!("{:.2} %, {refused} refused", used * 100.0);
    assert!(used >= 0.95 && refused <= 1, "{used}, {refused}");
}
