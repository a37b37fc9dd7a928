//! Whole runs in a simulated world: the real pipeline, ledger, limiter, judge, templates and journal
//! code against the simulator's core, on one thread, under a clock that only waits move.
//!
//! A seed decides everything: configuration, server, faults, when the disk fails and when the process
//! dies. After each commit and each request, and when a session ends, the promises of the README are
//! checked; then the run goes on in the next session, until one in which nothing goes wrong has to
//! end by design.
//!
//! ```text
//! INSTRUCTMILL_SEEDS=0..100000 cargo test --release --test simulation seeds    # a campaign
//! INSTRUCTMILL_SEEDS=4711 cargo test --release --test simulation seeds         # one, with its events
//! ```

#![expect(unreachable_pub, reason = "nothing outside this test binary can reach it anyway")]

mod answer;
mod books;
mod calls;
mod disk;
mod faults;
mod lanes;
mod network;
mod plan;
mod session;
mod verdict;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use faults::Fault;
use session::{Ran, simulate};
use world::Met;

/// Seeds of every test run.
const USUAL: Range<u64> = 0..300;

/// Seeds that failed once, with what they found. Where a plan draws otherwise, they are others:
/// `examples/mutations.py` names those that find the same.
const FAILED_ONCE: &[(u64, &str)] = &[
    (214, "the rows held more than the budget: money was free before the journal knew"),
    (1_542, "outputs that waited for embeddings were bought again"),
    (
        759,
        "a batch whose only line of results was broken was taken for somebody else's, and for free",
    ),
    (344, "a slow disk let more requests leave in a minute than the limit"),
];

/// Events of a failing seed that are shown.
const SHOWN: usize = 120;

/// The seeds that the environment names, such as `0..1000` or `17`.
fn chosen() -> Option<Range<u64>> {
    let text = std::env::var("INSTRUCTMILL_SEEDS").ok()?;
    let number = |text: &str| text.trim().parse::<u64>().expect("a number in INSTRUCTMILL_SEEDS");
    Some(match text.split_once("..") {
        Some((from, until)) => number(from)..number(until),
        None => number(&text)..number(&text) + 1,
    })
}

/// A seed that broke a promise, as text for a person.
fn failure(seed: u64) -> Result<Ran, String> {
    let (what, lines) = match catch_unwind(AssertUnwindSafe(|| simulate(seed))) {
        Ok(Ran { broken: Some(what), lines, .. }) => (what, lines),
        Ok(ran) => return Ok(ran),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            (format!("a panic: {}", text.unwrap_or_default()), Vec::new())
        }
    };
    let shown = lines.len().saturating_sub(SHOWN);
    Err(format!(
        "{}\n\nseed {seed}: {what}\nagain: INSTRUCTMILL_SEEDS={seed} cargo test --release --test \
         simulation seeds\n",
        lines[shown..].join("\n")
    ))
}

/// Runs seeds on all processors until one fails; gives what they met.
fn run_all(seeds: Range<u64>) -> BTreeMap<Met, u64> {
    let (next, met) = (AtomicU64::new(seeds.start), Mutex::new(BTreeMap::new()));
    let failures = Mutex::new(Vec::new());
    let lock = || failures.lock().unwrap_or_else(PoisonError::into_inner);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || !lock().is_empty() {
                        return;
                    }
                    match failure(seed) {
                        Ok(ran) => {
                            let mut met = met.lock().unwrap_or_else(PoisonError::into_inner);
                            for (what, times) in ran.met {
                                *met.entry(what).or_default() += times;
                            }
                        }
                        Err(text) => lock().push((seed, text)),
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort();
    if let Some((_, text)) = failures.first() {
        panic!("{text}");
    }
    met.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn seeds_break_no_promise() {
    let seeds = chosen().unwrap_or(USUAL);
    let (count, begin) = (seeds.end.saturating_sub(seeds.start), Instant::now());
    let met = run_all(seeds);
    let seconds = begin.elapsed().as_secs_f64();
    println!("{count} seeds in {seconds:.1} s, which met:");
    for (what, times) in &met {
        println!("{times:>9} {what:?}");
    }
    if chosen().is_some() {
        return;
    }
    // A harness that meets nothing proves nothing.
    let all = Fault::ALL.map(Met::Fault).into_iter().chain([
        Met::DiskFull,
        Met::DiskFailed,
        Met::Crash,
        Met::Drain,
        Met::Abort,
        Met::ClockJump,
        Met::Announcement,
        Met::TwoPhases,
        Met::OwnLane,
        Met::Embeddings,
        Met::Batches,
        Met::BatchesResumed,
        Met::Resumed,
        Met::Stopped("target"),
        Met::Stopped("budget"),
        Met::Stopped("max_requests"),
        Met::Stopped("no_progress"),
        Met::Stopped("interrupted"),
        Met::Stopped("failed"),
    ]);
    for what in all {
        assert!(met.contains_key(&what), "no seed met {what:?}");
    }
}

#[test]
fn seeds_that_failed_once_fail_no_more() {
    for (seed, what) in FAILED_ONCE {
        if let Err(text) = failure(*seed) {
            panic!("{text}\nas it did before: {what}");
        }
    }
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in 0..12 {
        let (one, other) = (simulate(seed), simulate(seed));
        if let Some(at) = one.lines.iter().zip(&other.lines).position(|(a, b)| a != b) {
            panic!("seed {seed} at {at}:\n{}\n{}", one.lines[at], other.lines[at]);
        }
        assert_eq!(one.fingerprint, other.fingerprint, "seed {seed}");
    }
}
