//! The character n-grams of a text, as numbers.
//!
//! The numbers are the same on every machine, and what a run accepted depends on them: they do not
//! change under the name `minhash`. Another folding, weight or hash is another similarity.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::novelty::tokenize::is_invisible;

/// An n-gram is the shortest run of characters that weighs so much: four letters, or two characters
/// of the scripts in [`weight`]. Of 3 to 7 it tells copies from neighbours best in English and in
/// Chinese: `docs/benchmarks.md` has the figures.
pub(super) const WEIGHT: u32 = 4;

/// The distinct n-grams of a text as 32-bit hashes, in ascending order. A text that weighs too
/// little for one n-gram is one; a text without letters and digits has none.
///
/// Two n-grams of one text share a hash about once in 70 million pairs, too seldom to move a score.
pub(super) fn ngrams(text: &str) -> Vec<u32> {
    let chars = folded(text);
    let mut hashes = Vec::with_capacity(chars.len());
    let (mut end, mut gathered) = (0, 0);
    for (start, &first) in chars.iter().enumerate() {
        while gathered < WEIGHT && end < chars.len() {
            gathered += weight(chars[end]);
            end += 1;
        }
        if gathered < WEIGHT {
            break;
        }
        hashes.push(hash(&chars[start..end]));
        gathered -= weight(first);
    }
    if hashes.is_empty() && !chars.is_empty() {
        hashes.push(hash(&chars));
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

/// The text in NFKC and lower case, with one space for whatever stands between runs of letters,
/// digits and their marks, and none around it.
pub(super) fn folded(text: &str) -> Vec<char> {
    let mut folded = Vec::with_capacity(text.len());
    for c in text.nfkc().filter(|&c| !is_invisible(c)).flat_map(char::to_lowercase) {
        if c.is_alphanumeric() || (is_combining_mark(c) && !folded.is_empty()) {
            folded.push(c);
        } else if folded.last().is_some_and(|last| *last != ' ') {
            folded.push(' ');
        }
    }
    if folded.last() == Some(&' ') {
        folded.pop();
    }
    folded
}

/// Ideographs, kana and Hangul syllables say about twice as much as a letter.
pub(super) fn weight(c: char) -> u32 {
    let heavy = matches!(
        c,
        '\u{2E80}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}'
    );
    if heavy { 2 } else { 1 }
}

/// The upper half of [`mix`] over FNV-1a of the n-gram's UTF-8 bytes.
pub(super) fn hash(ngram: &[char]) -> u32 {
    let mut utf8 = [0; 4];
    let hash = ngram.iter().fold(FNV_START, |hash, c| fnv1a(hash, c.encode_utf8(&mut utf8)));
    upper(mix(hash))
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a of 64 bits (Fowler, Noll and Vo, RFC 9923), continued over a text.
fn fnv1a(hash: u64, text: &str) -> u64 {
    text.bytes().fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finalizer of `MurmurHash3`'s 128-bit form (Appleby): every bit of the number moves every bit
/// of the result.
pub(super) fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    number = (number ^ (number >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ (number >> 33)
}

/// The upper 32 bits.
pub(super) const fn upper(number: u64) -> u32 {
    (number >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded_text(text: &str) -> String {
        folded(text).into_iter().collect()
    }

    #[test]
    fn folding_keeps_letters_digits_and_one_space_between() {
        for (text, expected) in [
            ("", ""),
            (" ?! 🙂 ", ""),
            ("  Give THREE tips,\n\tplease!! ", "give three tips please"),
            ("Ｆｕｌｌ　ｗｉｄｔｈ ½", "full width 1 2"),
            ("Cafe\u{301} CAFÉ", "café café"),
            ("co\u{AD}operate ❤\u{FE0F} हिन्दी", "cooperate हिन्दी"),
            ("给出三个提示。谢谢", "给出三个提示 谢谢"),
            ("don't", "don t"),
        ] {
            assert_eq!(folded_text(text), expected, "{text:?}");
        }
    }

    // From the FNV authors' list of test vectors, and MurmurHash3's reference code.
    #[test]
    fn hashes_are_the_published_ones() {
        assert_eq!(fnv1a(FNV_START, ""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(FNV_START, "a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(FNV_START, "foobar"), 0x8594_4171_f739_67e8);
        assert_eq!((mix(0), mix(1)), (0, 0xb456_bcfc_34c2_cb2c));
    }
}
