//! How the tree sees an entry and a text, and what it meets on its way from one to the other.

use super::cutoff::{Cutoff, Row};
use super::postings::Posting;
use super::signature::Brief;
use super::tree::{DEPTH_MAX, GOES_INTO_MAX};
use super::vocabulary::Item;

/// An entry, as the tree sees it.
#[derive(Debug)]
pub(super) struct Indexed<'a> {
    pub(super) entry: u32,
    /// Rarest first.
    pub(super) items: Vec<Item>,
    /// The fewest items that any duplicate shares with it.
    fewest: usize,
    hits_wanted: usize,
    longest_partners: &'a [u8],
    signature: Brief,
}

/// A text, as the tree sees it.
#[derive(Debug)]
pub(super) struct Probe<'a> {
    /// Those of its items that occur in entries, rarest first.
    pub(super) items: &'a [Item],
    /// How many tokens it has.
    pub(super) len: usize,
    /// What it needs to have in common with an entry.
    pub(super) row: &'a Row,
    pub(super) signature: Brief,
    /// Entries before this one are left out.
    pub(super) first: u32,
}

/// Entries met on the way, and how often.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Entries met often enough, some of them more than once.
    pub(super) candidates: Vec<u32>,
    /// For 64 entries each, which were met once and which twice.
    hits: Vec<[u64; 2]>,
    any_hit: bool,
}

/// Which of a text's items a list is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    /// Its place among the text's items, from 0.
    pub(super) rank: usize,
    /// It is the `depth`-th of the items in common, from 1.
    pub(super) depth: usize,
}

impl Listed {
    /// How many of the text's items before it are not in common.
    fn left_out(self) -> usize {
        self.rank + 1 - self.depth
    }
}

impl<'a> Indexed<'a> {
    /// An entry with items, rarest first; `None` if it can have no duplicates.
    pub(super) fn new(entry: u32, items: Vec<Item>, cutoff: &'a Cutoff) -> Option<Self> {
        let fewest = cutoff.row(items.len()).fewest?;
        let hits_wanted = usize::from(cutoff.hits_wanted(items.len()));
        let longest_partners = cutoff.longest_partners(items.len());
        let signature = Brief::new(&items);
        Some(Self { entry, items, fewest, hits_wanted, longest_partners, signature })
    }

    /// How many of the first items the `depth`-th rarest item in common can be among.
    pub(super) fn ranks(&self, depth: usize) -> usize {
        let left_out = self.items.len() - self.fewest;
        (left_out + self.hits_wanted + depth - 1).min(self.items.len())
    }

    /// Whether the entry, when a list is split by item, goes on to the lists that stand for one more
    /// item in common.
    ///
    /// Texts that have nearly all items in common stay together however often they are split, so
    /// without bounds they would multiply.
    pub(super) fn goes_below(&self, listed: Listed) -> bool {
        let goes_into = self.ranks(listed.depth + 1) - (listed.rank + 1);
        self.fewest > listed.depth
            && self.hits_wanted == 1
            && listed.depth < DEPTH_MAX
            && goes_into <= GOES_INTO_MAX
    }

    pub(super) fn posting(&self, listed: Listed) -> Posting {
        let left_out = listed.left_out().saturating_sub(self.hits_wanted - 1);
        Posting {
            entry: self.entry,
            len: u8::try_from(self.items.len()).unwrap_or(u8::MAX),
            longest_partner: self.longest_partners[left_out],
            signature: self.signature,
        }
    }
}

impl Probe<'_> {
    /// How many items an entry listed there can have in common with the text.
    pub(super) fn most_shared(&self, listed: Listed) -> usize {
        self.items.len() - listed.left_out()
    }

    pub(super) fn may_share(&self, items: usize, posting: &Posting) -> bool {
        items + self.signature.missing_in(posting.signature) <= self.items.len()
            && items + posting.signature.missing_in(self.signature) <= usize::from(posting.len)
    }
}

impl Met {
    /// Notes one more meeting; from the third on the entry is a candidate.
    pub(super) fn hit(&mut self, entry: u32) {
        let (at, bit) = (entry as usize / 64, 1 << (entry % 64));
        if self.hits.len() <= at {
            self.hits.resize(at + 1 + at / 8, [0; 2]);
        }
        self.any_hit = true;
        let [once, twice] = &mut self.hits[at];
        if *twice & bit == 0 {
            *twice |= *once & bit;
            *once |= bit;
        } else {
            self.candidates.push(entry);
        }
    }

    pub(super) fn forget_hits(&mut self) {
        if self.any_hit {
            self.hits.fill([0; 2]);
            self.any_hit = false;
        }
    }
}
