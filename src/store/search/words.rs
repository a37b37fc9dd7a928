//! Texts and questions cut into the words that the index keeps.
//!
//! Chinese, Japanese, Thai and their like are written without spaces: each of their characters becomes
//! a word of its own, and a question in them a phrase, so that any part of a sentence is found.
//! SQLite's `unicode61` does the rest: case and accents do not matter.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// A text for the index.
pub(super) fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut push = |c: char| {
        if stands_alone(c) {
            out.extend([' ', c, ' ']);
        } else {
            out.push(if c == '\0' { ' ' } else { c });
        }
    };
    if text.is_ascii() || is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        text.chars().for_each(&mut push);
    } else {
        text.nfkc().for_each(&mut push);
    }
    out
}

/// Whether a script has no spaces between its words, or puts more than a word between two.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{3100}'..='\u{312f}'
        | '\u{31a0}'..='\u{31ff}'
        | '\u{3400}'..='\u{9fff}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// What a person asks for, as an expression of FTS5: every word must be there, words between quotation
/// marks one after the other. There is no beginning of a word to ask for: over a million rows that takes
/// seconds. `None` when there is no word.
pub(super) fn expression(question: &str) -> Option<String> {
    let mut phrases = Vec::new();
    for (index, part) in question.split('"').enumerate() {
        if index % 2 == 1 {
            phrases.extend(phrase(part));
        } else {
            phrases.extend(part.split_whitespace().filter_map(phrase));
        }
    }
    (!phrases.is_empty()).then(|| phrases.join(" AND "))
}

fn phrase(text: &str) -> Option<String> {
    let words = spaced(text);
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    // A phrase without a word would fit nothing.
    if !words.contains(char::is_alphanumeric) {
        return None;
    }
    Some(format!("\"{words}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_without_spaces_become_words() {
        assert_eq!(spaced("plain text"), "plain text");
        assert_eq!(spaced("用Python写"), " 用 Python 写 ");
        assert_eq!(spaced("ＦＵＬＬ\0"), "FULL ");
    }

    #[test]
    fn questions_cannot_say_anything_but_words() {
        for (question, expected) in [
            ("apple pie", Some("\"apple\" AND \"pie\"")),
            ("苹果派", Some("\"苹 果 派\"")),
            ("\"apple pie\" tart", Some("\"apple pie\" AND \"tart\"")),
            ("\"open end", Some("\"open end\"")),
            ("app*", Some("\"app*\"")),
            ("facet:x OR NOT (b)", Some("\"facet:x\" AND \"OR\" AND \"NOT\" AND \"(b)\"")),
            ("?! *** \"\" \"-\"", None),
            ("", None),
        ] {
            assert_eq!(expression(question).as_deref(), expected, "{question}");
        }
    }
}
