//! Limits that nobody told: servers that count minutes or smooth, and change their minds.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::super::{Announced, Learnt, Limiter, Limits};
use super::{paused_runtime, rpm, secs};

const MINUTE: Duration = Duration::from_secs(60);

/// How a server counts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Counting {
    /// The requests of the last minute.
    Minute,
    /// A rate, with a burst of one second.
    Smooth,
}

struct Server {
    counting: Counting,
    /// From when on how many requests a minute.
    limits: Vec<(Duration, u64)>,
    start: Instant,
    admitted: VecDeque<Instant>,
    arrival: Instant,
    /// Admitted and refused, by the minute of the run.
    minutes: Vec<(u64, u64)>,
}

impl Server {
    fn new(counting: Counting, limits: &[(u64, u64)]) -> Self {
        let start = Instant::now();
        let limits = limits.iter().map(|(from, limit)| (secs(*from), *limit)).collect();
        let minutes = Vec::new();
        Self { counting, limits, start, admitted: VecDeque::new(), arrival: start, minutes }
    }

    fn limit(&self) -> u64 {
        let now = self.start.elapsed();
        self.limits.iter().rev().find(|(from, _)| *from <= now).unwrap().1
    }

    /// How long a refused request is asked to wait.
    fn ask(&mut self) -> Result<(), Duration> {
        let (now, limit) = (Instant::now(), self.limit());
        let answer = match self.counting {
            Counting::Minute => self.by_minute(now, limit),
            Counting::Smooth => self.smooth(now, limit),
        };
        let minute = usize::try_from(self.start.elapsed().as_secs() / 60).unwrap();
        self.minutes.resize(self.minutes.len().max(minute + 1), (0, 0));
        let counts = &mut self.minutes[minute];
        if answer.is_ok() {
            counts.0 += 1;
        } else {
            counts.1 += 1;
        }
        answer
    }

    fn by_minute(&mut self, now: Instant, limit: u64) -> Result<(), Duration> {
        while self.admitted.pop_front_if(|at| *at + MINUTE <= now).is_some() {}
        let over = (self.admitted.len() as u64 + 1).saturating_sub(limit);
        match usize::try_from(over).unwrap().checked_sub(1) {
            Some(last) => Err(self.admitted[last] + MINUTE - now),
            None => {
                self.admitted.push_back(now);
                Ok(())
            }
        }
    }

    fn smooth(&mut self, now: Instant, limit: u64) -> Result<(), Duration> {
        let interval = MINUTE / u32::try_from(limit).unwrap();
        let arrival = self.arrival.max(now);
        let early = (arrival + interval).duration_since(now).saturating_sub(secs(1).max(interval));
        if early.is_zero() {
            self.arrival = arrival + interval;
            return Ok(());
        }
        Err(early)
    }
}

async fn work(limiter: &Limiter, server: &RefCell<Server>, seed: u64, end: Instant) {
    let mut rng = fastrand::Rng::with_seed(seed);
    while Instant::now() < end {
        let permit = limiter.acquire(100).await;
        sleep(Duration::from_millis(rng.u64(5..30))).await;
        let answer = server.borrow_mut().ask();
        match answer {
            Ok(()) => {
                sleep(Duration::from_millis(rng.u64(500..2_500))).await;
                permit.settle(100);
            }
            Err(wait) => permit.refused(Instant::now() + wait.max(Duration::from_millis(50))),
        }
    }
}

/// Runs so many minutes and gives for each how much of the limit was used and what part was refused.
fn run(
    counting: Counting,
    limits: &[(u64, u64)],
    minutes: u64,
    found: Option<u64>,
) -> Vec<[f64; 2]> {
    paused_runtime().block_on(async {
        let limiter = Limiter::new(Limits::default());
        limiter.recall(Learnt { requests_per_minute: found, ..Learnt::default() });
        let server = RefCell::new(Server::new(counting, limits));
        let end = Instant::now() + secs(60 * minutes);
        join_all((0..64).map(|seed| work(&limiter, &server, seed, end))).await;
        let server = server.into_inner();
        let of = |number: usize| {
            let from = secs(60 * number as u64);
            server.limits.iter().rev().find(|(since, _)| *since <= from).unwrap().1
        };
        let share = |part: u64, whole: u64| {
            f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
        };
        let minutes = server.minutes.iter().take(usize::try_from(minutes).unwrap()).enumerate();
        minutes.map(|(number, (ok, no))| [share(*ok, of(number)), share(*no, ok + no)]).collect()
    })
}

#[track_caller]
fn assert_used(minutes: &[[f64; 2]], what: &str) {
    let mean = |which: usize| {
        minutes.iter().map(|minute| minute[which]).sum::<f64>()
            / f64::from(u32::try_from(minutes.len()).unwrap())
    };
    println!("{what}: {:.3} used, {:.4} refused", mean(0), mean(1));
    assert!(mean(0) >= 0.9 && mean(1) < 0.01, "{what}: {minutes:.3?}");
}

#[test]
fn an_unknown_limit_is_found_within_a_minute() {
    for counting in [Counting::Minute, Counting::Smooth] {
        for limit in [60, 300, 1_000] {
            let minutes = run(counting, &[(0, limit)], 12, None);
            assert_used(&minutes[1..], &format!("{counting:?} {limit}"));
        }
    }
}

#[test]
fn a_limit_that_changes_is_found_again() {
    for counting in [Counting::Minute, Counting::Smooth] {
        let minutes = run(counting, &[(0, 600), (600, 300), (1_200, 900)], 30, None);
        assert_used(&minutes[1..10], &format!("{counting:?} at first"));
        assert_used(&minutes[11..20], &format!("{counting:?} lower"));
        assert_used(&minutes[24..30], &format!("{counting:?} higher"));
    }
}

/// The minute of the change counts, too: of a server that counts minutes half of it is lost when it
/// lowers its limit, for the minute is full and more.
#[test]
fn little_is_lost_to_a_change() {
    for (counting, least) in [(Counting::Minute, 0.95), (Counting::Smooth, 0.92)] {
        for (first, then) in [(600_u32, 300_u32), (300, 600)] {
            let minutes = run(counting, &[(0, first.into()), (420, then.into())], 14, None);
            let limit = |minute: usize| if minute < 7 { f64::from(first) } else { f64::from(then) };
            let used = (1..14).map(|minute| minutes[minute][0] * limit(minute)).sum::<f64>();
            let used = used / (1..14).map(limit).sum::<f64>();
            let refused = minutes[1..].iter().map(|minute| minute[1]).sum::<f64>() / 13.0;
            println!("{counting:?} {first} then {then}: {used:.3} used, {refused:.4} refused");
            assert!(
                used >= least && refused < 0.01,
                "{counting:?} {first} then {then}: {minutes:.3?}"
            );
        }
    }
}

#[test]
fn a_rate_found_before_is_used_from_the_start() {
    let minutes = run(Counting::Smooth, &[(0, 500)], 6, Some(490));
    assert_used(&minutes, "from the start");
}

#[test]
fn refusals_that_do_not_depend_on_the_rate_end_the_search() {
    paused_runtime().block_on(async {
        let limiter = Limiter::new(Limits::default());
        let mut rng = fastrand::Rng::with_seed(5);
        let mut answered = 0;
        let end = Instant::now() + secs(60);
        while Instant::now() < end {
            let permit = limiter.acquire(100).await;
            sleep(Duration::from_millis(100)).await;
            if rng.bool() {
                permit.refused(Instant::now() + Duration::from_millis(50));
            } else {
                permit.settle(100);
                answered += 1;
            }
        }
        assert_eq!(limiter.learnt().requests_per_minute, None);
        assert!(answered > 150, "{answered}");
    });
}

#[test]
fn what_is_announced_counts_where_it_is_lower() {
    let limiter = Limiter::new(rpm(100));
    limiter.announce(Announced { requests: Some(60), tokens: Some(5_000) });
    assert_eq!(limiter.limits(), Limits { tokens_per_minute: Some(5_000), ..rpm(60) });
    limiter.announce(Announced { requests: Some(500), tokens: None });
    assert_eq!(limiter.limits(), Limits { tokens_per_minute: Some(5_000), ..rpm(100) });
    assert_eq!(limiter.learnt().requests_per_minute, None);
}
