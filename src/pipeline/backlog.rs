//! Open tasks that wait for a request for their outputs, oldest first, with the money that is kept
//! back for it: what buys instructions cannot spend it.

use std::collections::VecDeque;

use crate::ledger::Ledger;
use crate::task::OpenTask;
use crate::usd::Usd;

/// An open task with the worst case of a request for its output alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) task: OpenTask,
    pub(super) worst_case: Usd,
}

/// The open tasks of which no request is under way.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Their worst cases are earmarked.
    funded: VecDeque<Owed>,
    /// The budget did not hold their worst cases when they came.
    unfunded: VecDeque<Owed>,
}

/// Tasks of one request to be, and what is earmarked for them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) tasks: Vec<OpenTask>,
    pub(super) earmark: Usd,
}

impl Backlog {
    pub(super) fn len(&self) -> usize {
        self.funded.len() + self.unfunded.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds tasks, and turns what was earmarked for whatever would come into an earmark for them.
    pub(super) fn add(&mut self, ledger: &Ledger, earmark: Usd, owed: Vec<Owed>) {
        let parts: Vec<Usd> = owed.iter().map(|owed| owed.worst_case).collect();
        let funded = ledger.split_earmark(earmark, &parts);
        let mut owed = owed.into_iter();
        self.funded.extend(owed.by_ref().take(funded));
        self.unfunded.extend(owed);
    }

    /// The oldest tasks, up to so many; they stay until [`Self::remove`]. Tasks with and without
    /// an earmark do not mix: the money of the one would buy the other.
    pub(super) fn oldest(&self, count: usize) -> Group {
        let (queue, funded) =
            if self.funded.is_empty() { (&self.unfunded, false) } else { (&self.funded, true) };
        let owed = || queue.iter().take(count);
        Group {
            tasks: owed().map(|owed| owed.task).collect(),
            earmark: owed().map(|owed| owed.worst_case).filter(|_| funded).sum(),
        }
    }

    /// Takes a group out that [`Self::oldest`] gave.
    pub(super) fn remove(&mut self, group: &Group) {
        let queue = if self.funded.is_empty() { &mut self.unfunded } else { &mut self.funded };
        drop(queue.drain(..group.tasks.len().min(queue.len())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed(item_index: u32) -> Owed {
        Owed { task: OpenTask { response_seq: 1, item_index }, worst_case: Usd::from_pico(10) }
    }

    fn items(group: &Group) -> Vec<u32> {
        group.tasks.iter().map(|task| task.item_index).collect()
    }

    #[test]
    fn what_the_budget_holds_comes_first() {
        let ledger = Ledger::open(Some(Usd::from_pico(25)), Usd::ZERO, Usd::ZERO);
        let mut backlog = Backlog::default();
        backlog.add(&ledger, Usd::ZERO, (0..4).map(owed).collect());
        assert_eq!(ledger.totals().earmarked, Usd::from_pico(20));
        let group = backlog.oldest(3);
        assert_eq!((items(&group), group.earmark), (vec![0, 1], Usd::from_pico(20)));
        backlog.remove(&group);
        let group = backlog.oldest(1);
        assert_eq!((items(&group), group.earmark), (vec![2], Usd::ZERO));
        backlog.remove(&group);
        assert_eq!(items(&backlog.oldest(9)), [3]);
        assert_eq!(backlog.len(), 1);
    }
}
