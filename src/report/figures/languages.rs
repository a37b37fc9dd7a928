//! The script of a text, its language where the script or a few frequent words tell, and its length
//! in words.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Words that are frequent in one language and rare in the others, a line for each language.
const FUNCTION_WORDS: &str = include_str!("function_words.txt");

type Languages = (Vec<&'static str>, HashMap<&'static str, Vec<usize>>);

/// The languages of the Latin alphabet that are told, English first, and for each word the places of
/// those that it speaks for.
static LATIN_LANGUAGES: LazyLock<Languages> = LazyLock::new(|| {
    let (mut names, mut words) = (Vec::new(), HashMap::<_, Vec<usize>>::new());
    for (name, list) in FUNCTION_WORDS.lines().filter_map(|line| line.split_once(':')) {
        for word in list.split_whitespace() {
            words.entry(word).or_default().push(names.len());
        }
        names.push(name);
    }
    (names, words)
});

/// A text in the Latin alphabet without words that tell its language.
const OTHER_LATIN: &str = "Latin script, language not told";

/// The language of a text, or the script of its letters where that says no more; by the script
/// that most letters have, and in the Latin alphabet by frequent words.
pub fn language_of(text: &str) -> &'static str {
    let mut counts = [0_u32; SCRIPTS.len()];
    for character in text.chars().take(2_000) {
        if character.is_ascii_alphabetic() {
            counts[LATIN] += 1;
        } else if !character.is_ascii()
            && let Some(script) = script_of(character)
        {
            counts[script] += 1;
        }
    }
    // Kana are a part of a Japanese text only, and an ideograph says more than a letter.
    if counts[KANA] > 0 && counts[KANA] * 10 >= counts[HAN] {
        counts[KANA] += std::mem::take(&mut counts[HAN]);
    }
    counts[HAN] *= 2;
    let most = (0..SCRIPTS.len()).max_by_key(|script| (counts[*script], SCRIPTS.len() - script));
    match most.filter(|script| counts[*script] > 0) {
        None => "no letters",
        Some(LATIN) => latin_language(text),
        Some(script) => SCRIPTS[script].0,
    }
}

const LATIN: usize = 0;
const HAN: usize = 1;
const KANA: usize = 2;
/// What is said of a text in a script, and where the script's letters are in Unicode.
const SCRIPTS: [(&str, &[(u32, u32)]); 11] = [
    ("Latin", &[(0xc0, 0x24f), (0x1e00, 0x1eff)]),
    ("Chinese", &[(0x3400, 0x4dbf), (0x4e00, 0x9fff), (0x2_0000, 0x3_ffff), (0xf900, 0xfaff)]),
    ("Japanese", &[(0x3041, 0x30ff), (0x31f0, 0x31ff)]),
    ("Korean", &[(0xac00, 0xd7af), (0x1100, 0x11ff), (0x3130, 0x318f)]),
    ("Cyrillic script", &[(0x400, 0x52f)]),
    ("Greek", &[(0x370, 0x3ff), (0x1f00, 0x1fff)]),
    ("Arabic script", &[(0x600, 0x6ff), (0x750, 0x77f)]),
    ("Hebrew", &[(0x590, 0x5ff)]),
    ("Devanagari script", &[(0x900, 0x97f)]),
    ("Thai", &[(0xe00, 0xe7f)]),
    ("other Indic scripts", &[(0x980, 0xdff)]),
];

fn script_of(character: char) -> Option<usize> {
    let code = u32::from(character);
    SCRIPTS.iter().position(|(_, ranges)| ranges.iter().any(|(a, b)| (*a..=*b).contains(&code)))
}

fn latin_language(text: &str) -> &'static str {
    let (names, known) = &*LATIN_LANGUAGES;
    let mut hits = vec![0; names.len()];
    let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    for word in words.take(60) {
        for language in known.get(word.to_lowercase().as_str()).into_iter().flatten() {
            hits[*language] += 1;
        }
    }
    // Among equals the first, and so English where nothing else is more likely.
    let best = (0..hits.len()).max_by_key(|index| (hits[*index], hits.len() - index));
    // One word alone may be borrowed, or a name; English is what most tasks are in.
    let enough = |index: &usize| hits[*index] > usize::from(*index > 0);
    best.filter(enough).map_or(OTHER_LATIN, |index| names[index])
}

/// Words as spaces cut them, each ideograph or kana a word of its own.
pub fn word_count(text: &str) -> u64 {
    let (mut words, mut inside) = (0, false);
    for character in text.chars() {
        let alone = !character.is_ascii() && matches!(script_of(character), Some(HAN | KANA));
        if alone || character.is_whitespace() {
            words += u64::from(alone);
            inside = false;
        } else if !inside {
            // A comma behind an ideograph is no word.
            inside = character.is_ascii() || character.is_alphanumeric();
            words += u64::from(inside);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_frequent_words_tell() {
        for (text, language) in [
            ("What is the capital of France?", "English"),
            ("Schreibe eine kurze Geschichte über den Mond.", "German"),
            ("Quelle est la capitale de la France ?", "French"),
            ("¿Cuál es la capital de España?", "Spanish"),
            ("Escreva uma lista dos rios em Portugal", "Portuguese"),
            ("Qual è la capitale della Francia?", "Italian"),
            ("Schrijf een verhaal voor het kind", "Dutch"),
            ("写一首关于春天的诗", "Chinese"),
            ("用Python写一个函数", "Chinese"),
            ("春についての詩を書いてください", "Japanese"),
            ("봄에 대한 시를 써 주세요", "Korean"),
            ("Напиши стихотворение", "Cyrillic script"),
            ("اكتب قصيدة", "Arabic script"),
            ("Xyzzy plugh", OTHER_LATIN),
            ("1 + 1 = ?", "no letters"),
            ("", "no letters"),
        ] {
            assert_eq!(language_of(text), language, "{text}");
        }
    }

    #[test]
    fn words_are_counted_in_any_script() {
        let counts =
            ["", " \n", "one", "two words, here", "写一首诗。", "用 Python 写"].map(word_count);
        assert_eq!(counts, [0, 0, 1, 3, 4, 3]);
    }
}
