//! The novelty index against the scans that it replaces: every text compared with every earlier one,
//! by the textbook LCS as in Alpaca, and by the bit-parallel LCS of the index itself. All run on
//! the same generated texts in one process, so that their ratios mean something on any machine.
//!
//! `cargo bench --bench novelty`

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use instructmill::novelty::{self, NoveltyIndex, Similarity};

const THRESHOLD: f64 = 0.7;

/// Sizes at which both sides run.
const PAIRED: [usize; 2] = [500, 2_000];

/// Size at which only the index is fast enough to wait for.
const INDEX_ONLY: usize = 10_000;

const VERBS: [&str; 12] = [
    "describe",
    "write",
    "explain",
    "list",
    "compare",
    "summarize",
    "suggest",
    "find",
    "rewrite",
    "classify",
    "design",
    "outline",
];
const FRAMES: [&str; 8] = [
    "the main causes of",
    "a short story about",
    "three reasons for",
    "the history of",
    "the difference between",
    "a plan for",
    "the best way to think about",
    "two examples of",
];
const LINKS: [&str; 6] = ["in", "with", "for a child about", "and", "without", "at the end of"];

/// Instructions of about ten words, some of them near-duplicates, from a fixed seed.
fn instructions(count: usize) -> Vec<String> {
    let mut rng = fastrand::Rng::with_seed(1);
    // Word frequencies fall roughly as Zipf's law says: a few topics occur all the time.
    let topic = |rng: &mut fastrand::Rng| {
        let rank = 4_000_f64.powf(rng.f64());
        format!("topic{rank:.0}")
    };
    (0..count)
        .map(|_| {
            let verb = VERBS[rng.usize(..VERBS.len())];
            let frame = FRAMES[rng.usize(..FRAMES.len())];
            let mut text = format!("{verb} {frame} {}", topic(&mut rng));
            for _ in 0..rng.usize(1..4) {
                let link = LINKS[rng.usize(..LINKS.len())];
                text.extend([" ", link, " ", &topic(&mut rng)]);
            }
            text
        })
        .collect()
}

fn rouge_l() -> &'static dyn Similarity {
    novelty::by_name("rouge-l").expect("a built-in similarity")
}

/// Inserts every text that is novel; returns how many were.
fn judge(mut index: Box<dyn NoveltyIndex>, texts: &[String]) -> usize {
    texts.iter().filter(|text| index.admit(text).is_ok()).count()
}

/// The same by definition. Texts are split into words once, as in Alpaca.
fn judge_by_scan(texts: &[String]) -> usize {
    let mut pool: Vec<Vec<&str>> = Vec::new();
    for text in texts {
        let new: Vec<&str> = text.split(' ').collect();
        let highest = pool.iter().map(|old| score(&new, old)).fold(0.0, f64::max);
        if highest <= THRESHOLD {
            pool.push(new);
        }
    }
    pool.len()
}

#[expect(clippy::cast_precision_loss, reason = "texts are a few words long")]
fn score(new: &[&str], old: &[&str]) -> f64 {
    let mut row = vec![0_usize; old.len() + 1];
    for x in new {
        let mut diagonal = 0;
        for (j, y) in old.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if x == y { diagonal + 1 } else { above.max(row[j]) };
            diagonal = above;
        }
    }
    let lcs = row[old.len()] as f64;
    let (precision, recall) = (lcs / old.len() as f64, lcs / new.len() as f64);
    if lcs > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
}

fn stream(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("novelty/stream");
    group.sample_size(10);
    for size in PAIRED {
        let texts = instructions(size);
        let novel = judge(rouge_l().index(THRESHOLD), &texts);
        assert_eq!(novel, judge_by_scan(&texts), "the sides must agree");
        group.throughput(Throughput::Elements(size as u64));
        group.bench_with_input(BenchmarkId::new("index", size), &texts, |bench, texts| {
            bench.iter(|| judge(rouge_l().index(THRESHOLD), black_box(texts)));
        });
        group.bench_with_input(
            BenchmarkId::new("bit-parallel scan", size),
            &texts,
            |bench, texts| {
                bench.iter(|| judge(rouge_l().exhaustive(THRESHOLD), black_box(texts)));
            },
        );
        group.bench_with_input(BenchmarkId::new("scan", size), &texts, |bench, texts| {
            bench.iter(|| judge_by_scan(black_box(texts)));
        });
    }
    let texts = instructions(INDEX_ONLY);
    group.throughput(Throughput::Elements(INDEX_ONLY as u64));
    group.bench_with_input(BenchmarkId::new("index", INDEX_ONLY), &texts, |bench, texts| {
        bench.iter(|| judge(rouge_l().index(THRESHOLD), black_box(texts)));
    });
    group.finish();
}

/// One check against a pool of ten thousand, in both tokenizers.
fn check(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("novelty/check");
    let texts = instructions(INDEX_ONLY + 100);
    let (pool, candidates) = texts.split_at(INDEX_ONLY);
    for similarity in novelty::SIMILARITIES {
        let mut index = similarity.index(THRESHOLD);
        for text in pool {
            index.insert(text);
        }
        let mut rng = fastrand::Rng::with_seed(2);
        group.bench_function(similarity.name(), |bench| {
            bench.iter_batched(
                || &candidates[rng.usize(..candidates.len())],
                |text| index.duplicate_of(black_box(text)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, stream, check);
criterion_main!(benches);
