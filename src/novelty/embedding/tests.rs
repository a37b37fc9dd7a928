//! The index against the definition: a scan with every product added up.

use proptest::prelude::*;

use super::*;

fn score_by_definition(a: &Embedding, b: &Embedding) -> f64 {
    if a.dimensions() != b.dimensions() {
        return 0.0;
    }
    let sum = |a: &Embedding, b: &Embedding| {
        let pairs = a.components().iter().zip(b.components());
        #[expect(clippy::cast_precision_loss, reason = "below 2^32")]
        let sum = pairs.map(|(a, b)| i64::from(*a) * i64::from(*b)).sum::<i64>() as f64;
        sum
    };
    (sum(a, b).max(0.0) / (sum(a, a) * sum(b, b)).sqrt()).min(1.0)
}

fn similar_by_definition(entries: &[Option<Embedding>], new: &Embedding) -> Vec<Similar> {
    let scored = (0..).zip(entries).filter_map(|(entry, other)| {
        let score = score_by_definition(new, other.as_ref()?);
        Some(Similar { entry, score }).filter(|similar| similar.score > 0.0)
    });
    let mut similar: Vec<Similar> = scored.collect();
    similar.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.entry.cmp(&b.entry)));
    similar
}

/// Embeddings of one length, some alike, some nearly so, some missing.
fn embeddings() -> impl Strategy<Value = Vec<Option<Embedding>>> {
    let lengths = prop_oneof![1_usize..6, Just(64), Just(65), Just(200)];
    (lengths, any::<u64>(), 0_usize..40).prop_map(|(dimensions, seed, count)| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let topics: Vec<Vec<f32>> =
            (0..3).map(|_| (0..dimensions).map(|_| rng.f32() - 0.4).collect()).collect();
        let mut one = || {
            let noise = [0.0, 0.02, 0.5][rng.usize(..3)];
            let topic = &topics[rng.usize(..3)];
            let near: Vec<f32> = topic.iter().map(|c| c + noise * (rng.f32() - 0.5)).collect();
            if rng.u8(..9) == 0 { None } else { Embedding::new(&near).ok() }
        };
        (0..count).map(|_| one()).collect()
    })
}

fn any_threshold() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..=1.0_f64, 0.9..=1.0_f64, Just(1.0)]
}

proptest! {
    #[test]
    fn answers_are_those_of_a_scan(embeddings in embeddings(), threshold in any_threshold()) {
        let mut index = EmbeddingIndex::new(threshold);
        for (number, embedding) in (0..).zip(&embeddings) {
            if let Some(embedding) = embedding {
                let expected = similar_by_definition(&embeddings[..number as usize], embedding);
                let duplicate = expected.first().copied().filter(|first| first.score > threshold);
                prop_assert_eq!(index.duplicate_of(embedding, 0), duplicate);
                let from = number / 2;
                let later = expected.iter().copied().find(|similar| similar.entry >= from);
                let later = later.filter(|similar| similar.score > threshold);
                prop_assert_eq!(index.duplicate_of(embedding, from), later);
                for count in [0, 1, 3] {
                    let expected = &expected[..expected.len().min(count)];
                    prop_assert_eq!(index.most_similar(embedding, count), expected);
                }
            }
            prop_assert_eq!(index.insert(embedding.as_ref()), number);
        }
        let all: Vec<_> = embeddings.iter().map(Option::as_ref).collect();
        let one_by_one: Vec<_> =
            all.iter().map(|one| index.duplicate_of((*one)?, 0)).collect();
        prop_assert_eq!(index.duplicates_of(&all), one_by_one);
        prop_assert_eq!(index.len(), embeddings.len());
    }
}

/// More rows than a block has, on several threads.
#[test]
fn thousands_of_rows_are_judged_as_by_a_scan() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut index = EmbeddingIndex::new(0.8);
    let mut entries = Vec::new();
    for _ in 0..3_000 {
        let near: Vec<f32> = (0..24).map(|_| rng.f32() - 0.35).collect();
        let embedding = Embedding::new(&near).unwrap();
        index.insert(Some(&embedding));
        entries.push(Some(embedding));
    }
    for _ in 0..40 {
        let near: Vec<f32> = (0..24).map(|_| rng.f32() - 0.35).collect();
        let embedding = Embedding::new(&near).unwrap();
        let expected = similar_by_definition(&entries, &embedding);
        let duplicate = expected.first().copied().filter(|first| first.score > 0.8);
        assert_eq!(index.duplicate_of(&embedding, 0), duplicate);
        assert_eq!(index.most_similar(&embedding, 5), expected[..5]);
        let later = expected.iter().copied().find(|similar| similar.entry >= 2_050);
        let later = later.filter(|similar| similar.score > 0.8);
        assert_eq!(index.duplicate_of(&embedding, 2_050), later);
    }
}

#[test]
fn equal_texts_score_one_and_the_first_is_named() {
    let mut index = EmbeddingIndex::new(0.99);
    let embedding = Embedding::new(&[0.2, -0.7, 0.1]).unwrap();
    for number in 0..3 {
        assert_eq!(index.insert(Some(&embedding)), number);
    }
    let same = Some(Similar { entry: 0, score: 1.0 });
    assert_eq!(index.duplicate_of(&embedding, 0), same);
    assert_eq!(EmbeddingIndex::new(1.0).duplicate_of(&embedding, 0), None);
    let opposite = Embedding::new(&[-0.2, 0.7, -0.1]).unwrap();
    assert_eq!(index.most_similar(&opposite, 3), []);
}

#[test]
fn what_has_another_length_is_like_nothing() {
    let mut index = EmbeddingIndex::new(0.5);
    let (long, short) = (Embedding::new(&[1.0, 0.0]).unwrap(), Embedding::new(&[1.0]).unwrap());
    assert_eq!([&long, &short, &long].map(|one| index.insert(Some(one))), [0, 1, 2]);
    assert_eq!(index.duplicate_of(&short, 0), None);
    assert_eq!(index.duplicate_of(&long, 1), Some(Similar { entry: 2, score: 1.0 }));
}
