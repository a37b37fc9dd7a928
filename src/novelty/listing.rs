//! How the lists of entries see an entry and a text, and what is met on the way from one to the other.

use super::cutoff::{Cutoff, Row};
use super::signature::Brief;
use super::vocabulary::{ANYWHERE, Placed};

/// An entry, as the lists see it.
#[derive(Debug)]
pub(super) struct Indexed<'a> {
    pub(super) entry: u32,
    /// Rarest first.
    pub(super) items: Vec<Placed>,
    /// The fewest items that any duplicate shares with it.
    pub(super) fewest: usize,
    pub(super) hits_wanted: usize,
    longest_partners: &'a [u8],
    pub(super) signature: Brief,
}

/// A text, as the lists see it.
#[derive(Debug)]
pub(super) struct Probe<'a> {
    /// Those of its items that occur in entries, rarest first.
    pub(super) items: &'a [Placed],
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
    /// Entries to be compared, some of them more than once.
    pub(super) candidates: Vec<u32>,
    /// How often each entry was hit.
    hits: Vec<u8>,
    /// The entries that were hit, once each, in its first `hit_len` places.
    hit: Vec<u32>,
    hit_len: usize,
}

/// Which of a text's items a list is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    /// Its place among the text's items, from 0.
    pub(super) rank: usize,
    /// It is the `depth`-th of the items in common, from 1.
    pub(super) depth: usize,
}

/// Where a text has the token of a list: what comes before it in one text can only be matched with
/// what comes before it in the other, and likewise after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    before: i32,
    after: i32,
}

impl Listed {
    /// How many of the text's items before it are not in common.
    fn left_out(self) -> usize {
        self.rank + 1 - self.depth
    }
}

impl<'a> Indexed<'a> {
    /// An entry with items, rarest first; `None` if it can have no duplicates.
    pub(super) fn new(entry: u32, items: Vec<Placed>, cutoff: &'a Cutoff) -> Option<Self> {
        let fewest = cutoff.row(items.len()).fewest()?;
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

    pub(super) fn len(&self) -> u8 {
        u8::try_from(self.items.len()).unwrap_or(u8::MAX)
    }

    /// The longest text of which it can be a duplicate when that item is the rarest they share; 255
    /// for that and all longer ones.
    pub(super) fn longest_partner(&self, listed: Listed) -> u8 {
        self.longest_partners[listed.left_out().saturating_sub(self.hits_wanted - 1)]
    }

    /// Where its text has the token, as [`Reach::allows`] takes it.
    pub(super) fn place(&self, listed: Listed) -> u8 {
        u8::try_from(self.items[listed.rank].place).unwrap_or(u8::MAX)
    }
}

impl Probe<'_> {
    /// How many items an entry listed there can have in common with the text.
    pub(super) fn most_shared(&self, listed: Listed) -> usize {
        self.items.len() - listed.left_out()
    }

    /// Whether it and an entry of `len` items with that signature may have so many in common.
    pub(super) fn may_share(&self, items: usize, signature: Brief, len: usize) -> bool {
        items + self.signature.missing_in(signature) <= self.items.len()
            && items + signature.missing_in(self.signature) <= len
    }

    pub(super) fn reach(&self, rank: usize) -> Reach {
        let place = self.items[rank].place;
        if place == ANYWHERE {
            return Reach { before: i32::MAX / 2, after: i32::MAX / 2 };
        }
        let after = self.len - 1 - usize::from(place);
        Reach { before: i32::from(place), after: i32::try_from(after).unwrap_or(i32::MAX / 2) }
    }

    /// The length as [`Indexed::longest_partner`] has it.
    pub(super) fn partner(&self) -> u8 {
        u8::try_from(self.len).unwrap_or(u8::MAX)
    }
}

impl Reach {
    /// Whether a common subsequence of `needed` tokens can go through the token of the list, which an
    /// entry of `len` tokens has at `place`, 255 when it has it more than once.
    pub(super) fn allows(self, needed: u8, place: u8, len: u8) -> bool {
        let (needed, at, len) = (i32::from(needed), i32::from(place), i32::from(len));
        (place == u8::MAX) | (self.before.min(at) + 1 + self.after.min(len - 1 - at) >= needed)
    }
}

impl Met {
    /// Makes room for `further` hits of `entries` entries.
    pub(super) fn reserve(&mut self, entries: usize, further: usize) {
        if self.hits.len() < entries {
            self.hits.resize(entries + entries / 8, 0);
        }
        // One more: what does not count is written, too, and written over.
        let most = self.hit_len + further + 1;
        if self.hit.len() < most {
            self.hit.resize(2 * most, 0);
        }
    }

    /// Notes a hit of each entry for which it counts. No branch depends on that, because it cannot be
    /// foreseen.
    #[expect(clippy::needless_bitwise_bool, reason = "a branch that cannot be foreseen costs more")]
    pub(super) fn hit_each(&mut self, entries: impl Iterator<Item = (u32, bool)>) {
        let (all, hit, mut hit_len) = (&mut self.hits[..], &mut self.hit[..], self.hit_len);
        for (entry, counts) in entries {
            let hits = &mut all[entry as usize];
            hit[hit_len] = entry;
            hit_len += usize::from(counts & (*hits == 0));
            *hits = hits.saturating_add(u8::from(counts));
        }
        self.hit_len = hit_len;
    }

    /// Makes what was hit often enough a candidate, and forgets the hits.
    pub(super) fn take_hits(&mut self, wanted: u8) {
        for entry in &self.hit[..self.hit_len] {
            let hits = std::mem::take(&mut self.hits[*entry as usize]);
            if hits >= wanted {
                self.candidates.push(*entry);
            }
        }
        self.hit_len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pairs of words of two texts: whether so many can be matched with the pair among them.
    #[test]
    fn no_match_leaves_the_order_of_words() {
        for (m, n) in [(1, 1), (5, 5), (4, 9), (9, 4)] {
            for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let reach = Reach { before: i, after: m - 1 - i };
                let most = i.min(j) + 1 + (m - 1 - i).min(n - 1 - j);
                let byte = |number: i32| u8::try_from(number).unwrap();
                assert!(reach.allows(byte(most), byte(j), byte(n)), "{m} {n} {i} {j}");
                assert!(!reach.allows(byte(most + 1), byte(j), byte(n)), "{m} {n} {i} {j}");
                assert!(reach.allows(byte(most + 1), u8::MAX, byte(n)), "{m} {n} {i}");
            }
        }
    }

    #[test]
    fn an_entry_is_a_candidate_when_it_was_hit_often_enough() {
        let mut met = Met::default();
        for (wanted, expected) in [(3, vec![7]), (2, vec![2, 7]), (1, vec![2, 7, 1])] {
            met.reserve(9, 12);
            let entries = [2, 7, 1, 7, 2, 7].into_iter();
            met.hit_each(entries.flat_map(|entry| [(entry, true), (5, false)]));
            met.take_hits(wanted);
            assert_eq!(std::mem::take(&mut met.candidates), expected);
        }
    }
}
