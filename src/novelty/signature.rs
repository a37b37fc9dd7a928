//! Cheap upper bounds on how many items two texts share.
//!
//! A signature has a bit for every item of a text; several items may meet on one bit. A bit that one
//! text has and the other has not stands for at least one item that they do not share.

use super::vocabulary::{Item, Placed};

/// The most words of 64 bits that a signature has.
const WORDS_MAX: usize = 1 << 12;

/// How many words the signature of a text of `len` tokens has: enough that most bits stay free. Short
/// texts have none, because a [`Brief`] one tells as much.
pub(super) fn words_for(len: usize) -> usize {
    if len <= 16 { 0 } else { (len.div_ceil(16)).next_power_of_two().min(WORDS_MAX) }
}

/// Adds the bits of `items` to a signature whose number of words is a power of two, or none.
pub(super) fn fill(signature: &mut [u64], items: &[Placed]) {
    if signature.is_empty() {
        return;
    }
    for placed in items {
        let bit = spread(placed.item);
        let word = bit / 64 % signature.len() as u64;
        signature[usize::try_from(word).unwrap_or_default()] |= 1 << (bit % 64);
    }
}

/// A text's signature in every size, so that it can be laid beside that of any other text.
#[derive(Debug)]
pub(super) struct Folded {
    /// 1, 2, 4, ... words, one after the other.
    words: Vec<u64>,
    /// How many words the widest has.
    widest: usize,
    known: usize,
}

impl Folded {
    pub(super) fn new(items: &[Placed], len: usize) -> Self {
        let widest = words_for(len).max(1);
        let mut words = vec![0; 2 * widest - 1];
        fill(&mut words[widest - 1..], items);
        // An item's bit in half as many words is its bit in all of them modulo the half.
        let mut size = widest;
        while size > 1 {
            size /= 2;
            for i in 0..size {
                words[size - 1 + i] = words[2 * size - 1 + i] | words[3 * size - 1 + i];
            }
        }
        Self { words, widest, known: items.len() }
    }

    /// Whether this text can share so many items with an entry of `len` tokens and that signature.
    pub(super) fn may_share(&self, needed: usize, other: &[u64], len: usize) -> bool {
        let (Some(mut ours_left), Some(mut theirs_left)) =
            (self.known.checked_sub(needed), len.checked_sub(needed))
        else {
            return false;
        };
        let size = self.widest.min(other.len());
        if size == 0 {
            return true;
        }
        let ours = &self.words[size - 1..2 * size - 1];
        for (i, our) in ours.iter().enumerate() {
            let their = other.iter().skip(i).step_by(size).fold(0, |all, word| all | word);
            let (only_ours, only_theirs) = (our & !their, their & !our);
            match (
                ours_left.checked_sub(only_ours.count_ones() as usize),
                theirs_left.checked_sub(only_theirs.count_ones() as usize),
            ) {
                (Some(ours), Some(theirs)) => (ours_left, theirs_left) = (ours, theirs),
                _ => return false,
            }
        }
        true
    }
}

/// How many of a [`Brief`]'s bits are not its signature.
const NUMBERS_BITS: u32 = 12;

/// A signature of 52 bits with the entry's length and its longest partner, which stands in a list of
/// entries. As bytes, so that it fits beside a number of 32 bits without padding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Brief([u8; 8]);

impl Brief {
    pub(super) fn new(items: &[Placed]) -> Self {
        let width = u64::from(u64::BITS - NUMBERS_BITS);
        let bit = |placed: &Placed| 1 << (((spread(placed.item) >> 32) * width) >> 32);
        let bits: u64 = items.iter().fold(0, |bits, placed| bits | bit(placed));
        Self::from_bits(bits << NUMBERS_BITS)
    }

    /// With an entry's number of tokens and the longest text of which it can be a duplicate; 63
    /// stands for that and all above.
    pub(super) fn with(self, len: u8, longest_partner: u8) -> Self {
        let numbers = u64::from(longest_partner.min(63)) << 6 | u64::from(len.min(63));
        Self::from_bits(self.signature() | numbers)
    }

    pub(super) fn len(self) -> u8 {
        (self.bits() & 63) as u8
    }

    pub(super) fn longest_partner(self) -> u8 {
        (self.bits() >> 6 & 63) as u8
    }

    /// How many items, at least, the text has that `other` has not.
    pub(super) fn missing_in(self, other: Self) -> usize {
        (self.signature() & !other.signature()).count_ones() as usize
    }

    /// How many items, at least, only one of the texts has.
    pub(super) fn differing(self, other: Self) -> u32 {
        (self.signature() ^ other.signature()).count_ones()
    }

    fn from_bits(bits: u64) -> Self {
        Self(bits.to_le_bytes())
    }

    fn bits(self) -> u64 {
        u64::from_le_bytes(self.0)
    }

    fn signature(self) -> u64 {
        self.bits() >> NUMBERS_BITS << NUMBERS_BITS
    }
}

/// Spreads item numbers over 64 bits by multiplication with an odd constant (Knuth, "The Art of
/// Computer Programming" 3, section 6.4), whose upper half depends on the whole number; the lower
/// bits of the result are taken from there too.
fn spread(item: Item) -> u64 {
    let product = u64::from(item).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::super::vocabulary;
    use super::*;

    fn placed(items: impl IntoIterator<Item = Item>) -> Vec<Placed> {
        vocabulary::placed(items.into_iter().map(Some))
    }

    fn signature(items: &[Placed]) -> Vec<u64> {
        let mut signature = vec![0; words_for(items.len())];
        fill(&mut signature, items);
        signature
    }

    proptest! {
        #[test]
        fn the_bounds_are_never_below_what_is_shared(
            shared in btree_set(0_u32..900, 0..120), a in vec(0_u32..900, 0..300), b in vec(0_u32..900, 0..90),
            unknown in 0_usize..9,
        ) {
            let all = |own: &[u32]| -> BTreeSet<u32> { own.iter().chain(&shared).copied().collect() };
            let (a, b) = (all(&a), all(&b));
            let common = a.intersection(&b).count();
            let (a, b) = (placed(a), placed(b));
            for (new, entry) in [(&a, &b), (&b, &a)] {
                let folded = Folded::new(new, new.len() + unknown);
                prop_assert!(folded.may_share(common, &signature(entry), entry.len()));
                let missing = Brief::new(new).missing_in(Brief::new(entry));
                prop_assert!(new.len() - missing >= common);
                let differing = u32::try_from(new.len() + entry.len() - 2 * common).unwrap();
                prop_assert!(Brief::new(new).differing(Brief::new(entry)) <= differing);
            }
        }
    }

    #[test]
    fn numbers_stay_apart_from_the_signature() {
        let plain = Brief::new(&placed(0..200));
        let brief = plain.with(32, 200);
        assert_eq!((brief.len(), brief.longest_partner()), (32, 63));
        assert_eq!((brief.differing(plain), brief.missing_in(plain)), (0, 0));
        assert_eq!(Brief::default().with(63, 63).differing(Brief::default()), 0);
    }

    #[test]
    fn texts_without_a_common_item_are_told_apart() {
        let (ours, other) = (placed(0..200), placed(1_000..1_150));
        let folded = Folded::new(&ours, 200);
        assert!(!folded.may_share(60, &signature(&other), 150));
        assert!(folded.may_share(200, &signature(&ours), 200));
        let missing = Brief::new(&placed(1..4)).missing_in(Brief::new(&placed(4..7)));
        assert!(missing >= 2);
    }
}
