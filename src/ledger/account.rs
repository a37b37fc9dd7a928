//! The account: what is spent, reserved and unconfirmed, against the budget.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::usd::Usd;

/// What an account holds at one moment. All amounts in USD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// The cap; `None` when the price is zero and no cap was asked for.
    pub budget: Option<Usd>,
    /// Cost of answered attempts, as the provider reported their usage.
    pub spent: Usd,
    /// Worst-case cost of attempts under way.
    pub reserved: Usd,
    /// Worst-case cost of attempts whose outcome is unknown.
    pub unconfirmed: Usd,
}

impl Totals {
    /// Everything that counts against the budget.
    pub fn committed(&self) -> Usd {
        self.spent.saturating_add(self.reserved).saturating_add(self.unconfirmed)
    }

    /// What may still be reserved; [`Usd::MAX`] without a budget.
    pub fn left(&self) -> Usd {
        self.budget.map_or(Usd::MAX, |budget| budget.saturating_sub(self.committed()))
    }
}

/// A reservation was refused: the budget does not hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the worst case of the next request is {} and {} is left of the budget",
    .needed.display(6), .left.display(6))]
pub struct BudgetReached {
    /// The worst-case cost that was asked for.
    pub needed: Usd,
    /// What could still be reserved.
    pub left: Usd,
}

/// The account of a run, shared by everybody who spends. Clones are the same account.
#[derive(Debug, Clone)]
pub struct Ledger {
    account: Arc<Mutex<Totals>>,
}

impl Ledger {
    /// Opens an account with what earlier sessions of the run spent and could not confirm.
    pub fn open(budget: Option<Usd>, spent: Usd, unconfirmed: Usd) -> Self {
        let totals = Totals { budget, spent, reserved: Usd::ZERO, unconfirmed };
        Self { account: Arc::new(Mutex::new(totals)) }
    }

    /// What the account holds now.
    pub fn totals(&self) -> Totals {
        *self.lock()
    }

    /// Sets aside the worst-case cost of an attempt.
    ///
    /// # Errors
    /// [`BudgetReached`] when the budget does not hold it; nothing changes then.
    pub fn reserve(&self, worst_case: Usd) -> Result<Reservation, BudgetReached> {
        let mut account = self.lock();
        let left = account.left();
        if worst_case > left {
            return Err(BudgetReached { needed: worst_case, left });
        }
        account.reserved = account.reserved.saturating_add(worst_case);
        drop(account);
        Ok(Reservation { ledger: self.clone(), amount: worst_case, sent: false })
    }

    /// No code between lock and unlock can panic half-way through a change, so a poisoned lock
    /// still guards a sound account.
    fn lock(&self) -> MutexGuard<'_, Totals> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_back(account: &mut Totals, amount: Usd) {
        account.reserved = account.reserved.saturating_sub(amount);
    }
}

/// Money set aside for one attempt at a time.
///
/// Dropping it gives the money back when nothing was sent, and counts it as unconfirmed when
/// something was: forgetting a reservation can never hide a cost.
#[derive(Debug)]
#[must_use = "a reservation that is dropped is given back or counted as unconfirmed"]
pub struct Reservation {
    ledger: Ledger,
    amount: Usd,
    sent: bool,
}

impl Reservation {
    /// The worst-case cost set aside.
    pub fn amount(&self) -> Usd {
        self.amount
    }

    /// The attempt is about to leave: from here on its cost is unknown until it is told.
    pub fn mark_sent(&mut self) {
        self.sent = true;
    }

    /// The attempt was refused without charge; the money stays set aside for the next one.
    pub fn mark_refused(&mut self) {
        self.sent = false;
    }

    /// Moves the money out, leaving an empty reservation behind.
    pub fn take(&mut self) -> Self {
        let amount = std::mem::take(&mut self.amount);
        Self { ledger: self.ledger.clone(), amount, sent: self.sent }
    }

    /// The attempt was answered and cost this much.
    pub fn settle(mut self, cost: Usd) {
        let mut account = self.ledger.lock();
        Ledger::take_back(&mut account, self.amount);
        account.spent = account.spent.saturating_add(cost);
        drop(account);
        self.close();
    }

    /// The attempt's outcome is unknown: it counts at its worst case.
    pub fn unconfirmed(mut self) {
        self.sent = true;
    }

    /// Leaves nothing for `drop` to account for.
    fn close(&mut self) {
        self.amount = Usd::ZERO;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.amount.is_zero() {
            return;
        }
        let mut account = self.ledger.lock();
        Ledger::take_back(&mut account, self.amount);
        if self.sent {
            account.unconfirmed = account.unconfirmed.saturating_add(self.amount);
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers in tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert_eq!(
            (totals.spent, totals.reserved, totals.unconfirmed),
            (usd(30), usd(0), usd(200))
        );
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
}
