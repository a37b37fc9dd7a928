//! No sliding minute is above the limits, whatever callers and servers do.
//!
//! The model keeps every permit with its time and what it counts for, and never looks into the
//! limiter.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;
use tokio::time::{Instant, sleep, timeout};

use super::super::{Limiter, Limits, Permit};
use super::{paused_runtime, secs};

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Settled at this share of its reservation, in per cent; above 100 is a debt.
    Settled(u64),
    Cancelled,
    Forgotten,
}

#[derive(Debug, Clone)]
struct Request {
    /// Milliseconds after the start.
    arrival: u64,
    tokens: u64,
    /// Milliseconds from the permit to the end.
    latency: u64,
    /// Milliseconds from the permit to the arrival at the server.
    travel: u64,
    end: End,
}

#[derive(Debug, Clone)]
enum Change {
    Pause(u64),
    Limits(Limits),
}

#[derive(Debug, Clone)]
struct Scenario {
    limits: Limits,
    requests: Vec<Request>,
    /// Milliseconds after the start, and what happens then.
    changes: Vec<(u64, Change)>,
}

fn limits() -> impl Strategy<Value = Limits> {
    // Evenly over the orders of magnitude, since small limits bind in short scenarios.
    let requests = prop_oneof![1..10_u64, 10..100_u64, 100..5_000_u64];
    let tokens = prop_oneof![1_000..10_000_u64, 10_000..100_000_u64, 100_000..300_000_u64];
    (prop::option::weighted(0.8, requests), prop::option::weighted(0.8, tokens), any::<bool>())
        .prop_map(|(requests_per_minute, tokens_per_minute, count_reserved_tokens)| Limits {
            requests_per_minute,
            tokens_per_minute,
            count_reserved_tokens,
        })
}

fn request(span: u64) -> impl Strategy<Value = Request> {
    let tokens = prop_oneof![4 => 0..500_u64, 4 => 500..5_000_u64, 1 => 5_000..20_000_u64];
    let end = prop_oneof![
        6 => (0..=100_u64).prop_map(End::Settled),
        1 => (100..=300_u64).prop_map(End::Settled),
        1 => Just(End::Cancelled),
        1 => Just(End::Forgotten),
    ];
    let latency = prop_oneof![0..5_000_u64, 0..90_000_u64];
    (0..=span, tokens, latency, 0..500_u64, end).prop_map(
        |(arrival, tokens, latency, travel, end)| Request { arrival, tokens, latency, travel, end },
    )
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let change =
        prop_oneof![(0..40_000_u64).prop_map(Change::Pause), limits().prop_map(Change::Limits)];
    // Everybody at once, within seconds, or over minutes.
    prop_oneof![Just(0_u64), Just(5_000), Just(180_000)].prop_flat_map(move |span| {
        let requests = prop::collection::vec(request(span), 1..150);
        let changes = prop::collection::vec((0..200_000_u64, change.clone()), 0..4);
        (limits(), requests, changes).prop_map(|(limits, requests, changes)| Scenario {
            limits,
            requests,
            changes,
        })
    })
}

/// One permit as the server counts it.
#[derive(Debug, Clone, Copy)]
struct Counted {
    at: Instant,
    arrived: Instant,
    requests: u64,
    tokens: u64,
}

/// What a limited minute has seen.
struct Model {
    permits: Vec<Counted>,
    limits: Vec<(Instant, Limits)>,
    paused: Option<Instant>,
}

impl Model {
    /// Books a permit, which must fit into the limits in force with all that is known now.
    fn admit(&mut self, request: &Request) -> usize {
        let now = Instant::now();
        assert!(self.paused.is_none_or(|until| until <= now), "a permit during a pause");
        let (requests, tokens) =
            sum(self.permits.iter().filter(|permit| now < permit.at + secs(60)));
        let limits = self.limits.last().expect("the first limits").1;
        if let Some(limit) = limits.requests_per_minute {
            assert!(requests < limit, "{requests} and one more requests of {limit}");
        }
        if let Some(limit) = limits.tokens_per_minute {
            let alone = tokens == 0;
            assert!(alone || tokens + request.tokens <= limit, "{tokens} + {request:?} > {limit}");
        }
        let arrived = now + Duration::from_millis(request.travel);
        let tokens = request.tokens;
        self.permits.push(Counted { at: now, arrived, requests: 1, tokens });
        self.permits.len() - 1
    }

    /// Ends a request and corrects what it counts for.
    fn end(&mut self, index: usize, request: &Request, permit: Permit) {
        let counted = self.permits.get_mut(index).expect("booked when admitted");
        let reservations_count = self.limits.last().expect("the first limits").1;
        match request.end {
            End::Settled(share) => {
                let used = request.tokens * share / 100;
                if used > request.tokens || !reservations_count.count_reserved_tokens {
                    counted.tokens = used;
                }
                permit.settle(used);
            }
            End::Cancelled => {
                (counted.requests, counted.tokens) = (0, 0);
                permit.cancel();
            }
            End::Forgotten => drop(permit),
        }
    }

    /// Judges every minute that ends with an arrival at the server, from what the requests counted
    /// for in the end. Debts are unknown when permits are given, so scenarios with debts are out.
    fn check_arrivals(&self) {
        let mut arrivals = self.permits.clone();
        arrivals.sort_by_key(|permit| permit.arrived);
        for last in &arrivals {
            let minute = arrivals.iter().filter(|permit| {
                permit.arrived <= last.arrived && last.arrived < permit.arrived + secs(60)
            });
            let from = last.arrived.checked_sub(secs(61)).expect("the clock began earlier");
            let (requests, tokens) = sum(minute.clone());
            let most = |limit: fn(&Limits) -> Option<u64>| {
                self.in_force(from).map(|limits| limit(limits).unwrap_or(u64::MAX)).max()
            };
            assert!(Some(requests) <= most(|limits| limits.requests_per_minute), "{requests}");
            let single = minute.filter(|permit| permit.tokens > 0).count() == 1;
            assert!(single || Some(tokens) <= most(|limits| limits.tokens_per_minute), "{tokens}");
        }
    }

    /// The limits in force at any time since `from`.
    fn in_force(&self, from: Instant) -> impl Iterator<Item = &Limits> {
        let ended = self.limits.iter().skip(1).take_while(|(since, _)| *since < from).count();
        self.limits.iter().skip(ended).map(|(_, limits)| limits)
    }
}

fn sum<'a>(permits: impl Iterator<Item = &'a Counted>) -> (u64, u64) {
    permits.fold((0, 0), |(requests, tokens), permit| {
        (requests + permit.requests, tokens + permit.tokens)
    })
}

async fn send(limiter: &Limiter, model: &RefCell<Model>, request: &Request) {
    sleep(Duration::from_millis(request.arrival)).await;
    let permit = limiter.acquire(request.tokens).await;
    let index = model.borrow_mut().admit(request);
    sleep(Duration::from_millis(request.latency)).await;
    model.borrow_mut().end(index, request, permit);
}

async fn change(limiter: &Limiter, model: &RefCell<Model>, at: u64, change: &Change) {
    sleep(Duration::from_millis(at)).await;
    let now = Instant::now();
    let mut model = model.borrow_mut();
    match change {
        Change::Pause(millis) => {
            let until = now + Duration::from_millis(*millis);
            limiter.pause_until(until);
            model.paused = model.paused.max(Some(until));
        }
        Change::Limits(limits) => {
            limiter.set_limits(*limits);
            model.limits.push((now, *limits));
        }
    }
}

/// Plays a scenario to the end, in which every request is served.
fn play(scenario: &Scenario) -> Model {
    paused_runtime().block_on(async {
        // So that a minute before the first arrival can be named.
        tokio::time::advance(secs(120)).await;
        let limiter = Limiter::new(scenario.limits);
        let limits = vec![(Instant::now(), scenario.limits)];
        let model = RefCell::new(Model { permits: Vec::new(), limits, paused: None });
        let requests = join_all(scenario.requests.iter().map(|r| send(&limiter, &model, r)));
        let changes =
            join_all(scenario.changes.iter().map(|(at, c)| change(&limiter, &model, *at, c)));
        let all = async { tokio::join!(requests, changes) };
        timeout(secs(7 * 24 * 3600), all).await.expect("somebody waits for ever");
        model.into_inner()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_permit_passes_the_limits(scenario in scenario()) {
        let model = play(&scenario);
        prop_assert_eq!(model.permits.len(), scenario.requests.len());
    }

    #[test]
    fn no_minute_at_the_server_is_above_the_limits(mut scenario in scenario()) {
        for request in &mut scenario.requests {
            if let End::Settled(share) = &mut request.end {
                *share = (*share).min(100);
            }
        }
        play(&scenario).check_arrivals();
    }

    #[test]
    fn a_saturated_limit_is_used_but_for_a_request(
        limit in 1_000..1_000_000_u64,
        per_mille in prop::collection::vec(2..150_u64, 1..30),
    ) {
        let limits = Limits { tokens_per_minute: Some(limit), ..Limits::default() };
        let sizes: Vec<u64> = per_mille.iter().map(|share| limit * share / 1_000).collect();
        let minutes = 5;
        let used = paused_runtime().block_on(async {
            let limiter = Limiter::new(limits);
            let end = Instant::now() + secs(60 * minutes);
            let mut used = 0;
            for tokens in sizes.iter().cycle() {
                drop(limiter.acquire(*tokens).await);
                if Instant::now() >= end {
                    break;
                }
                used += tokens;
            }
            used
        });
        let largest = sizes.iter().max().expect("one size at least");
        prop_assert!(used <= limit * minutes);
        prop_assert!(used >= (limit - largest) * minutes * 97 / 100, "{used} of {limit} a minute");
    }
}
