//! The index against the definition, what it may overlook, and the numbers that must not change.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::ngrams::{WEIGHT, folded, weight};
use super::*;
use crate::novelty::admit_in_turn;

/// The n-grams as texts: from every character on the shortest run that is heavy enough.
fn ngrams_by_definition(text: &str) -> HashSet<String> {
    let chars = folded(text);
    let heavy = |run: &&[char]| run.iter().copied().map(weight).sum::<u32>() >= WEIGHT;
    let from = |start: usize| (start..=chars.len()).map(|end| &chars[start..end]).find(heavy);
    let runs: HashSet<String> = (0..chars.len()).filter_map(from).map(String::from_iter).collect();
    if runs.is_empty() && !chars.is_empty() {
        return HashSet::from([String::from_iter(&chars)]);
    }
    runs
}

fn score_by_definition(a: &str, b: &str) -> f64 {
    let (a, b) = (ngrams_by_definition(a), ngrams_by_definition(b));
    ratio(a.intersection(&b).count(), a.union(&b).count())
}

fn similar_by_definition(entries: &[String], text: &str) -> Vec<Similar> {
    let scored = (0..).zip(entries).map(|(entry, other)| {
        let score = score_by_definition(text, other);
        Similar { entry, score }
    });
    let mut similar: Vec<Similar> = scored.filter(|similar| similar.score > 0.0).collect();
    similar.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.entry.cmp(&b.entry)));
    similar
}

/// Texts with much in common, in two scripts.
fn texts() -> impl Strategy<Value = Vec<String>> {
    const PIECES: [&str; 11] =
        ["write", " a ", "story", "poem", "about", " ", "写一", "首诗", "。", "X", "1"];
    let piece = proptest::sample::select(&PIECES[..]);
    vec(vec(piece, 0..10).prop_map(|pieces| pieces.concat()), 0..20)
}

proptest! {
    #[test]
    fn scores_are_the_definition(a in ".{0,40}", b in ".{0,40}") {
        for (a, b) in [(&a, &b), (&a, &a)] {
            let score = MinHash.score(a, b);
            prop_assert_eq!(score.to_bits(), score_by_definition(a, b).to_bits());
        }
    }

    #[test]
    fn the_scan_is_the_definition_and_the_index_never_says_more(
        texts in texts(), threshold in 0.0..=1.0_f64,
    ) {
        let (mut index, mut scan) = (MinHash.index(threshold), MinHash.exhaustive(threshold));
        for (n, text) in texts.iter().enumerate() {
            let expected = similar_by_definition(&texts[..n], text);
            let duplicate = expected.first().copied().filter(|first| first.score > threshold);
            prop_assert_eq!(scan.duplicate_of(text), duplicate);
            match index.duplicate_of(text) {
                Some(found) => prop_assert!(found.score > threshold && expected.contains(&found)),
                // Texts that are alike share every band.
                None => prop_assert!(threshold >= 1.0 || expected.first().is_none_or(|e| e.score < 1.0)),
            }
            for count in [0, 1, 3] {
                let expected = &expected[..expected.len().min(count)];
                prop_assert_eq!(index.most_similar(text, count), expected);
                prop_assert_eq!(scan.most_similar(text, count), expected);
            }
            index.insert(text);
            scan.insert(text);
        }
    }

    #[test]
    fn many_at_once_are_judged_as_one_by_one(texts in texts(), most in 0_usize..20) {
        let (mut at_once, mut in_turn) = (MinHash.index(0.5), MinHash.index(0.5));
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let results = at_once.admit_all(&texts, most);
        prop_assert_eq!(results, admit_in_turn(texts.iter(), most, |text| in_turn.admit(text)));
        prop_assert_eq!(at_once.len(), in_turn.len());
    }
}

/// Of pairs barely above the threshold, which are overlooked most often, hardly any is.
#[test]
fn few_duplicates_are_overlooked() {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut word = || -> String { (0..7).map(|_| rng.lowercase()).collect() };
    for threshold in [0.5, 0.65, 0.8] {
        let (mut found, mut wanted) = (0, 0);
        let mut index = MinHash.index(threshold);
        let mut pairs: Vec<(String, String)> = Vec::new();
        while pairs.len() < 600 {
            let words: Vec<String> = (0..24).map(|_| word()).collect();
            let mut changed = words.clone();
            for place in 0..pairs.len() % 9 {
                changed[place * 3 % 24] = word();
            }
            pairs.push((words.join(" "), changed.join(" ")));
        }
        for (original, _) in &pairs {
            index.insert(original);
        }
        for (number, (original, copy)) in (0..).zip(&pairs) {
            let score = MinHash.score(original, copy);
            if score > threshold {
                wanted += 1;
                let similar = Similar { entry: number, score };
                found += usize::from(index.duplicate_of(copy) == Some(similar));
            }
        }
        assert!(wanted > 100, "{wanted}");
        assert!(found * 1_000 >= wanted * 995, "{found} of {wanted} at {threshold}");
    }
}

#[test]
fn other_orders_and_endings_are_seen_where_rouge_l_is_blind() {
    let rouge = crate::novelty::by_name("rouge-l-unicode").unwrap();
    for (a, b) in [
        (
            "In one sentence, explain why the sky looks blue.",
            "Explain why the sky looks blue in one sentence!",
        ),
        ("Describe the authors' main arguments.", "Describe the author's main argument"),
        ("用简单的语言解释光合作用的过程", "解释光合作用的过程，用简单的语言"),
    ] {
        let (here, there) = (MinHash.score(a, b), rouge.score(a, b));
        assert!(here > DEFAULT_THRESHOLD, "{a}: {here}");
        assert!(there <= rouge.default_threshold(), "{a}: {there} by words");
    }
}

/// Worked out apart from this program, in Python. A change here changes what stored runs accepted: it
/// needs a similarity of another name.
#[test]
fn hashes_are_for_ever() {
    let (english, chinese) = (ngrams("Write a poem!"), ngrams("写一首诗。"));
    assert_eq!(
        english,
        [
            0x02ae_725e,
            0x0b79_5893,
            0x212a_9d76,
            0x4900_9234,
            0x4c4d_8dbf,
            0xa126_29eb,
            0xa1a3_8387,
            0xb98d_b334,
            0xfe71_d70a
        ]
    );
    assert_eq!(chinese, [0x05de_512c, 0x1daf_a77f, 0x1e97_dafa]);
    assert_eq!(
        Shape { bands: 32, rows: 4 }.keys(&english)[..4],
        [0x3fb4_1ab0, 0xd7e1_9318, 0x84f9_4fd3, 0x3985_f836]
    );
    assert_eq!(Shape { bands: 21, rows: 6 }.keys(&chinese)[..2], [0xe718_778b, 0xfc3d_8d5f]);
}
