//! A cheap upper bound on how many tokens two texts share.

/// Bits in a signature.
const BITS: u32 = 128;

/// A small fingerprint of a text's tokens, with their repetitions: the first occurrence of a token
/// sets one bit, its second another, and so on; different occurrences may meet on a bit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signature {
    bits: [u64; 2],
    /// How many occurrences found their bit set already.
    collisions: u32,
}

impl Signature {
    /// The signature of tokens in ascending order.
    pub(super) fn new(sorted_tokens: &[u32]) -> Self {
        let mut signature = Self::default();
        for run in sorted_tokens.chunk_by(|a, b| a == b) {
            for (repetition, token) in (0..).zip(run) {
                signature.add(*token, repetition);
            }
        }
        signature
    }

    fn add(&mut self, token: u32, repetition: u32) {
        let bit = bit_of(token, repetition);
        let (word, mask) = ((bit / u64::BITS) as usize, 1 << (bit % u64::BITS));
        if self.bits[word] & mask == 0 {
            self.bits[word] |= mask;
        } else {
            self.collisions += 1;
        }
    }

    /// At least as many tokens as the two texts share, repetitions counted, in any order; hence at
    /// least their longest common subsequence.
    ///
    /// A shared occurrence has its bit in both signatures. Where several meet on one bit of a text
    /// all but one of them are its `collisions`, so the bits in common and the collisions of
    /// either text together cover them all.
    pub(super) fn shared_at_most(&self, other: &Self) -> usize {
        let common = (self.bits[0] & other.bits[0]).count_ones()
            + (self.bits[1] & other.bits[1]).count_ones();
        (common + self.collisions.min(other.collisions)) as usize
    }
}

/// Spreads occurrences over the bits by multiplication with odd constants (Knuth, "The Art of
/// Computer Programming" 3, section 6.4), whose upper half depends on the whole token.
fn bit_of(token: u32, repetition: u32) -> u32 {
    let key = token.wrapping_add(repetition.wrapping_mul(0x85EB_CA6B));
    key.wrapping_mul(0x9E37_79B1) >> (u32::BITS - BITS.ilog2())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn shared_by_definition(a: &[u32], b: &[u32]) -> usize {
        let mut rest = b.to_vec();
        a.iter()
            .filter(|token| {
                rest.iter().position(|t| t == *token).map(|i| rest.swap_remove(i)).is_some()
            })
            .count()
    }

    proptest! {
        #[test]
        fn the_bound_is_never_below_the_overlap(
            vocabulary in 1_u32..400,
            a in vec(any::<u32>(), 0..300), b in vec(any::<u32>(), 0..300),
        ) {
            let sorted = |tokens: &[u32]| {
                let mut tokens: Vec<u32> = tokens.iter().map(|t| t % vocabulary).collect();
                tokens.sort_unstable();
                tokens
            };
            let (a, b) = (sorted(&a), sorted(&b));
            let bound = Signature::new(&a).shared_at_most(&Signature::new(&b));
            prop_assert!(bound >= shared_by_definition(&a, &b));
        }
    }

    #[test]
    fn short_texts_without_a_common_token_are_told_apart() {
        let (a, b) = (Signature::new(&[1, 2, 3]), Signature::new(&[4, 5, 6]));
        assert_eq!(a.shared_at_most(&b), 0);
        assert_eq!(a.shared_at_most(&a), 3);
    }

    #[test]
    fn repetitions_count() {
        let (once, thrice) = (Signature::new(&[9]), Signature::new(&[9, 9, 9]));
        assert_eq!(once.shared_at_most(&thrice), 1);
        assert_eq!(thrice.shared_at_most(&thrice), 3);
    }
}
