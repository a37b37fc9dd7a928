//! The length of the longest common subsequence (LCS) of two token sequences, 64 cells at a time.
//!
//! The bit-vector recurrence of Crochemore, Iliopoulos, Pinzon and Reid, "A fast and practical
//! bit-vector algorithm for the longest common subsequence problem" (2001), in the form of Hyyrö,
//! "Bit-parallel LCS-length computation revisited" (2004). One bit stands for one token of the
//! pattern; for each token of the text, with `M` the positions where the pattern has that token,
//! `V' = (V + (V & M)) | (V & !M)`. The LCS is as long as `V` has zero bits at the end.

/// Tokens in one machine word of a bit vector.
const WORD_BITS: usize = 64;

/// So many tokens of a text are compared before it is asked whether the rest can still be enough.
const LOOK_AHEAD: usize = 256;

/// One side of a comparison, prepared to be compared with many texts.
///
/// Positions are kept by token and sparsely, so that memory grows with the number of tokens even
/// when all of them differ.
#[derive(Debug)]
pub(super) struct Pattern {
    /// How many tokens the pattern has, those that no text can have included.
    len: usize,
    /// The distinct tokens, ascending.
    tokens: Vec<u32>,
    /// Where the blocks of `tokens[i]` begin in `blocks`; one more element marks the end.
    starts: Vec<usize>,
    /// The words of each token's position mask that are not zero, in order.
    blocks: Vec<Block>,
    /// The masks by token, where one word is enough: a table of four places a token, so that most
    /// tokens are found, or found missing, at the first look.
    masks: Vec<(u32, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    word: usize,
    bits: u64,
}

impl Pattern {
    /// Prepares a sequence of tokens; `None` is a token that occurs in no text.
    pub(super) fn new(sequence: &[Option<u32>]) -> Self {
        let mut occurrences: Vec<(u32, usize)> = sequence
            .iter()
            .enumerate()
            .filter_map(|(position, token)| token.map(|token| (token, position)))
            .collect();
        occurrences.sort_unstable();

        let mut pattern = Self {
            len: sequence.len(),
            tokens: Vec::with_capacity(occurrences.len()),
            starts: Vec::with_capacity(occurrences.len() + 1),
            blocks: Vec::with_capacity(occurrences.len()),
            masks: Vec::new(),
        };
        for (token, position) in occurrences {
            let (word, bit) = (position / WORD_BITS, 1 << (position % WORD_BITS));
            let is_new = pattern.tokens.last() != Some(&token);
            if is_new {
                pattern.tokens.push(token);
                pattern.starts.push(pattern.blocks.len());
            }
            match pattern.blocks.last_mut() {
                Some(block) if !is_new && block.word == word => block.bits |= bit,
                _ => pattern.blocks.push(Block { word, bits: bit }),
            }
        }
        pattern.starts.push(pattern.blocks.len());
        if pattern.len <= WORD_BITS {
            pattern.masks = masks(&pattern.tokens, &pattern.blocks);
        }
        pattern
    }

    /// The length of the longest common subsequence with `text`, if it has at least `needed`
    /// tokens; otherwise some smaller number.
    pub(super) fn lcs(&self, text: &[u32], needed: usize) -> usize {
        if needed > self.len.min(text.len()) {
            0
        } else if self.len <= WORD_BITS {
            self.lcs_in_one_word(text)
        } else {
            self.lcs_in_words(text, needed)
        }
    }

    fn lcs_in_one_word(&self, text: &[u32]) -> usize {
        let mut unmatched = u64::MAX;
        for token in text {
            let mask = self.mask_of(*token);
            let matches = unmatched & mask;
            unmatched = unmatched.wrapping_add(matches) | (unmatched & !mask);
        }
        unmatched.count_zeros() as usize
    }

    /// Keeps to the band of Ukkonen, "Algorithms for approximate string matching" (1985): a common
    /// subsequence of `needed` tokens leaves out at most `len - needed` on either side, and so never
    /// pairs places that are further apart. What is right of the band was not reached yet and needs
    /// no care; what is left of it stays as it is, a lower bound.
    fn lcs_in_words(&self, text: &[u32], needed: usize) -> usize {
        let mut unmatched = vec![u64::MAX; self.len.div_ceil(WORD_BITS)];
        let common = |unmatched: &[u64]| -> usize {
            unmatched.iter().map(|word| word.count_zeros() as usize).sum()
        };
        let (left, right) = (text.len() - needed, self.len - needed);
        for (at, token) in text.iter().enumerate() {
            let first = at.saturating_sub(left) / WORD_BITS;
            let last = (at + right).min(self.len - 1) / WORD_BITS;
            advance(&mut unmatched[..=last], first, self.blocks_of(*token));
            if at % LOOK_AHEAD == LOOK_AHEAD - 1 {
                let so_far = common(&unmatched);
                if so_far + (text.len() - at - 1) < needed {
                    return so_far;
                }
            }
        }
        common(&unmatched)
    }

    fn mask_of(&self, token: u32) -> u64 {
        let mut place = token as usize;
        loop {
            let (other, mask) = self.masks[place % self.masks.len()];
            if other == token || mask == 0 {
                return mask;
            }
            place += 1;
        }
    }

    fn blocks_of(&self, token: u32) -> &[Block] {
        match self.tokens.binary_search(&token) {
            Ok(i) => &self.blocks[self.starts[i]..self.starts[i + 1]],
            Err(_) => &[],
        }
    }
}

/// A table of the masks of tokens that have one block each. A free place has no mask.
fn masks(tokens: &[u32], blocks: &[Block]) -> Vec<(u32, u64)> {
    let mut table = vec![(0, 0); (4 * tokens.len()).next_power_of_two()];
    let len = table.len();
    for (token, block) in tokens.iter().zip(blocks) {
        let mut place = *token as usize;
        while table[place % len].1 != 0 {
            place += 1;
        }
        table[place % len] = (*token, block.bits);
    }
    table
}

/// One step of the recurrence over several words, of which only those can change that have a match
/// or take a carry. Bits past the end of the pattern never have a match, so they stay set. Words
/// before `first` are left alone.
fn advance(unmatched: &mut [u64], first: usize, blocks: &[Block]) {
    let mut carry = false;
    let mut next = first;
    let begin = blocks.partition_point(|block| block.word < first);
    for block in &blocks[begin..] {
        if block.word >= unmatched.len() {
            break;
        }
        if carry {
            carry = carry_into(&mut unmatched[next..block.word]);
        }
        let word = unmatched[block.word];
        let (sum, first) = word.overflowing_add(word & block.bits);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        unmatched[block.word] = sum | (word & !block.bits);
        carry = first || second;
        next = block.word + 1;
    }
    if carry {
        carry_into(&mut unmatched[next..]);
    }
}

/// Carries one into words without a match: it sets the lowest zero bit. Returns whether there was
/// none, so that the carry goes on.
fn carry_into(words: &mut [u64]) -> bool {
    for word in words {
        if *word != u64::MAX {
            *word |= *word + 1;
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The textbook recurrence, one row at a time.
    fn lcs_by_definition(a: &[Option<u32>], b: &[u32]) -> usize {
        let mut row = vec![0; b.len() + 1];
        for x in a {
            let mut diagonal = 0;
            for (j, y) in b.iter().enumerate() {
                let above = row[j + 1];
                row[j + 1] = if *x == Some(*y) { diagonal + 1 } else { above.max(row[j]) };
                diagonal = above;
            }
        }
        row[b.len()]
    }

    /// Sequences over vocabularies from one token to many, one token in eight unknown.
    fn pattern_sequence(tokens_max: usize) -> impl Strategy<Value = Vec<Option<u32>>> {
        (1_u32..40).prop_flat_map(move |vocabulary| {
            vec(prop_oneof![1 => Just(None), 7 => (0..vocabulary).prop_map(Some)], 0..tokens_max)
        })
    }

    proptest! {
        #[test]
        fn bit_parallel_length_is_the_definition(
            a in pattern_sequence(300), b in vec(0_u32..8, 0..300),
        ) {
            prop_assert_eq!(Pattern::new(&a).lcs(&b, 0), lcs_by_definition(&a, &b));
        }

        #[test]
        fn a_length_that_is_needed_is_exact_and_others_are_smaller(
            a in pattern_sequence(700), b in vec(0_u32..8, 0..700), part in 0_usize..9,
            mutations in vec((0_usize..700, 0_u32..8), 0..200), alike in any::<bool>(),
        ) {
            let mut b = b;
            if alike {
                b = a.iter().map(|token| token.unwrap_or(3)).collect();
                for (at, token) in mutations {
                    if let Some(place) = b.get_mut(at) {
                        *place = token;
                    }
                }
            }
            let expected = lcs_by_definition(&a, &b);
            let needed = a.len().min(b.len()) * part / 8;
            let pattern = Pattern::new(&a);
            for needed in [needed, expected, expected + 1] {
                let lcs = pattern.lcs(&b, needed);
                if expected >= needed {
                    prop_assert_eq!(lcs, expected);
                } else {
                    prop_assert!(lcs < needed, "{} of {}", lcs, needed);
                }
            }
        }

        #[test]
        fn shared_prefixes_and_suffixes_are_found(
            prefix in vec(0_u32..4, 0..140), suffix in vec(0_u32..4, 0..140),
            left in vec(0_u32..6, 0..9), right in vec(0_u32..6, 0..9),
        ) {
            let a: Vec<_> = [&prefix[..], &left, &suffix].concat().into_iter().map(Some).collect();
            let b = [&prefix[..], &right, &suffix].concat();
            let lcs = Pattern::new(&a).lcs(&b, 0);
            prop_assert!(lcs >= prefix.len() + suffix.len());
            prop_assert_eq!(lcs, lcs_by_definition(&a, &b));
        }
    }

    #[test]
    fn lengths_around_word_borders() {
        for len in [0_usize, 1, 63, 64, 65, 127, 128, 129, 1_000] {
            let same: Vec<u32> = vec![7; len];
            let pattern = Pattern::new(&same.iter().copied().map(Some).collect::<Vec<_>>());
            assert_eq!(pattern.lcs(&same, 0), len);
            assert_eq!(pattern.lcs(&[7], 0), len.min(1));
            assert_eq!(pattern.lcs(&[8, 9], 0), 0);
            assert_eq!(pattern.lcs(&[7; 2_000], 0), len);
        }
    }

    #[test]
    fn ten_thousand_different_tokens() {
        let ascending: Vec<u32> = (0..10_000).collect();
        let pattern = Pattern::new(&ascending.iter().copied().map(Some).collect::<Vec<_>>());
        assert_eq!(pattern.lcs(&ascending, 0), 10_000);
        let descending: Vec<u32> = ascending.iter().rev().copied().collect();
        assert_eq!(pattern.lcs(&descending, 0), 1);
        let evens: Vec<u32> = ascending.iter().copied().step_by(2).collect();
        assert_eq!(pattern.lcs(&evens, 0), 5_000);
    }
}
