//! Order, cancellation, corrections, pauses and changes of the limits.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::super::{Limiter, Limits, Permit, Rates};
use super::{rpm, secs, tpm};

/// How long `acquire` takes, with the permit.
async fn timed(limiter: &Limiter, tokens: u64) -> (Duration, Permit) {
    let start = Instant::now();
    let permit = limiter.acquire(tokens).await;
    (start.elapsed(), permit)
}

/// Takes `requests` permits one after the other and lets them count as used.
async fn use_up(limiter: &Limiter, requests: usize, tokens: u64) {
    for _ in 0..requests {
        drop(limiter.acquire(tokens).await);
    }
}

/// Timers of tokio fire at the next whole millisecond.
fn about(duration: Duration, expected: Duration) -> bool {
    duration >= expected && duration <= expected + Duration::from_millis(2)
}

#[test]
fn permits_and_limiters_move_between_threads() {
    fn check<T: Send + 'static>() {}
    check::<Permit>();
    check::<Limiter>();
}

#[tokio::test(start_paused = true)]
async fn without_limits_nobody_waits_and_everything_is_counted() {
    let limiter = Limiter::new(Limits::default());
    let start = Instant::now();
    use_up(&limiter, 10_000, 7).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(limiter.rates(), Rates { requests: 10_000, tokens: 70_000 });
    sleep(secs(60)).await;
    assert_eq!(limiter.rates(), Rates::default());
}

#[tokio::test(start_paused = true)]
async fn the_rates_are_of_the_last_minute() {
    let limiter = Limiter::new(Limits::default());
    for _ in 0..90 {
        limiter.acquire(10).await.settle(4);
        sleep(secs(1)).await;
    }
    assert_eq!(limiter.rates(), Rates { requests: 59, tokens: 59 * 4 });
}

#[tokio::test(start_paused = true)]
async fn what_a_process_before_sent_counts_until_its_minute_is_over() {
    for limits in [rpm(120), tpm(120)] {
        sleep(secs(100)).await;
        let limiter = Limiter::new(limits);
        let past = |age, count| std::iter::repeat_n((secs(age), 1), count);
        limiter.remember(past(90, 40).chain(past(50, 20)).chain(past(20, 100)));
        assert_eq!(limiter.rates(), Rates { requests: 120, tokens: 120 });
        // There is room again when the minute of the older ones is over.
        let (waited, _permit) = timed(&limiter, 1).await;
        assert!(about(waited, Duration::from_millis(10_500)), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_at_the_gate_are_counted() {
    let limiter = Limiter::new(rpm(1));
    use_up(&limiter, 1, 1).await;
    assert_eq!(limiter.waiting(), 0);
    let waiting: Vec<_> = (0..3).map(|_| limiter.acquire(1)).collect();
    assert!(timeout(secs(1), join_all(waiting)).await.is_err());
    assert_eq!(limiter.waiting(), 0, "they went away");
    let crowd = [limiter.acquire(1), limiter.acquire(1)].map(Box::pin);
    let joined = join_all(crowd);
    let count = async {
        sleep(secs(1)).await;
        limiter.waiting()
    };
    tokio::select! {
        _ = joined => panic!("both passed"),
        count = count => assert_eq!(count, 2),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_minute_is_smooth_and_full() {
    for limit in [1, 30, 60, 600, 3_500] {
        let limiter = Limiter::new(rpm(limit));
        let start = Instant::now();
        let mut times = Vec::new();
        while start.elapsed() < secs(60) {
            drop(limiter.acquire(1).await);
            times.push(start.elapsed());
        }
        times.retain(|time| *time < secs(60));
        let limit = usize::try_from(limit).unwrap();
        assert!(times.len() <= limit && times.len() * 100 >= limit * 97, "{limit}: {times:?}");
        let per_second = limit.div_ceil(60) + (limit / 120).max(1);
        for (i, time) in times.iter().enumerate() {
            let within = times.iter().skip(i).take_while(|t| **t < *time + secs(1)).count();
            assert!(within <= per_second, "{within} in a second at {limit} a minute");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_come_smoothly_too() {
    let limiter = Limiter::new(tpm(90_000));
    let start = Instant::now();
    let mut times = Vec::new();
    while start.elapsed() < secs(60) {
        drop(limiter.acquire(3_000).await);
        times.push(start.elapsed());
    }
    // The burst of two requests and 1,500 tokens in the second.
    for (i, time) in times.iter().enumerate() {
        let within = times.iter().skip(i).take_while(|t| **t < *time + secs(1)).count();
        assert!(within <= 2, "{within} at {time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_request_among_small_ones_is_served_in_order() {
    let limiter = Limiter::new(tpm(6_000));
    let served = RefCell::new(Vec::new());
    let waiters = (0..51).map(|i| {
        let (limiter, served) = (&limiter, &served);
        async move {
            let tokens = if i == 10 { 5_000 } else { 100 };
            drop(limiter.acquire(tokens).await);
            served.borrow_mut().push(i);
        }
    });
    join_all(waiters).await;
    assert_eq!(served.into_inner(), (0..51).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_waiter_gives_its_place_up_and_takes_nothing() {
    let limiter = Limiter::new(tpm(600));
    use_up(&limiter, 1, 300).await;
    let before = limiter.rates();
    let (gone, (waited, _permit)) = tokio::join!(
        timeout(Duration::from_millis(100), limiter.acquire(600)),
        timed(&limiter, 10),
    );
    assert!(gone.is_err());
    // 300 tokens and 10 more at 10 a second, less the burst of 60: not behind the 600.
    assert!(about(waited, secs(25)), "{waited:?}");
    let after = limiter.rates();
    assert_eq!((after.requests, after.tokens), (before.requests + 1, before.tokens + 10));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_in_the_middle_of_the_queue_can_leave() {
    let limiter = Limiter::new(rpm(60));
    use_up(&limiter, 1, 0).await;
    let start = Instant::now();
    let (first, gone, last) = tokio::join!(
        async { (limiter.acquire(0).await, start.elapsed()) },
        timeout(Duration::from_millis(500), limiter.acquire(0)),
        async { (limiter.acquire(0).await, start.elapsed()) },
    );
    assert!(gone.is_err());
    assert!(about(first.1, Duration::from_millis(1_020)), "{:?}", first.1);
    assert!(about(last.1, Duration::from_millis(2_040)), "{:?}", last.1);
}

#[tokio::test(start_paused = true)]
async fn a_try_that_fails_takes_nothing() {
    let limiter = Limiter::new(Limits { requests_per_minute: Some(6), ..tpm(600) });
    let first = limiter.acquire(300).await;
    let ((waited, _permit), ()) = tokio::join!(timed(&limiter, 10), async {
        // The pace of requests lets the waiter pass, the pace of tokens does not.
        sleep(secs(24)).await;
        first.settle(300);
    });
    assert!(about(waited, secs(25)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refund_wakes_the_one_who_waits_for_it() {
    let limiter = Limiter::new(tpm(6_000));
    let large = limiter.acquire(6_000).await;
    let ((waited, _permit), ()) = tokio::join!(timed(&limiter, 4_000), async {
        sleep(secs(5)).await;
        large.settle(500);
    });
    assert!(about(waited, secs(5)), "{waited:?}");
    assert_eq!(limiter.rates(), Rates { requests: 2, tokens: 4_500 });
}

#[tokio::test(start_paused = true)]
async fn nothing_is_refunded_where_reservations_count() {
    let limiter = Limiter::new(Limits { count_reserved_tokens: true, ..tpm(6_000) });
    limiter.acquire(6_000).await.settle(1);
    assert_eq!(limiter.rates().tokens, 6_000);
    let (waited, _permit) = timed(&limiter, 10).await;
    assert!(about(waited, Duration::from_millis(60_500)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_gives_everything_back() {
    for count_reserved_tokens in [false, true] {
        let limits = Limits {
            requests_per_minute: Some(1),
            tokens_per_minute: Some(6_000),
            count_reserved_tokens,
        };
        let limiter = Limiter::new(limits);
        let first = limiter.acquire(6_000).await;
        let ((waited, _permit), ()) = tokio::join!(timed(&limiter, 6_000), async {
            sleep(secs(3)).await;
            first.cancel();
        });
        assert!(about(waited, secs(3)), "{waited:?}");
        assert_eq!(limiter.rates(), Rates { requests: 1, tokens: 6_000 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_debt_delays_the_next_request() {
    let limiter = Limiter::new(tpm(6_000));
    limiter.acquire(50).await.settle(2_050);
    assert_eq!(limiter.rates().tokens, 2_050);
    // 2,050 tokens and 50 more at 100 a second, less the burst of 50.
    let (waited, _permit) = timed(&limiter, 50).await;
    assert!(about(waited, Duration::from_millis(20_500)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_debt_beyond_the_limit_costs_its_minute_and_no_more() {
    let limiter = Limiter::new(tpm(6_000));
    limiter.acquire(50).await.settle(u64::MAX);
    let (waited, _permit) = timed(&limiter, 50).await;
    assert!(about(waited, Duration::from_millis(60_500)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_larger_than_the_limit_passes_alone() {
    let limiter = Limiter::new(tpm(1_000));
    use_up(&limiter, 1, 5).await;
    let (waited, _permit) = timed(&limiter, u64::MAX).await;
    assert!(about(waited, Duration::from_millis(60_500)), "{waited:?}");
    let (waited, _permit) = timed(&limiter, 1).await;
    assert!(about(waited, Duration::from_millis(60_500)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_zero_is_one() {
    let limits =
        Limits { requests_per_minute: Some(0), tokens_per_minute: Some(0), ..Limits::default() };
    let limiter = Limiter::new(limits);
    use_up(&limiter, 1, 10).await;
    let (waited, _permit) = timed(&limiter, 10).await;
    assert!(about(waited, Duration::from_millis(60_500)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_everyone_and_the_later_one_wins() {
    let limiter = Limiter::new(Limits::default());
    let start = Instant::now();
    limiter.pause_until(start + secs(20));
    limiter.pause_until(start + secs(10));
    assert_eq!(limiter.paused_until(), Some(start + secs(20)));
    let waits = join_all((0..5).map(|_| timed(&limiter, 1)));
    let (waits, ()) = tokio::join!(waits, async {
        sleep(secs(15)).await;
        limiter.pause_until(start + secs(30));
    });
    for (waited, _permit) in waits {
        assert!(about(waited, secs(30)), "{waited:?}");
    }
    assert_eq!(limiter.paused_until(), None);
}

#[tokio::test(start_paused = true)]
async fn a_higher_limit_wakes_the_waiter_and_gives_no_burst() {
    let limiter = Limiter::new(rpm(1));
    use_up(&limiter, 1, 0).await;
    let start = Instant::now();
    let requests = async {
        let mut times = Vec::new();
        for _ in 0..4 {
            drop(limiter.acquire(0).await);
            times.push(start.elapsed());
        }
        times
    };
    let (times, ()) = tokio::join!(requests, async {
        sleep(secs(7)).await;
        limiter.set_limits(rpm(600));
    });
    // At 600 a minute the burst would be five at once.
    for (time, expected) in times.iter().zip([7_000, 7_100, 7_200, 7_300]) {
        let expected = Duration::from_millis(expected);
        assert!(*time >= expected && *time <= expected + secs(1) / 5, "{times:?}");
    }
    assert_eq!(limiter.limits(), rpm(600));
}

#[tokio::test(start_paused = true)]
async fn a_lower_limit_counts_the_minute_that_is_behind() {
    let limiter = Limiter::new(Limits::default());
    use_up(&limiter, 100, 0).await;
    sleep(secs(10)).await;
    limiter.set_limits(rpm(50));
    let (waited, _permit) = timed(&limiter, 0).await;
    assert!(about(waited, Duration::from_millis(50_500)), "{waited:?}");
    let (waited, _permit) = timed(&limiter, 0).await;
    assert!(about(waited, Duration::from_millis(1_224)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn changing_the_limits_back_and_forth_gives_nothing_away() {
    let limiter = Limiter::new(rpm(600));
    let start = Instant::now();
    let mut requests = 0;
    while start.elapsed() < secs(10) {
        drop(limiter.acquire(0).await);
        requests += 1;
        limiter.set_limits(rpm(if requests % 2 == 0 { 600 } else { 599 }));
    }
    assert!(requests <= 100 + 5 + 1, "{requests}");
}
