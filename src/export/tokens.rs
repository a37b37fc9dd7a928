//! How many tokens a text has, without any model's tokenizer.

/// An estimate, meant to be rather high: four ASCII letters or three digits of a run are a token,
/// as are each other ASCII character but a single space, each ideograph, and two letters of other
/// scripts. Tokenizers of current models need fewer for English and about as many for Chinese; the
/// bound that always holds, a token a byte, is three to four times as high for English.
pub fn estimate_tokens(text: &str) -> u64 {
    let mut total = 0;
    let (mut before, mut length) = (Class::Space, 0);
    for character in text.chars() {
        let class = Class::of(character);
        if class != before {
            total += before.tokens(length);
            (before, length) = (class, 0);
        }
        length += 1;
    }
    total + before.tokens(length)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Letter,
    Digit,
    Other,
    /// Letters outside of ASCII that are no ideographs.
    Foreign,
}

impl Class {
    fn of(character: char) -> Self {
        match character {
            ' ' => Self::Space,
            'a'..='z' | 'A'..='Z' => Self::Letter,
            '0'..='9' => Self::Digit,
            _ if character.is_ascii() => Self::Other,
            // Scripts up to the ideographs and their kana; from there on each counts as one.
            '\u{80}'..='\u{2e7f}' if character.is_alphabetic() => Self::Foreign,
            _ => Self::Other,
        }
    }

    /// Tokens of a run of so many characters.
    fn tokens(self, length: u64) -> u64 {
        match self {
            // One space belongs to the word behind it.
            Self::Space => length.saturating_sub(1).min(1),
            Self::Letter => length.div_ceil(4),
            Self::Digit => length.div_ceil(3),
            Self::Other => length,
            Self::Foreign => length.div_ceil(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_what_tokenizers_cut() {
        for (text, tokens) in [
            ("", 0),
            ("a cat", 2),
            ("international", 4),
            ("in 2026, say", 5),
            ("    indented", 3),
            ("语言模型", 4),
            ("река", 2),
            ("🎈🎈", 2),
            ("a\n\nb", 4),
        ] {
            assert_eq!(estimate_tokens(text), tokens, "{text:?}");
        }
    }

    proptest! {
        /// No token has less than a byte.
        #[test]
        fn never_above_the_bound(text in ".{0,60}") {
            prop_assert!(estimate_tokens(&text) <= text.len() as u64);
        }
    }
}
