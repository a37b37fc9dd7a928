//! ROUGE-L against the definition: a scan over all entries with the textbook LCS; and what holds for
//! every similarity.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// ROUGE-L as it is written down: F1 over a table of `(m + 1) * (n + 1)` prefixes.
fn score_by_definition(new: &[String], other: &[String]) -> f64 {
    if new.is_empty() || other.is_empty() {
        return 0.0;
    }
    let mut table = vec![vec![0_u32; other.len() + 1]; new.len() + 1];
    for (i, x) in new.iter().enumerate() {
        for (j, y) in other.iter().enumerate() {
            table[i + 1][j + 1] =
                if x == y { table[i][j] + 1 } else { table[i][j + 1].max(table[i + 1][j]) };
        }
    }
    let lcs = f64::from(table[new.len()][other.len()]);
    let precision = lcs / f64::from(u32::try_from(other.len()).unwrap());
    let recall = lcs / f64::from(u32::try_from(new.len()).unwrap());
    if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
}

/// All entries that share a token with the text, the most similar first.
fn similar_by_definition(entries: &[Vec<String>], new: &[String]) -> Vec<Similar> {
    let scored = (0..).zip(entries).map(|(entry, other)| {
        let score = score_by_definition(new, other);
        Similar { entry, score }
    });
    let mut similar: Vec<Similar> = scored.filter(|similar| similar.score > 0.0).collect();
    similar.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.entry.cmp(&b.entry)));
    similar
}

/// Texts of words that both tokenizers leave whole, so that the definition can split on spaces.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn rouge_l() -> impl Iterator<Item = &'static dyn Similarity> {
    ["rouge-l", "rouge-l-unicode"].into_iter().map(|name| by_name(name).unwrap())
}

/// Inserts every text after comparing each answer, in every form of ROUGE-L.
fn assert_as_defined(texts: &[String], threshold: f64) {
    for similarity in rouge_l() {
        let mut index = similarity.index(threshold);
        let mut exhaustive = similarity.exhaustive(threshold);
        let mut entries = Vec::new();
        for (number, text) in (0..).zip(texts) {
            let new = words(text);
            let expected = similar_by_definition(&entries, &new);
            let duplicate = expected.first().copied().filter(|first| first.score > threshold);
            assert_eq!(index.duplicate_of(text), duplicate, "{} {text:?}", similarity.name());
            assert_eq!(exhaustive.duplicate_of(text), duplicate, "{} {text:?}", similarity.name());
            for count in [0, 1, 3] {
                let expected = &expected[..expected.len().min(count)];
                assert_eq!(index.most_similar(text, count), expected, "{text:?}");
            }
            assert_eq!(exhaustive.most_similar(text, 3), expected[..expected.len().min(3)]);
            // Texts go in whether or not they are duplicates: a crowd is the harder case.
            assert_eq!(index.insert(text), number);
            exhaustive.insert(text);
            entries.push(new);
        }
        assert_eq!(index.len(), texts.len());
    }
}

/// Fewer than `texts` texts of fewer than `length` words over a small vocabulary: many equal
/// scores, many repetitions.
fn crowded_texts(texts: usize, length: usize) -> impl Strategy<Value = Vec<String>> {
    const VOCABULARY: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    (1..=VOCABULARY.len()).prop_flat_map(move |size| {
        let word = select(&VOCABULARY[..size]);
        vec(vec(word, 0..length).prop_map(|words| words.join(" ")), 0..texts)
    })
}

/// Texts that share a long beginning, with a few words of their own.
fn texts_with_a_common_prefix() -> impl Strategy<Value = Vec<String>> {
    let tail = vec(0_u32..6, 0..6);
    (0_usize..90, vec((0_usize..8, tail), 1..12)).prop_map(|(prefix, texts)| {
        let text = |(cut, tail): (usize, Vec<u32>)| {
            let beginning = (0..prefix.saturating_sub(cut)).map(|i| format!("p{}", i % 31));
            let words: Vec<_> = beginning.chain(tail.iter().map(|t| format!("t{t}"))).collect();
            words.join(" ")
        };
        texts.into_iter().map(text).collect()
    })
}

fn any_threshold() -> impl Strategy<Value = f64> {
    prop_oneof![
        (30_u32..=100).prop_map(|percent| f64::from(percent) / 100.0),
        0.3..=1.0_f64,
        // Lower than anybody would go.
        0.001..0.3_f64,
        // Thresholds that a score meets exactly.
        (1_u32..20, 1_u32..20).prop_map(|(a, b)| f64::from(a.min(b)) / f64::from(a.max(b))),
    ]
}

/// Texts made of runs that many of them have, long enough to be split and met several times.
fn long_texts() -> impl Strategy<Value = Vec<String>> {
    let piece = (0_u32..12, 1_u32..40);
    let text = vec(piece, 1..9).prop_map(|pieces| {
        let words =
            pieces.iter().flat_map(|(run, len)| (0..*len).map(move |i| format!("r{run}w{i}")));
        words.collect::<Vec<_>>().join(" ")
    });
    vec(text, 2..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn long_texts_are_judged_as_defined(texts in long_texts(), threshold in any_threshold()) {
        assert_as_defined(&texts, threshold);
    }
}

proptest! {
    #[test]
    fn crowded_texts_are_judged_as_defined(
        texts in crowded_texts(24, 14), threshold in any_threshold(),
    ) {
        assert_as_defined(&texts, threshold);
    }

    #[test]
    fn many_at_once_are_judged_as_one_by_one(
        texts in crowded_texts(40, 9), before in 0_usize..10, most in 0_usize..40,
    ) {
        for similarity in SIMILARITIES {
            let (mut at_once, mut in_turn) = (similarity.index(0.6), similarity.index(0.6));
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let (before, after) = texts.split_at(before.min(texts.len()));
            for text in before {
                at_once.insert(text);
                in_turn.insert(text);
            }
            let results = at_once.admit_all(after, most);
            prop_assert_eq!(results, admit_in_turn(after.iter(), most, |text| in_turn.admit(text)));
            prop_assert_eq!(at_once.len(), in_turn.len());
        }
    }

    #[test]
    fn common_prefixes_are_judged_as_defined(
        texts in texts_with_a_common_prefix(), threshold in any_threshold(),
    ) {
        assert_as_defined(&texts, threshold);
    }

    #[test]
    fn any_text_is_judged_and_scores_are_symmetric(a in ".*", b in ".*") {
        for similarity in SIMILARITIES {
            let score = similarity.score(&a, &b);
            prop_assert!((0.0..=1.0).contains(&score));
            prop_assert_eq!(score.to_bits(), similarity.score(&b, &a).to_bits());
            prop_assert!([0.0, 1.0].contains(&similarity.score(&a, &a)));
        }
    }
}

/// A text of `shared` words that all such texts have and `own` words of its own.
fn text_of(shared: usize, own: usize, name: &str) -> String {
    let shared = (0..shared).map(|i| format!("s{i}"));
    shared.chain((0..own).map(|i| format!("{name}{i}"))).collect::<Vec<_>>().join(" ")
}

#[test]
fn ties_at_the_threshold_fall_as_in_alpaca() {
    let shapes = [
        ((7, 7, 13), true),
        ((7, 8, 12), true),
        ((7, 9, 11), true),
        ((14, 16, 24), true),
        ((14, 18, 22), true),
        ((14, 14, 26), true),
        ((21, 25, 35), true),
        ((7, 10, 10), false),
        ((14, 17, 23), false),
        ((14, 19, 21), false),
    ];
    for similarity in rouge_l() {
        for ((lcs, a, b), duplicate) in shapes {
            for (a, b) in [(a, b), (b, a)] {
                let mut index = similarity.index(0.7);
                index.insert(&text_of(lcs, a - lcs, "a"));
                let found = index.duplicate_of(&text_of(lcs, b - lcs, "b"));
                assert_eq!(found.is_some(), duplicate, "{lcs} {a} {b}");
            }
        }
    }
}

#[test]
fn the_first_of_equals_is_the_nearest_whatever_its_length() {
    // The first two score 0.5 against `a b c d`: 2 of 4 and 4 tokens, and 4 of 4 and 12.
    let texts = ["x y c d", "a b c d e f g h i j k l", "a b c d", "a b c d"];
    for similarity in rouge_l() {
        for first in 0..2 {
            let mut index = similarity.index(0.7);
            let other = 1 - first;
            assert_eq!(index.insert(texts[first]), 0);
            assert_eq!(index.insert(texts[other]), 1);
            assert_eq!(index.duplicate_of("a b c d"), None);
            assert_eq!(index.most_similar("a b c d", 1), [Similar { entry: 0, score: 0.5 }]);
            index.insert(texts[2]);
            index.insert(texts[3]);
            let same = Similar { entry: 2, score: 1.0 };
            assert_eq!(index.duplicate_of("a b c d"), Some(same));
            assert_eq!(index.most_similar("a b c d", 1), [same]);
        }
    }
}

#[test]
fn checking_leaves_no_trace() {
    for similarity in rouge_l() {
        let mut index = similarity.index(0.7);
        assert!(index.is_empty());
        assert_eq!(index.most_similar("one two three four", 9), []);
        assert_eq!(index.duplicate_of("one two three four"), None);
        index.insert("five six seven");
        assert_eq!(index.duplicate_of("one two three four"), None);
        assert_eq!(index.len(), 1);
        // Unknown tokens still count in the length: 3 of 3 and 4.
        let found = Similar { entry: 0, score: 2.0 * 0.75 / 1.75 };
        assert_eq!(index.duplicate_of("five six unheard seven"), Some(found));
    }
}

#[test]
fn texts_without_tokens_are_entries_but_never_near() {
    for similarity in SIMILARITIES {
        let mut index = similarity.index(0.0);
        for (number, text) in (0..).zip(["", "  ", "?!", "🙂🙂"]) {
            assert_eq!(index.duplicate_of(text), None);
            assert_eq!(index.insert(text), number);
        }
        assert_eq!(index.insert("word"), 4);
        assert_eq!(index.duplicate_of("word"), Some(Similar { entry: 4, score: 1.0 }));
        assert_eq!(index.len(), 5);
    }
}

#[test]
fn chinese_has_tokens_only_in_the_unicode_tokenizer() {
    let (a, b) = ("给出三个保持健康的提示。", "请给出三个保持健康的小提示");
    let ascii = by_name("rouge-l").unwrap();
    let unicode = by_name("rouge-l-unicode").unwrap();
    assert_eq!(ascii.score(a, b).to_bits(), 0.0_f64.to_bits());
    // All 11 characters of `a` in order among the 13 of `b`.
    let expected = 2.0 * (11.0 / 13.0) / (11.0 / 13.0 + 1.0);
    assert_eq!(unicode.score(a, b).to_bits(), f64::to_bits(expected));
    assert_eq!(ascii.score("用 Python 写", "Python").to_bits(), 1.0_f64.to_bits());
}

/// Few words in many texts: lists grow long enough to be split, by length and by item.
#[test]
fn thousands_of_texts_of_few_words_are_judged_as_by_the_scan() {
    let mut rng = fastrand::Rng::with_seed(7);
    for (threshold, size) in [(0.7, 60_usize), (0.45, 400)] {
        let similarity = by_name("rouge-l").unwrap();
        let (mut index, mut scan) = (similarity.index(threshold), similarity.exhaustive(threshold));
        for _ in 0..1_200 {
            let word =
                |rng: &mut fastrand::Rng| format!("w{}", rng.usize(..size).min(rng.usize(..size)));
            let words: Vec<_> = (0..rng.usize(2..14)).map(|_| word(&mut rng)).collect();
            let text = words.join(" ");
            assert_eq!(index.duplicate_of(&text), scan.duplicate_of(&text), "{text}");
            if rng.u8(..4) > 0 {
                index.insert(&text);
                scan.insert(&text);
            }
        }
    }
}

/// Copies of long texts that begin later, miss words and have others in between, about as far from
/// the first as the threshold lets them: common words are then at different places.
#[test]
fn long_texts_that_are_shifted_are_judged_as_by_the_scan() {
    let mut rng = fastrand::Rng::with_seed(8);
    let similarity = by_name("rouge-l").unwrap();
    for threshold in [0.3, 0.7] {
        let (mut index, mut scan) = (similarity.index(threshold), similarity.exhaustive(threshold));
        let mut texts: Vec<Vec<String>> = vec![Vec::new()];
        let mut duplicates = 0;
        for _ in 0..400 {
            let mut words = texts[rng.usize(..texts.len())].clone();
            words.truncate(180);
            words.drain(..rng.usize(..=words.len() / 3));
            for _ in 0..rng.usize(..6) {
                let at = rng.usize(..=words.len());
                let run = rng.usize(1..30);
                if rng.bool() {
                    words.drain(at..words.len().min(at + run / 2));
                } else {
                    let new = (0..run).map(|_| format!("w{}", rng.usize(..600)));
                    words.splice(at..at, new.collect::<Vec<_>>());
                }
            }
            let text = words.join(" ");
            let found = index.duplicate_of(&text);
            assert_eq!(found, scan.duplicate_of(&text), "{text}");
            duplicates += usize::from(found.is_some());
            index.insert(&text);
            scan.insert(&text);
            texts.push(words);
        }
        assert!((40..400).contains(&duplicates), "{duplicates} at {threshold}");
    }
}

#[test]
fn all_alike_but_one_token() {
    let texts: Vec<String> = (0..400)
        .map(|i| {
            (0..12).map(move |k| if k == i % 12 { format!("own{i}") } else { format!("w{k}") })
        })
        .map(|words| words.collect::<Vec<_>>().join(" "))
        .collect();
    let similarity = by_name("rouge-l").unwrap();
    for threshold in [0.7, 0.95] {
        let (mut index, mut scan) = (similarity.index(threshold), similarity.exhaustive(threshold));
        for text in &texts {
            assert_eq!(index.duplicate_of(text), scan.duplicate_of(text), "{text}");
            index.insert(text);
            scan.insert(text);
        }
    }
}

#[test]
fn one_token_a_thousand_times() {
    let texts: Vec<String> =
        [1_000, 1, 999, 64, 65, 1_000].iter().map(|n| vec!["again"; *n].join(" ")).collect();
    assert_as_defined(&texts, 0.7);
}

#[test]
fn ten_thousand_tokens() {
    let long: Vec<String> = (0..10_000).map(|i| format!("w{}", i * 7 % 4_001)).collect();
    let half: Vec<String> = long.iter().step_by(2).cloned().collect();
    for similarity in rouge_l() {
        let mut index = similarity.index(0.7);
        index.insert(&long.join(" "));
        let found = |entry, score| Some(Similar { entry, score });
        assert_eq!(index.duplicate_of(&long.join(" ")), found(0, 1.0));
        assert_eq!(index.duplicate_of(&half.join(" ")), None);
        let nearest = index.most_similar(&half.join(" "), 1);
        assert_eq!(nearest.first().copied(), found(0, 2.0 * 0.5 / 1.5));
    }
}

#[test]
fn names_are_unique_and_found() {
    for (i, similarity) in SIMILARITIES.iter().enumerate() {
        assert_eq!(by_name(similarity.name()).unwrap().name(), similarity.name());
        assert!(!similarity.about().is_empty());
        assert!((0.3..=0.9).contains(&similarity.default_threshold()));
        assert!(SIMILARITIES[..i].iter().all(|other| other.name() != similarity.name()));
    }
    assert!(by_name("rouge").is_none());
}
