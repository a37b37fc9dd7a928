//! Similarities: the indexes against the scan over all entries, and what a score promises.

use instructmill::novelty::{Contamination, SIMILARITIES, Similar, common};

use super::{choose, lossy, split};

/// Texts that are compared in one go: the scan over all pairs is slow, which is its point.
const MAX_TEXTS: usize = 24;

/// The first byte chooses the similarity, the second the threshold; each line is a text.
pub fn check(bytes: &[u8]) {
    let ([similarity, threshold], rest) = split(bytes);
    let similarity = *choose(SIMILARITIES, similarity);
    let threshold = f64::from(threshold) / 255.0;
    let rest = lossy(rest);
    let texts: Vec<&str> = rest.split('\n').take(MAX_TEXTS).collect();
    let is_exact = similarity.name() != "minhash";

    let mut index = similarity.index(threshold);
    let mut plain = similarity.exhaustive(threshold);
    for text in &texts {
        let (found, expected) = (index.duplicate_of(text), plain.duplicate_of(text));
        if is_exact {
            assert_eq!(found, expected, "{text:?} at {threshold}");
            let most = (index.most_similar(text, 3), plain.most_similar(text, 3));
            assert_eq!(most.0, most.1, "{text:?} at {threshold}");
        } else if let Some(Similar { entry, score }) = found {
            // It may overlook some, and invents none.
            let own = similarity.score(text, texts[entry as usize]);
            assert!(own > threshold && (own - score).abs() < f64::EPSILON, "{own}, {score}");
            assert!(expected.is_some_and(|expected| expected.score >= score));
        }
        assert_eq!(index.insert(text), plain.insert(text));
    }
    admitted_in_one_go(&texts, similarity.index(threshold), similarity.index(threshold));
    for pair in texts.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let score = similarity.score(a, b);
        assert!((0.0..=1.0).contains(&score), "{score}");
        assert_eq!(score.to_bits(), similarity.score(b, a).to_bits(), "{a:?}, {b:?}");
        let own = similarity.score(a, a);
        assert!(own.to_bits() == 1.0_f64.to_bits() || own.to_bits() == 0, "{own}");
        words_in_common(similarity.name(), a, b);
    }
    contamination(&texts);
}

/// All at once, on several threads, is one after the other.
fn admitted_in_one_go(
    texts: &[&str],
    mut at_once: Box<dyn instructmill::novelty::NoveltyIndex>,
    mut in_turn: Box<dyn instructmill::novelty::NoveltyIndex>,
) {
    let expected: Vec<_> = texts.iter().map(|text| in_turn.admit(text)).collect();
    assert_eq!(at_once.admit_all(texts, usize::MAX), expected);
}

/// As many pieces of one text as of the other, in order, each a piece of its text.
fn words_in_common(similarity: &str, a: &str, b: &str) {
    let common = common(similarity, a, b);
    assert_eq!(common.first.len(), common.second.len());
    for (text, ranges) in [(a, &common.first), (b, &common.second)] {
        let mut end = 0;
        for range in ranges {
            assert!(range.start >= end && range.start < range.end, "{ranges:?} of {text:?}");
            assert!(text.get(range.clone()).is_some(), "{range:?} of {text:?}");
            end = range.end;
        }
    }
}

/// The first half are benchmarks, and each of them has itself in it, if it has enough words.
fn contamination(texts: &[&str]) {
    let (benchmarks, tasks) = texts.split_at(texts.len() / 2);
    let mut contamination = Contamination::new(0.7);
    for text in benchmarks {
        contamination.insert(text);
    }
    for text in tasks.iter().chain(benchmarks) {
        if let Some(overlap) = contamination.find(text, text) {
            assert!((overlap.text as usize) < benchmarks.len(), "{overlap:?}");
        }
    }
    let unicode = instructmill::novelty::by_name("rouge-l-unicode").expect("it is a similarity");
    for text in benchmarks.iter().filter(|text| unicode.score(text, text) > 0.7) {
        assert!(contamination.find(text, text).is_some(), "{text:?} is not found in itself");
    }
}
