//! Which words two texts have in common, and where: a longest common subsequence to be shown.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::tokenize::{Tokenizer, is_invisible};

/// Tokens of each text that are looked at, because time and memory grow with their product.
const MOST_TOKENS: usize = 1_500;

/// The tokens of two texts that are one longest common subsequence: byte ranges in each, in order,
/// as many in one as in the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Common {
    /// In the first text.
    pub first: Vec<Range<usize>>,
    /// In the second text.
    pub second: Vec<Range<usize>>,
}

/// Lays two texts beside each other as a similarity does: `rouge-l` by its own tokens, every other by
/// the words of any script. Of long texts the first 1,500 tokens are compared.
pub fn common(similarity: &str, first: &str, second: &str) -> Common {
    let tokenizer = if similarity == "rouge-l" { Tokenizer::Ascii } else { Tokenizer::Unicode };
    let (a, b) = (spans(tokenizer, first), spans(tokenizer, second));
    let mut common = Common::default();
    for (left, right) in pairs(&a, &b) {
        common.first.push(a[left].1.clone());
        common.second.push(b[right].1.clone());
    }
    common
}

type Span = (String, Range<usize>);

/// The tokens with where they stand in the text as it was before it was folded.
fn spans(tokenizer: Tokenizer, text: &str) -> Vec<Span> {
    let mut folded = String::new();
    // For each byte of the folded text, the piece of the text that it comes from.
    let mut origin: Vec<Range<usize>> = Vec::new();
    for (start, piece) in text.grapheme_indices(true) {
        let before = folded.len();
        match tokenizer {
            Tokenizer::Ascii => folded.push_str(&piece.to_lowercase()),
            Tokenizer::Unicode => folded
                .extend(piece.nfkc().filter(|&c| !is_invisible(c)).flat_map(char::to_lowercase)),
        }
        let whole = start..start + piece.len();
        origin.extend(std::iter::repeat_n(whole, folded.len() - before));
    }
    let mut spans = Vec::new();
    let mut from = 0;
    // Tokens of the folded text come in order and each is a part of it.
    tokenizer.for_each_token(&folded, |token| {
        let rest = folded.get(from..).unwrap_or_default();
        let Some(at) = rest.find(token).map(|at| at + from) else { return };
        from = at + token.len();
        if let (Some(begin), Some(end)) = (origin.get(at), origin.get(from - 1)) {
            spans.push((token.to_owned(), begin.start..end.end));
        }
    });
    spans.truncate(MOST_TOKENS);
    spans
}

/// The places of one longest common subsequence, by the textbook's table of lengths.
fn pairs(a: &[Span], b: &[Span]) -> Vec<(usize, usize)> {
    let width = b.len() + 1;
    // `longest[i * width + j]`: of what is left from `i` and `j` on.
    let mut longest = vec![0_u16; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i].0 == b[j].0 {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if a[i].0 == b[j].0 {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::by_name;
    use super::super::rouge_l::f1;
    use super::*;

    fn words<'a>(text: &'a str, ranges: &[Range<usize>]) -> Vec<&'a str> {
        ranges.iter().map(|range| text.get(range.clone()).unwrap()).collect()
    }

    #[test]
    fn common_words_are_found_where_they_stand() {
        let (a, b) = ("Give three tips, please!", "Please give me THREE tips.");
        let found = common("rouge-l", a, b);
        assert_eq!(words(a, &found.first), ["Give", "three", "tips"]);
        assert_eq!(words(b, &found.second), ["give", "THREE", "tips"]);
        let (a, b) = ("给出三个提示", "三个好提示 ＣＡＦÉ");
        let found = common("rouge-l-unicode", a, b);
        assert_eq!(words(b, &found.second), ["三", "个", "提", "示"]);
        assert_eq!(common("rouge-l", "", "x"), Common::default());
    }

    proptest! {
        #[test]
        fn as_many_as_the_score_counts(a in "[a-c ]{0,40}", b in "[a-c ]{0,40}") {
            let found = common("rouge-l", &a, &b);
            prop_assert_eq!(found.first.len(), found.second.len());
            let tokens = |text: &str| spans(Tokenizer::Ascii, text).len();
            let score = f1(found.first.len(), tokens(&a), tokens(&b));
            let expected = by_name("rouge-l").unwrap().score(&a, &b);
            prop_assert_eq!(score.to_bits(), expected.to_bits());
        }

        #[test]
        fn ranges_are_parts_of_any_text(a in any::<String>(), b in any::<String>()) {
            for similarity in ["rouge-l", "rouge-l-unicode"] {
                let found = common(similarity, &a, &b);
                prop_assert!(found.first.iter().all(|range| a.get(range.clone()).is_some()));
                prop_assert!(found.second.iter().all(|range| b.get(range.clone()).is_some()));
                prop_assert!(found.first.windows(2).all(|two| two[0].start <= two[1].start));
            }
        }
    }
}
