//! How fast duplicates are found by embeddings, and how many are overlooked, on made-up vectors:
//!
//! ```sh
//! cargo run --release --locked --example embedding_recall -- 200000 1536
//! cargo run --release --locked --features hnsw --example embedding_recall -- 400000 384
//! ```
//!
//! Entries lie around topics, so that many of them are alike by half and none is a duplicate. Then
//! copies of entries, moved by as much as leaves a cosine from 0.9 to 1, are looked for one by one
//! and in batches of a hundred, and strangers one by one. Times are of the processor, all threads
//! together, and need Linux.

#![expect(clippy::print_stdout, reason = "a benchmark's output")]

use std::time::Duration;

use instructmill::embedding::Embedding;
use instructmill::novelty::{Combination, CombinedIndex, Subject};

const TOPICS: usize = 2_000;
const PROBES: usize = 200;
const THRESHOLD: f64 = 0.9;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or("usage: embedding_recall ENTRIES DIMENSIONS");
    let (entries, dimensions): (usize, usize) = (next()?.parse()?, next()?.parse()?);
    let world = World::new(dimensions);
    let mut index = Combination::parse(&format!("embedding@{THRESHOLD}"), None)?.index();

    let (mut rng, mut spent) = (fastrand::Rng::with_seed(1), Duration::ZERO);
    let mut batch = Vec::new();
    for number in 0..entries {
        let embedding = embedded(&world.entry(&mut rng))?;
        batch.push(embedding);
        if batch.len() == 10_000 || number + 1 == entries {
            let started = processor_time();
            for embedding in batch.drain(..) {
                index.insert("entry");
                index.insert_embedding(Some(&embedding));
            }
            spent += processor_time().saturating_sub(started);
        }
    }
    println!("{entries} entries of {dimensions} dimensions: inserted in {spent:.2?}");

    let copies = copies(&world, entries)?;
    let strangers = (0..PROBES).map(|_| embedded(&world.entry(&mut rng)));
    let strangers = strangers.collect::<Result<Vec<_>, _>>()?;
    let found = one_by_one("copies", &index, copies.iter().map(|(embedding, _)| embedding));
    let wanted = copies.iter().filter(|(_, cosine)| *cosine > THRESHOLD).count();
    let both = copies.iter().zip(&found).filter(|((_, cosine), f)| *cosine > THRESHOLD && **f);
    println!("recall: {} of {wanted} copies above {THRESHOLD}", both.count());
    one_by_one("strangers", &index, strangers.iter());

    let subjects = strangers.iter().map(|one| Subject { text: "new", embedding: Some(one) });
    let subjects: Vec<_> = subjects.collect();
    let started = processor_time();
    for batch in subjects.chunks(100) {
        index.admit_all(batch, usize::MAX)?;
    }
    let each = processor_time().saturating_sub(started) / u32::try_from(PROBES)?;
    println!("strangers in batches of 100: {each:.2?} each");
    Ok(())
}

/// Looks for each; whether it is a duplicate.
fn one_by_one<'e>(
    name: &str,
    index: &CombinedIndex,
    embeddings: impl Iterator<Item = &'e Embedding>,
) -> Vec<bool> {
    let started = processor_time();
    let is_duplicate = |embedding| {
        let subject = Subject { text: "new", embedding: Some(embedding) };
        index.duplicate_by_embedding(&subject).is_some()
    };
    let found: Vec<bool> = embeddings.map(is_duplicate).collect();
    let spent = processor_time().saturating_sub(started);
    let each = spent / u32::try_from(found.len().max(1)).unwrap_or(u32::MAX);
    println!("{name} one by one: {each:.2?} each");
    found
}

/// Moved copies of entries spread over the index, with their cosines to the entries.
fn copies(world: &World, entries: usize) -> Result<Vec<(Embedding, f64)>, Error> {
    // The entries again, as they were made.
    let (mut rng, mut own) = (fastrand::Rng::with_seed(1), fastrand::Rng::with_seed(2));
    let step = (entries / PROBES).max(1);
    let mut copies = Vec::new();
    for number in 0..entries {
        let entry = world.entry(&mut rng);
        if number % step == step / 2 {
            let noise = 0.55 * own.f32();
            let stranger = world.entry(&mut own);
            let moved: Vec<f32> = entry.iter().zip(&stranger).map(|(a, b)| a + noise * b).collect();
            copies.push((embedded(&moved)?, cosine(&entry, &moved)));
        }
    }
    Ok(copies)
}

struct World {
    topics: Vec<Vec<f32>>,
}

impl World {
    fn new(dimensions: usize) -> Self {
        let mut rng = fastrand::Rng::with_seed(0);
        let direction = |rng: &mut fastrand::Rng| (0..dimensions).map(|_| normal(rng)).collect();
        Self { topics: (0..TOPICS).map(|_| direction(&mut rng)).collect() }
    }

    /// Two topics and something of its own.
    fn entry(&self, rng: &mut fastrand::Rng) -> Vec<f32> {
        let topics = [rng.usize(..TOPICS), rng.usize(..TOPICS)].map(|topic| &self.topics[topic]);
        let pairs = topics[0].iter().zip(topics[1]);
        pairs.map(|(a, b)| 0.7 * a + 0.4 * b + 0.7 * normal(rng)).collect()
    }
}

/// About normal: the sum of four uniform numbers.
fn normal(rng: &mut fastrand::Rng) -> f32 {
    (0..4).map(|_| rng.f32()).sum::<f32>() - 2.0
}

fn embedded(components: &[f32]) -> Result<Embedding, Error> {
    Ok(Embedding::new(components)?)
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// What all threads have used, user and system, to a hundredth of a second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}
