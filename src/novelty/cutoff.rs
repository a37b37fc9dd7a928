//! How many tokens two texts must have in common, in order, to be duplicates: a number that depends
//! on their lengths alone.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::rouge_l::f1;

/// Texts of fewer tokens than this have their numbers in tables.
pub(super) const SHORT: usize = 255;

/// Entries of at most this many tokens are kept in a [`Tree`](super::tree::Tree), longer ones up to
/// [`SHORT`] in [`Meetings`](super::meetings::Meetings).
pub(super) const TREE_MAX: usize = 32;

/// Stands in a table for "more than there can be".
const NEVER: u8 = u8::MAX;

/// A threshold, turned into whole numbers of tokens.
///
/// The numbers follow from the formula in floating point, not from algebra: where a score equals
/// the threshold exactly they fall as the comparison in the original does.
#[derive(Debug)]
pub(super) struct Cutoff {
    threshold: f64,
    hits_of_long: u8,
    /// By length, each made when the first text of that length comes.
    rows: Box<[OnceLock<Row>]>,
    partners: Box<[OnceLock<Box<[u8]>>]>,
}

impl Cutoff {
    pub(super) fn new(threshold: f64) -> Self {
        Self {
            threshold,
            hits_of_long: if threshold < HITS_FROM_THRESHOLD { 1 } else { HITS_OF_LONG },
            rows: (0..SHORT).map(|_| OnceLock::new()).collect(),
            partners: (0..SHORT).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The shortest common subsequence with which texts of `m` and `n` tokens are duplicates; `None`
    /// when even the whole of the shorter one does not do.
    pub(super) fn needed(&self, m: usize, n: usize) -> Option<usize> {
        let longest = m.min(n);
        let is_enough = |lcs| f1(lcs, m, n) > self.threshold;
        if longest == 0 || !is_enough(longest) {
            return None;
        }
        // F1 is 2 LCS / (m + n), so this is right or next to it.
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a guess, corrected below"
        )]
        let guess = (self.threshold * (m + n) as f64 / 2.0) as usize;
        let mut needed = guess.clamp(1, longest);
        while needed > 1 && is_enough(needed - 1) {
            needed -= 1;
        }
        while !is_enough(needed) {
            needed += 1;
        }
        Some(needed)
    }

    /// How often an entry of `n` tokens must be met under different items before it is looked at.
    ///
    /// Long texts share some of their rarer words with so many others that one is no sign. Asking for
    /// more means to list them under so many more items.
    pub(super) fn hits_wanted(&self, n: usize) -> u8 {
        if n <= TREE_MAX { 1 } else { self.hits_of_long }
    }

    /// What a text of `m` tokens needs to have in common with shorter texts than [`SHORT`].
    pub(super) fn row(&self, m: usize) -> Cow<'_, Row> {
        match self.rows.get(m) {
            Some(row) => Cow::Borrowed(row.get_or_init(|| self.make_row(m))),
            None => Cow::Owned(self.make_row(m)),
        }
    }

    fn make_row(&self, m: usize) -> Row {
        let mut row = Row {
            needed: Box::new([NEVER; SHORT + 1]),
            tree: [NEVER; TREE_CLASSES],
            meetings: [NEVER; MEETING_CLASSES],
            hits_wanted: self.hits_of_long,
        };
        for n in 1..SHORT {
            let needed = self.needed(m, n).and_then(|needed| u8::try_from(needed).ok());
            let Some(needed) = needed.filter(|needed| *needed < NEVER) else { continue };
            row.needed[n] = needed;
            let (least, before_last) = if n <= TREE_MAX {
                (&mut row.tree[tree_class(n)], needed)
            } else {
                let before_last = needed.saturating_sub(self.hits_of_long - 1).max(1);
                (&mut row.meetings[meeting_class(n)], before_last)
            };
            *least = before_last.min(*least);
        }
        row
    }

    /// For an entry of `n` tokens, below [`SHORT`]: at index `i` the longest text of which it can be
    /// a duplicate with `i` of its tokens left over, at most 255; 0 when there is none.
    pub(super) fn longest_partners(&self, n: usize) -> &[u8] {
        self.partners[n].get_or_init(|| {
            let mut partners = vec![0; n];
            // Longer partners need more, so each takes the places that shorter ones had.
            for m in 1..=u8::MAX {
                if let Some(needed) = self.needed(usize::from(m), n) {
                    partners[..=n - needed].fill(m);
                }
            }
            partners.into()
        })
    }
}

/// What a text of one length needs to have in common with others, by their length; 255 where no
/// overlap is enough.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) needed: Box<[u8; SHORT + 1]>,
    /// The least that is needed in each class of entries in the tree.
    pub(super) tree: [u8; TREE_CLASSES],
    /// How many items are still needed, at least, when the last of so many hits comes.
    pub(super) meetings: [u8; MEETING_CLASSES],
    /// See [`Cutoff::hits_wanted`], for entries that are not in the tree.
    pub(super) hits_wanted: u8,
}

impl Row {
    /// The least that is needed in any class of entries in the tree; `None` if nothing is enough.
    pub(super) fn least_in_tree(&self) -> Option<usize> {
        least(&self.tree)
    }

    /// The least of `meetings`; `None` if nothing is enough.
    pub(super) fn least_in_meetings(&self) -> Option<usize> {
        least(&self.meetings)
    }

    /// The fewest items that a duplicate of any length below [`SHORT`] shares; `None` if there can be
    /// none.
    pub(super) fn fewest(&self) -> Option<usize> {
        least(&*self.needed)
    }
}

fn least(needed: &[u8]) -> Option<usize> {
    needed.iter().copied().min().filter(|least| *least < NEVER).map(usize::from)
}

/// What a long entry is asked for. With a lower threshold than the second number it can share fewer
/// items than that with a duplicate.
const HITS_OF_LONG: u8 = 5;
const HITS_FROM_THRESHOLD: f64 = 0.3;

/// How many classes of about equal lengths there are in the tree.
pub(super) const TREE_CLASSES: usize = TREE_MAX / 2 + 1;

/// The class of an entry of `n` tokens in the tree.
pub(super) fn tree_class(n: usize) -> usize {
    n / 2
}

/// How many classes of about equal lengths there are beyond the tree.
pub(super) const MEETING_CLASSES: usize = (SHORT - TREE_MAX).div_ceil(8);

/// The class of an entry of `n` tokens beyond the tree.
pub(super) fn meeting_class(n: usize) -> usize {
    (n - TREE_MAX) / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: [f64; 7] = [0.0, 0.3, 0.5, 2.0 / 3.0, 0.7, 0.95, 1.0];

    #[test]
    fn needed_is_the_first_that_is_enough() {
        for threshold in THRESHOLDS {
            let cutoff = Cutoff::new(threshold);
            for m in 0..90 {
                let row = cutoff.row(m);
                for n in 0..90 {
                    let expected = (1..=m.min(n)).find(|&lcs| f1(lcs, m, n) > threshold);
                    assert_eq!(cutoff.needed(m, n), expected, "{threshold} {m} {n}");
                    assert_eq!(usize::from(row.needed[n]), expected.unwrap_or(usize::from(NEVER)));
                }
                let fewest = (0..SHORT).filter_map(|n| cutoff.needed(m, n)).min();
                assert_eq!(row.fewest(), fewest, "{threshold} {m}");
            }
        }
    }

    #[test]
    fn no_duplicate_of_a_long_text_shares_fewer_items_than_it_is_to_be_met_with() {
        for threshold in [0.001, 0.1, 0.2, 0.299, 0.3, 0.7] {
            let cutoff = Cutoff::new(threshold);
            for n in 1..SHORT {
                let hits = usize::from(cutoff.hits_wanted(n));
                assert!(
                    cutoff.row(n).fewest().is_none_or(|fewest| fewest >= hits),
                    "{threshold} {n}"
                );
            }
        }
    }

    #[test]
    fn longest_partners_are_the_longest() {
        for threshold in THRESHOLDS {
            let cutoff = Cutoff::new(threshold);
            for n in 1..60 {
                for (left_over, &found) in cutoff.longest_partners(n).iter().enumerate() {
                    let fits = |m: &usize| {
                        cutoff.needed(*m, n).is_some_and(|needed| needed <= n - left_over)
                    };
                    let expected = (1..=255).filter(fits).max().unwrap_or(0);
                    assert_eq!(usize::from(found), expected, "{threshold} {n} {left_over}");
                }
            }
        }
    }

    #[test]
    fn a_row_beyond_the_tables_is_the_same() {
        let cutoff = Cutoff::new(0.7);
        for m in [254, 255, 400] {
            let row = cutoff.row(m);
            for n in [1, 100, 200, 254] {
                let expected = cutoff.needed(m, n).unwrap_or(usize::from(NEVER));
                assert_eq!(usize::from(row.needed[n]), expected);
            }
        }
    }
}
