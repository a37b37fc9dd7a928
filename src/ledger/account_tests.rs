//! The account under everything that can happen to attempts.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers in tests")]

use proptest::prelude::*;

use super::account::{BudgetReached, Ledger, Reservation};
use crate::usd::Usd;

fn usd(pico: u64) -> Usd {
    Usd::from_pico(pico)
}

fn ledger(budget: u64) -> Ledger {
    Ledger::open(Some(usd(budget)), Usd::ZERO, Usd::ZERO)
}

#[test]
fn the_last_picodollar_can_be_reserved_and_not_one_more() {
    let ledger = ledger(100);
    let first = ledger.reserve(usd(60)).unwrap();
    let second = ledger.reserve(usd(40)).unwrap();
    assert_eq!(
        ledger.reserve(usd(1)).unwrap_err(),
        BudgetReached { needed: usd(1), left: Usd::ZERO }
    );
    first.settle(usd(10));
    drop(second);
    assert_eq!(ledger.totals().left(), usd(90));
}

#[test]
fn how_an_attempt_ends_decides_what_it_costs() {
    let ledger = ledger(1_000);
    ledger.reserve(usd(100)).unwrap().settle(usd(30));
    ledger.reserve(usd(100)).unwrap().unconfirmed();
    drop(ledger.reserve(usd(100)).unwrap());
    let mut forgotten = ledger.reserve(usd(100)).unwrap();
    forgotten.mark_sent();
    drop(forgotten);
    let mut refused = ledger.reserve(usd(100)).unwrap();
    refused.mark_sent();
    refused.mark_refused();
    drop(refused);
    let totals = ledger.totals();
    assert_eq!((totals.spent, totals.reserved, totals.unconfirmed), (usd(30), usd(0), usd(200)));
}

#[test]
fn a_server_that_bills_more_than_the_bound_is_believed_from_then_on() {
    let ledger = ledger(1_000);
    ledger.reserve(usd(100)).unwrap().settle(usd(251));
    let second = ledger.reserve(usd(100)).unwrap();
    assert_eq!((second.worst_case(), second.amount()), (usd(100), usd(251)));
    // The next one does not fit: 1,000 - 251 - 251 leave 498, and it might cost 500.
    let refused = ledger.reserve(usd(199)).unwrap_err();
    assert_eq!(refused, BudgetReached { needed: usd(500), left: usd(498) });
    second.settle(usd(10));
    assert_eq!(ledger.reserve(usd(100)).unwrap().amount(), usd(251));
}

#[test]
fn a_bill_above_the_bound_is_recorded_and_ends_the_spending() {
    let ledger = ledger(100);
    ledger.reserve(usd(50)).unwrap().settle(usd(120));
    assert_eq!(ledger.totals().spent, usd(120));
    assert!(ledger.reserve(usd(1)).is_err());
}

#[test]
fn without_a_price_there_is_nothing_to_cap() {
    let ledger = Ledger::open(None, Usd::ZERO, Usd::ZERO);
    ledger.reserve(Usd::ZERO).unwrap().settle(Usd::ZERO);
    assert_eq!(ledger.totals().left(), Usd::MAX);
}

/// What a test does to one of the open reservations, or to none.
#[derive(Debug, Clone)]
enum Step {
    Reserve(u64),
    Send(usize),
    Refuse(usize),
    Settle(usize, u8),
    Lose(usize),
    Drop(usize),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u64..400).prop_map(Step::Reserve),
        2 => any::<usize>().prop_map(Step::Send),
        1 => any::<usize>().prop_map(Step::Refuse),
        3 => (any::<usize>(), any::<u8>()).prop_map(|(i, p)| Step::Settle(i, p)),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => any::<usize>().prop_map(Step::Drop),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    /// Random interleavings of everything that can happen to an attempt, with crashes after
    /// which the account is opened again from what a journal would have kept.
    #[test]
    fn never_over_budget(
        budget in 0u64..2_000,
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut ledger = ledger(budget);
        let mut open: Vec<(Reservation, bool)> = Vec::new();
        // What the provider would bill, at most: answered costs and the worst case of
        // everything that left and was not refused.
        let (mut spent, mut lost) = (0u64, 0u64);
        for step in steps {
            let pick = |i: usize, open: &[(Reservation, bool)]| i.checked_rem(open.len());
            match step {
                Step::Reserve(amount) => {
                    if let Ok(reservation) = ledger.reserve(usd(amount)) {
                        open.push((reservation, false));
                    }
                }
                Step::Send(i) => if let Some(i) = pick(i, &open) {
                    open[i].0.mark_sent();
                    open[i].1 = true;
                },
                Step::Refuse(i) => if let Some(i) = pick(i, &open) {
                    open[i].0.mark_refused();
                    open[i].1 = false;
                },
                Step::Settle(i, percent) => if let Some(i) = pick(i, &open) {
                    let (reservation, _) = open.swap_remove(i);
                    let cost = reservation.amount().pico() * u64::from(percent) / 255;
                    spent += cost;
                    reservation.settle(usd(cost));
                },
                Step::Lose(i) => if let Some(i) = pick(i, &open) {
                    let (reservation, _) = open.swap_remove(i);
                    lost += reservation.amount().pico();
                    reservation.unconfirmed();
                },
                Step::Drop(i) => if let Some(i) = pick(i, &open) {
                    let (reservation, sent) = open.swap_remove(i);
                    lost += if sent { reservation.amount().pico() } else { 0 };
                },
                Step::Crash => {
                    lost += open.iter().filter(|(_, sent)| *sent)
                        .map(|(r, _)| r.amount().pico()).sum::<u64>();
                    open.clear();
                    ledger = Ledger::open(Some(usd(budget)), usd(spent), usd(lost));
                }
            }
            let totals = ledger.totals();
            prop_assert!(totals.committed() <= usd(budget));
            prop_assert_eq!(totals.spent, usd(spent));
            prop_assert_eq!(totals.unconfirmed, usd(lost));
            let reserved = open.iter().map(|(r, _)| r.amount()).sum::<Usd>();
            prop_assert_eq!(totals.reserved, reserved);
        }
    }
}

#[test]
fn an_earmark_is_for_those_it_was_kept_back_for() {
    let ledger = ledger(100);
    let first = ledger.reserve_and_earmark(usd(30), usd(50)).unwrap();
    assert_eq!(ledger.totals().free(), usd(20));
    assert!(ledger.reserve(usd(21)).is_err());
    assert!(ledger.reserve_and_earmark(usd(10), usd(11)).is_err());
    first.settle(usd(10));
    // 40 are free beside the earmark: of three parts of 35, two fit into both together.
    assert_eq!(ledger.split_earmark(usd(50), &[usd(35); 3]), 2);
    assert_eq!(ledger.totals().free(), usd(20));
    ledger.reserve_earmarked(usd(30), usd(35)).unwrap().settle(usd(30));
    assert_eq!(ledger.totals().free(), usd(25));
    ledger.release_earmark(usd(35));
    assert_eq!(ledger.totals().free(), usd(60));
}

/// A request of the first phase, and later requests of the second that it brought about.
#[derive(Debug, Clone)]
enum PhaseStep {
    /// Asks for tasks, so many and for so much.
    Ask { worst: u64, tasks: u64 },
    /// An answer came: it cost a part of the worst case and brought some of the tasks asked for.
    Bring { which: usize, percent: u8, share: u8 },
    /// An answer was lost, and with it what it would have brought; another attempt wants money.
    Lose { which: usize },
    /// An output is bought.
    Buy,
    /// The answer with an output came.
    Settle { which: usize, percent: u8 },
}

fn phase_step() -> impl Strategy<Value = PhaseStep> {
    prop_oneof![
        3 => (0u64..200, 1u64..8).prop_map(|(worst, tasks)| PhaseStep::Ask { worst, tasks }),
        3 => (any::<usize>(), any::<u8>(), any::<u8>())
            .prop_map(|(which, percent, share)| PhaseStep::Bring { which, percent, share }),
        1 => any::<usize>().prop_map(|which| PhaseStep::Lose { which }),
        4 => Just(PhaseStep::Buy),
        3 => (any::<usize>(), any::<u8>())
            .prop_map(|(which, percent)| PhaseStep::Settle { which, percent }),
    ]
}

/// The most that one output can cost.
const OUTPUT: u64 = 40;

proptest! {
    /// However the phases interleave, the money for an output that is owed is there, and nothing
    /// is above the budget.
    #[test]
    fn outputs_that_are_owed_can_be_bought(
        budget in 0u64..3_000,
        steps in proptest::collection::vec(phase_step(), 1..200),
    ) {
        let ledger = ledger(budget);
        let mut asked: Vec<(Reservation, u64)> = Vec::new();
        let mut bought: Vec<Reservation> = Vec::new();
        let mut owed = 0_u64;
        for step in steps {
            let pick = |which: usize, len: usize| which.checked_rem(len);
            match step {
                PhaseStep::Ask { worst, tasks } => {
                    let earmark = usd(tasks * OUTPUT);
                    if let Ok(reservation) = ledger.reserve_and_earmark(usd(worst), earmark) {
                        asked.push((reservation, tasks));
                    }
                }
                PhaseStep::Bring { which, percent, share } => {
                    if let Some(i) = pick(which, asked.len()) {
                        let (reservation, tasks) = asked.swap_remove(i);
                        let cost = reservation.amount().pico() * u64::from(percent) / 255;
                        reservation.settle(usd(cost));
                        let brought = tasks * u64::from(share) / 255;
                        let parts = vec![usd(OUTPUT); usize::try_from(brought).unwrap()];
                        let kept = ledger.split_earmark(usd(tasks * OUTPUT), &parts);
                        prop_assert_eq!(kept, parts.len());
                        owed += brought;
                    }
                }
                PhaseStep::Lose { which } => {
                    if let Some(i) = pick(which, asked.len()) {
                        let (mut reservation, tasks) = asked.swap_remove(i);
                        let worst = reservation.amount();
                        reservation.mark_sent();
                        reservation.unconfirmed();
                        match ledger.reserve(worst) {
                            Ok(another) => asked.push((another, tasks)),
                            Err(_) => ledger.release_earmark(usd(tasks * OUTPUT)),
                        }
                    }
                }
                PhaseStep::Buy => if owed > 0 {
                    owed -= 1;
                    let reservation = ledger.reserve_earmarked(usd(OUTPUT), usd(OUTPUT));
                    prop_assert!(reservation.is_ok(), "{:?}", ledger.totals());
                    bought.extend(reservation);
                },
                PhaseStep::Settle { which, percent } => {
                    if let Some(i) = pick(which, bought.len()) {
                        let reservation = bought.swap_remove(i);
                        let cost = reservation.amount().pico() * u64::from(percent) / 255;
                        reservation.settle(usd(cost));
                    }
                }
            }
            let totals = ledger.totals();
            let coming: u64 = asked.iter().map(|(_, tasks)| tasks).sum();
            prop_assert!(totals.committed().saturating_add(totals.earmarked) <= usd(budget));
            prop_assert_eq!(totals.earmarked, usd((owed + coming) * OUTPUT));
        }
    }
}
