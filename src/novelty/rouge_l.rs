//! ROUGE-L: the F1 of the longest common subsequence of two token sequences (Lin, "ROUGE: A
//! Package for Automatic Evaluation of Summaries", 2004), computed as Python's `rouge_score` does.

use super::exhaustive::Exhaustive;
use super::index::RougeLIndex;
use super::tokenize::Tokenizer;
use super::{NoveltyIndex, Similarity};

/// ROUGE-L over the tokens of one tokenizer.
#[derive(Debug)]
pub(super) struct RougeL {
    /// The name users call it by.
    pub(super) name: &'static str,
    /// One line for `--help`.
    pub(super) about: &'static str,
    /// What a token is.
    pub(super) tokenizer: Tokenizer,
}

impl Similarity for RougeL {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    /// As Self-Instruct's and Alpaca's.
    fn default_threshold(&self) -> f64 {
        0.7
    }

    fn index(&self, threshold: f64) -> Box<dyn NoveltyIndex> {
        Box::new(RougeLIndex::new(self.tokenizer, threshold))
    }

    fn exhaustive(&self, threshold: f64) -> Box<dyn NoveltyIndex> {
        Box::new(Exhaustive::new(self.tokenizer, threshold))
    }

    fn score(&self, a: &str, b: &str) -> f64 {
        let mut index = self.exhaustive(1.0);
        index.insert(a);
        index.most_similar(b, 1).first().map_or(0.0, |similar| similar.score)
    }
}

/// The F1 score of two sequences of `new` and `other` tokens whose longest common subsequence has
/// `lcs` tokens; 0.0 when it has none.
///
/// The order of operations is `rouge_score`'s, because scores that equal the threshold exactly are
/// decided by rounding: of the shapes with `lcs / (new + other)` = 7/20 some give 0.7 and others
/// 0.7000000000000001, and Alpaca drops only the latter. The score is the same double when `new` and
/// `other` change places. For fixed lengths it grows with `lcs`; for a fixed `lcs` it falls as
/// either length grows.
#[expect(clippy::cast_precision_loss, reason = "no text has 2^53 tokens")]
pub(super) fn f1(lcs: usize, new: usize, other: usize) -> f64 {
    if lcs == 0 {
        return 0.0;
    }
    let precision = lcs as f64 / other as f64;
    let recall = lcs as f64 / new as f64;
    2.0 * precision * recall / (precision + recall)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLD: f64 = 0.7;

    /// All shapes (lcs, new, other) up to 80 tokens together whose F1 is 0.7 as a fraction, and
    /// which side of 0.7 Python puts them on.
    const ABOVE: [(usize, usize, usize); 21] = [
        (7, 7, 13),
        (7, 8, 12),
        (7, 9, 11),
        (14, 14, 26),
        (14, 15, 25),
        (14, 16, 24),
        (14, 18, 22),
        (21, 21, 39),
        (21, 22, 38),
        (21, 24, 36),
        (21, 25, 35),
        (21, 27, 33),
        (28, 28, 52),
        (28, 29, 51),
        (28, 30, 50),
        (28, 31, 49),
        (28, 32, 48),
        (28, 35, 45),
        (28, 36, 44),
        (28, 37, 43),
        (28, 39, 41),
    ];
    const NOT_ABOVE: [(usize, usize, usize); 13] = [
        (7, 10, 10),
        (14, 17, 23),
        (14, 19, 21),
        (14, 20, 20),
        (21, 23, 37),
        (21, 26, 34),
        (21, 28, 32),
        (21, 29, 31),
        (21, 30, 30),
        (28, 33, 47),
        (28, 34, 46),
        (28, 38, 42),
        (28, 40, 40),
    ];

    #[test]
    fn exact_ties_fall_as_in_python() {
        for (lcs, new, other) in ABOVE {
            assert!(f1(lcs, new, other) > THRESHOLD, "{lcs} {new} {other}");
            assert!(f1(lcs, other, new) > THRESHOLD, "{lcs} {other} {new}");
        }
        for (lcs, new, other) in NOT_ABOVE {
            assert!(f1(lcs, new, other) <= THRESHOLD, "{lcs} {new} {other}");
            assert!(f1(lcs, other, new) <= THRESHOLD, "{lcs} {other} {new}");
        }
    }

    #[test]
    fn the_tie_table_is_complete_and_only_ties_depend_on_rounding() {
        let mut ties = 0;
        for total in 2..=80 {
            for new in 1..total {
                let other = total - new;
                for lcs in 1..=new.min(other) {
                    if 20 * lcs == 7 * total {
                        ties += usize::from(new <= other);
                    } else {
                        assert_eq!(f1(lcs, new, other) > THRESHOLD, 20 * lcs > 7 * total);
                    }
                }
            }
        }
        assert_eq!(ties, ABOVE.len() + NOT_ABOVE.len());
    }

    /// Every bit of every score of texts of up to 160 tokens, against Python 3.11:
    ///
    /// ```python
    /// h = 0xcbf29ce484222325
    /// for new in range(1, 161):
    ///     for other in range(1, 161):
    ///         for lcs in range(1, min(new, other) + 1):
    ///             p = lcs / other; r = lcs / new; f = 2 * p * r / (p + r)
    ///             bits, = struct.unpack("<Q", struct.pack("<d", f))
    ///             h = ((h ^ bits) * 0x100000001b3) % 2**64
    /// ```
    #[test]
    fn scores_are_pythons_to_the_last_bit() {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for new in 1..=160_usize {
            for other in 1..=160 {
                for lcs in 1..=new.min(other) {
                    hash = (hash ^ f1(lcs, new, other).to_bits()).wrapping_mul(0x0100_0000_01b3);
                }
            }
        }
        assert_eq!(hash, 0x5335_1e9c_14c1_0418);
    }

    // The index rests on this to stop early.
    #[test]
    fn scores_are_monotone() {
        for new in 1..=60 {
            for other in 1..=60 {
                for lcs in 1..=new.min(other) {
                    let score = f1(lcs, new, other);
                    assert!(f1(lcs - 1, new, other) < score);
                    assert!(f1(lcs, new, other + 1) < score);
                    assert!(score <= 1.0);
                }
            }
        }
    }
}
