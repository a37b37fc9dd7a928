//! Places, fixed and found by trying, at servers that refuse nothing.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::super::Places;
use super::{paused_runtime, secs};

/// How a server gets slow.
#[derive(Debug, Clone, Copy)]
enum Server {
    /// It serves so many at once and lets the others wait, as llama.cpp's does.
    Slots(usize),
    /// It serves all at once, each the slower the more there are: at so many, at half its speed, as
    /// those that work in batches do.
    Batch(u32),
}

const MINUTES: u64 = 30;
/// Seconds that 100 tokens take when nobody else is there.
const ALONE: f64 = 2.0;

/// Tokens that a server brings in the given minutes, with the places at the end.
fn run(server: Server, places: &Places, minutes: std::ops::Range<u64>) -> u64 {
    paused_runtime().block_on(async {
        places.open();
        let start = Instant::now();
        let slots = match server {
            Server::Slots(slots) => Semaphore::new(slots),
            Server::Batch(_) => Semaphore::new(Semaphore::MAX_PERMITS),
        };
        let (under_way, tokens) = (Cell::new(0_u32), Cell::new(0));
        let worker = async |seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            while start.elapsed() < secs(60 * minutes.end) {
                let place = places.take().await.unwrap();
                let brings = rng.u64(50..150);
                let slot = slots.acquire().await.unwrap();
                under_way.set(under_way.get() + 1);
                let slower = match server {
                    Server::Slots(_) => 1.0,
                    Server::Batch(half) => 1.0 + f64::from(under_way.get()) / f64::from(half),
                };
                let each = ALONE * f64::from(u32::try_from(brings).unwrap()) / 100.0;
                sleep(Duration::from_secs_f64(each * slower * (0.9 + 0.2 * rng.f64()))).await;
                under_way.set(under_way.get() - 1);
                drop(slot);
                let minute = start.elapsed().as_secs() / 60;
                if minutes.contains(&minute) {
                    tokens.set(tokens.get() + brings);
                }
                place.finished(brings);
            }
        };
        join_all((0..300).map(worker)).await;
        tokens.get()
    })
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "a share to compare")]
fn no_throughput_is_given_away_against_the_best_fixed_number() {
    let servers = [
        Server::Slots(1),
        Server::Slots(4),
        Server::Slots(12),
        Server::Slots(100),
        Server::Batch(4),
        Server::Batch(64),
        Server::Batch(1_000),
    ];
    for server in servers {
        let fixed = [1, 2, 4, 8, 16, 32, 64, 128, 256];
        let by_places = fixed.map(|n| (run(server, &Places::fixed(n), 0..MINUTES), n));
        let (best, at) = by_places.into_iter().max().unwrap();
        let places = Places::found_by_trying(256, None);
        let found = run(server, &places, 0..MINUTES);
        let share = found as f64 / best as f64;
        println!("{server:?}: {share:.3} of the best ({at} places), {} places", places.count());
        assert!(share >= 0.95, "{server:?}: {share}, {} places", places.count());
        if let Server::Slots(slots) = server {
            // One more half may be on trial when the time is up.
            assert!(places.count() <= (slots * 5).max(12), "{server:?}: {}", places.count());
        }
    }
}

#[test]
fn what_was_found_before_is_used_from_the_start() {
    let places = Places::found_by_trying(256, Some(100));
    let (found, fixed) = (
        run(Server::Slots(100), &places, 0..2),
        run(Server::Slots(100), &Places::fixed(100), 0..2),
    );
    assert!(found * 100 >= fixed * 98, "{found} of {fixed}");
}

#[tokio::test(start_paused = true)]
async fn the_first_goes_alone_and_a_timeout_halves_the_places() {
    let places = Places::found_by_trying(64, Some(8));
    let first = places.take().await.unwrap();
    assert!(timeout(secs(1), places.take()).await.is_err());
    places.open();
    let mut others = Vec::new();
    for _ in 0..7 {
        others.push(places.take().await.unwrap());
    }
    assert!(timeout(secs(1), places.take()).await.is_err());
    // The first eight requests tell nothing yet, not even by a timeout.
    first.timed_out();
    for other in others.drain(..) {
        other.finished(10);
    }
    assert_eq!(places.count(), 8);
    let late = [places.take().await.unwrap(), places.take().await.unwrap()];
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(places.take().await.unwrap());
    }
    for place in late {
        place.finished(10);
    }
    held.pop().unwrap().timed_out();
    assert_eq!((places.count(), places.found()), (4, Some(4)));
    // Five are taken still: a place is free when two of them are given back.
    held.pop();
    assert!(timeout(secs(1), places.take()).await.is_err());
    held.pop();
    assert!(timeout(secs(1), places.take()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn closed_places_let_nobody_in_and_keep_nobody_waiting() {
    let places = Places::fixed(1);
    let taken = places.take().await.unwrap();
    let (waiting, ()) = tokio::join!(places.take(), async { places.close() });
    assert!(waiting.is_none());
    drop(taken);
    assert!(places.take().await.is_none());
}
