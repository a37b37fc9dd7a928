//! What a token is.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// A way to cut a text into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tokenizer {
    /// The default of Python's `rouge_score` without a stemmer: the text in lower case, then every
    /// run of `a-z` and `0-9`. All else separates, so `naïve` is `na ve`, `don't` is `don t`, and
    /// a Chinese text has no tokens.
    Ascii,
    /// The words of UAX #29 with a letter or digit in them, after NFKC and lower case: each
    /// ideograph, Hiragana or Thai character is a token, a run of Katakana or Hangul is one, `don't` and
    /// `3.14` are one each. Emoji and punctuation are none.
    ///
    /// Lower case stands in for case folding: they differ in letters that do not matter to a
    /// similarity, such as `ß` against `ss`.
    Unicode,
}

impl Tokenizer {
    /// Hands the tokens of `text` to `visit`, in order.
    pub(super) fn for_each_token(self, text: &str, visit: impl FnMut(&str)) {
        match self {
            Self::Ascii => ascii_tokens(text, visit),
            Self::Unicode => unicode_tokens(text, visit),
        }
    }
}

fn ascii_tokens(text: &str, mut visit: impl FnMut(&str)) {
    // Upper-case ASCII goes; a non-ASCII character with an ASCII lower case (the Kelvin sign, the
    // dotted I) becomes it, as in Python.
    let lower = if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() };
    let is_separator = |byte: u8| !byte.is_ascii_alphanumeric();
    // Separators are whole characters or parts of ones, so tokens begin and end between characters.
    let mut start = 0;
    for (end, byte) in lower.bytes().enumerate() {
        if is_separator(byte) {
            lower
                .get(start..end)
                .filter(|token| !token.is_empty())
                .into_iter()
                .for_each(&mut visit);
            start = end + 1;
        }
    }
    lower.get(start..).filter(|token| !token.is_empty()).into_iter().for_each(visit);
}

fn unicode_tokens(text: &str, visit: impl FnMut(&str)) {
    let folded: String =
        text.nfkc().filter(|&c| !is_invisible(c)).flat_map(char::to_lowercase).collect();
    folded.unicode_words().for_each(visit);
}

/// Characters that UAX #29 attaches to a word without changing what a reader sees: the soft hyphen,
/// the word joiner, the byte order mark and the variation selectors.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{2060}' | '\u{FEFF}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(tokenizer: Tokenizer, text: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        tokenizer.for_each_token(text, |token| tokens.push(token.to_owned()));
        tokens
    }

    fn joined(tokenizer: Tokenizer, text: &str) -> String {
        tokens(tokenizer, text).join("|")
    }

    // Expected values are what Python's rouge_score 0.1.2 gives.
    #[test]
    fn ascii_tokens_are_those_of_rouge_score() {
        for (text, expected) in [
            ("", ""),
            ("  \n ", ""),
            ("Give three tips, please!", "give|three|tips|please"),
            ("naïve don't 3.14", "na|ve|don|t|3|14"),
            ("_x_ snake_case C3PO", "x|snake|case|c3po"),
            ("\u{212A}elvin", "kelvin"),
            ("İstanbul", "i|stanbul"),
            ("½ 你好 Ａ ΑΣ 🙂", ""),
            ("a\u{0}b", "a|b"),
        ] {
            assert_eq!(joined(Tokenizer::Ascii, text), expected, "{text:?}");
        }
    }

    // Python's `str.lower` maps exactly these two non-ASCII characters to text with ASCII in it.
    #[test]
    fn only_the_kelvin_sign_and_the_dotted_i_become_ascii() {
        let seen: Vec<char> = ('\u{80}'..=char::MAX)
            .filter(|c| c.to_lowercase().any(|lower| lower.is_ascii()))
            .collect();
        assert_eq!(seen, ['İ', '\u{212A}']);
    }

    #[test]
    fn unicode_tokens_are_words_of_any_script() {
        for (text, expected) in [
            ("", ""),
            ("🙂 ... !", ""),
            ("Don't mix 3.14 and snake_case", "don't|mix|3.14|and|snake_case"),
            ("Cafe\u{301} CAFÉ café", "café|café|café"),
            ("ＦＵＬＬ ｗｉｄｔｈ", "full|width"),
            ("给出三个提示。", "给|出|三|个|提|示"),
            ("人々 𠀀㐂 豈", "人|々|𠀀|㐂|豈"),
            ("用Python写", "用|python|写"),
            ("ひらがな", "ひ|ら|が|な"),
            ("カタカナ ｶﾀｶﾅ", "カタカナ|カタカナ"),
            ("한국어 텍스트", "한국어|텍스트"),
            ("葛\u{E0100} 葛", "葛|葛"),
            ("co\u{AD}operate", "cooperate"),
            ("Привет, МИР", "привет|мир"),
        ] {
            assert_eq!(joined(Tokenizer::Unicode, text), expected, "{text:?}");
        }
    }
}
