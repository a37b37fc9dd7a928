//! The account: what is spent, reserved and unconfirmed, against the budget, and what is kept back
//! for requests that others bring about.

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
    /// Of what is left, the part kept back for requests that earlier ones bring about.
    pub earmarked: Usd,
}

impl Totals {
    /// Everything that counts against the budget.
    pub fn committed(&self) -> Usd {
        self.spent.saturating_add(self.reserved).saturating_add(self.unconfirmed)
    }

    /// What is not committed; [`Usd::MAX`] without a budget.
    pub fn left(&self) -> Usd {
        self.budget.map_or(Usd::MAX, |budget| budget.saturating_sub(self.committed()))
    }

    /// What anyone may reserve: what is left and not earmarked.
    pub fn free(&self) -> Usd {
        self.left().saturating_sub(self.earmarked)
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
    account: Arc<Mutex<Account>>,
}

#[derive(Debug)]
struct Account {
    totals: Totals,
    /// The most that an attempt has cost of its worst case, in thousandths; 1,000 when none cost
    /// more. A server that adds a long prompt of its own, or does not keep to `max_tokens`, does so
    /// every time: later attempts set aside as much more.
    overrun_per_thousand: u128,
}

impl Account {
    /// A worst case with what earlier attempts cost beyond theirs, rounded up.
    fn with_overrun(&self, worst_case: Usd) -> Usd {
        let grown = u128::from(worst_case.pico()).saturating_mul(self.overrun_per_thousand);
        Usd::from_pico(u64::try_from(grown.div_ceil(1_000)).unwrap_or(u64::MAX))
    }

    fn learn_overrun(&mut self, worst_case: Usd, cost: Usd) {
        let thousandfold = u128::from(cost.pico()).saturating_mul(1_000);
        if !worst_case.is_zero() {
            let factor = thousandfold.div_ceil(u128::from(worst_case.pico()));
            self.overrun_per_thousand = self.overrun_per_thousand.max(factor);
        }
    }
}

impl Ledger {
    /// Opens an account with what earlier sessions of the run spent and could not confirm.
    pub fn open(budget: Option<Usd>, spent: Usd, unconfirmed: Usd) -> Self {
        let totals = Totals { budget, spent, unconfirmed, ..Totals::default() };
        let account = Account { totals, overrun_per_thousand: 1_000 };
        Self { account: Arc::new(Mutex::new(account)) }
    }

    /// What the account holds now.
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Sets aside the worst-case cost of an attempt; more, when attempts of this session have cost
    /// more than theirs.
    ///
    /// # Errors
    /// [`BudgetReached`] when the budget does not hold it beside what is earmarked; nothing changes
    /// then.
    pub fn reserve(&self, worst_case: Usd) -> Result<Reservation, BudgetReached> {
        self.reserve_between(worst_case, Usd::ZERO, Usd::ZERO)
    }

    /// Sets aside the worst-case cost of an attempt, and keeps `earmark` back for the requests that
    /// its answer will bring about.
    ///
    /// # Errors
    /// [`BudgetReached`] when the budget does not hold both beside what is earmarked already;
    /// nothing changes then.
    pub fn reserve_and_earmark(
        &self,
        worst_case: Usd,
        earmark: Usd,
    ) -> Result<Reservation, BudgetReached> {
        self.reserve_between(worst_case, Usd::ZERO, earmark)
    }

    /// Sets aside the worst-case cost of an attempt for which `earmark` is kept back. With an
    /// earmark of at least the worst case this cannot fail, unless an answer was billed above its
    /// worst case.
    ///
    /// # Errors
    /// [`BudgetReached`] when earmark and free money together do not hold it; nothing changes then.
    pub fn reserve_earmarked(
        &self,
        worst_case: Usd,
        earmark: Usd,
    ) -> Result<Reservation, BudgetReached> {
        self.reserve_between(worst_case, earmark, Usd::ZERO)
    }

    /// Takes over the reservation of an attempt of an earlier session that is still under way. It was
    /// within the budget then, and counts whatever the budget is now.
    pub fn resume(&self, amount: Usd) -> Reservation {
        let mut account = self.lock();
        account.totals.reserved = account.totals.reserved.saturating_add(amount);
        drop(account);
        Reservation { ledger: self.clone(), worst_case: amount, amount, sent: true }
    }

    /// Gives back an earmark and keeps `parts` back in its place, one after the other, as far as
    /// the money goes. Returns how many of them are kept back.
    pub fn split_earmark(&self, earmark: Usd, parts: &[Usd]) -> usize {
        let mut account = self.lock();
        let totals = &mut account.totals;
        totals.earmarked = totals.earmarked.saturating_sub(earmark);
        for (kept, part) in parts.iter().enumerate() {
            if *part > totals.free() {
                return kept;
            }
            totals.earmarked = totals.earmarked.saturating_add(*part);
        }
        parts.len()
    }

    /// Gives back an earmark that nobody will need.
    pub fn release_earmark(&self, earmark: Usd) {
        self.split_earmark(earmark, &[]);
    }

    /// One step for everybody else: `released` is no longer earmarked, `earmark` is, and the worst
    /// case is set aside.
    fn reserve_between(
        &self,
        worst_case: Usd,
        released: Usd,
        earmark: Usd,
    ) -> Result<Reservation, BudgetReached> {
        let mut account = self.lock();
        let amount = account.with_overrun(worst_case);
        let mut after = account.totals;
        after.earmarked = after.earmarked.saturating_sub(released);
        let (left, needed) = (after.free(), amount.saturating_add(earmark));
        if needed > left {
            return Err(BudgetReached { needed, left });
        }
        after.reserved = after.reserved.saturating_add(amount);
        after.earmarked = after.earmarked.saturating_add(earmark);
        account.totals = after;
        drop(account);
        Ok(Reservation { ledger: self.clone(), worst_case, amount, sent: false })
    }

    /// No code between lock and unlock can panic half-way through a change, so a poisoned lock
    /// still guards a sound account.
    fn lock(&self) -> MutexGuard<'_, Account> {
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
    worst_case: Usd,
    amount: Usd,
    sent: bool,
}

impl Reservation {
    /// The worst-case cost that was asked for, to ask for it again.
    pub fn worst_case(&self) -> Usd {
        self.worst_case
    }

    /// The money set aside.
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
        Self { ledger: self.ledger.clone(), worst_case: self.worst_case, amount, sent: self.sent }
    }

    /// The attempt was answered and cost this much.
    pub fn settle(mut self, cost: Usd) {
        let mut account = self.ledger.lock();
        Ledger::take_back(&mut account.totals, self.amount);
        account.totals.spent = account.totals.spent.saturating_add(cost);
        account.learn_overrun(self.worst_case, cost);
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
        let totals = &mut account.totals;
        Ledger::take_back(totals, self.amount);
        if self.sent {
            totals.unconfirmed = totals.unconfirmed.saturating_add(self.amount);
        }
    }
}
