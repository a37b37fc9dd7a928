//! What `minhash` finds and what it overlooks, on instructions of your own:
//!
//! ```sh
//! cargo run --release --locked --example minhash_recall -- instructions.jsonl
//! ```
//!
//! Each line of the file is an object with an `instruction`. A thousand of them are changed in one
//! of four ways and compared with all, by the index and by the exact scan. Then the whole file is
//! judged in its order by `rouge-l-unicode` and by `minhash`.

#![expect(clippy::print_stdout, reason = "a benchmark's output")]

use std::time::Instant;

use instructmill::novelty::{Similarity, by_name};

const COPIES: usize = 1_000;

type Change = (&'static str, fn(&str, &mut fastrand::Rng) -> String);

const CHANGES: [Change; 4] = [
    ("two letters swapped", typo),
    ("halves swapped", rotated),
    ("a word dropped", dropped),
    ("words joined", joined),
];

fn main() {
    let path = std::env::args().nth(1).expect("usage: minhash_recall FILE");
    let text = std::fs::read_to_string(path).expect("the file is readable");
    let texts: Vec<String> = text.lines().map(instruction).collect();
    let minhash = by_name("minhash").expect("a built-in similarity");
    for threshold in [0.5, minhash.default_threshold(), 0.8] {
        recall(minhash, threshold, &texts);
    }
    let novel: Vec<Vec<bool>> =
        ["rouge-l-unicode", "minhash"].map(|name| stream(name, &texts)).into();
    let both = novel[0].iter().zip(&novel[1]);
    let (only_rouge, only_minhash) = both.fold((0, 0), |(rouge, minhash), pair| match pair {
        (false, true) => (rouge + 1, minhash),
        (true, false) => (rouge, minhash + 1),
        _ => (rouge, minhash),
    });
    println!("duplicates of one only: {only_rouge} rouge-l-unicode, {only_minhash} minhash");
}

fn instruction(line: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
    value["instruction"].as_str().expect("each object has an instruction").to_owned()
}

/// How many of the changed texts that have a duplicate by the exact scan have it by the index.
fn recall(similarity: &dyn Similarity, threshold: f64, texts: &[String]) {
    let (mut index, mut scan) = (similarity.index(threshold), similarity.exhaustive(threshold));
    for text in texts {
        index.insert(text);
        scan.insert(text);
    }
    for (name, change) in CHANGES {
        let mut rng = fastrand::Rng::with_seed(1);
        let (mut wanted, mut found, mut same) = (0, 0, 0);
        for _ in 0..COPIES {
            let copy = change(&texts[rng.usize(..texts.len())], &mut rng);
            let (exact, ours) = (scan.duplicate_of(&copy), index.duplicate_of(&copy));
            assert!(exact.is_some() || ours.is_none(), "the index invented a duplicate of {copy}");
            wanted += usize::from(exact.is_some());
            found += usize::from(ours.is_some());
            same += usize::from(exact.is_some() && exact == ours);
        }
        println!(
            "{threshold} {name}: {wanted} of {COPIES} are duplicates, {found} found, {same} with the same entry"
        );
    }
}

fn stream(name: &str, texts: &[String]) -> Vec<bool> {
    let similarity = by_name(name).expect("a built-in similarity");
    let started = Instant::now();
    let mut index = similarity.index(similarity.default_threshold());
    let novel: Vec<bool> = texts.iter().map(|text| index.admit(text).is_ok()).collect();
    let duplicates = novel.iter().filter(|novel| !**novel).count();
    println!("{name}: {duplicates} duplicates of {}, {:.2?}", texts.len(), started.elapsed());
    novel
}

fn typo(text: &str, rng: &mut fastrand::Rng) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    if chars.len() > 1 {
        let place = rng.usize(..chars.len() - 1);
        chars.swap(place, place + 1);
    }
    chars.into_iter().collect()
}

/// By words; a text of few words, as in Chinese, by characters.
fn parts(text: &str) -> (Vec<String>, &'static str) {
    let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    if words.len() > 3 { (words, " ") } else { (text.chars().map(String::from).collect(), "") }
}

fn rotated(text: &str, rng: &mut fastrand::Rng) -> String {
    let (mut parts, between) = parts(text);
    let place = rng.usize(..parts.len());
    parts.rotate_left(place);
    parts.join(between)
}

fn dropped(text: &str, rng: &mut fastrand::Rng) -> String {
    let (mut parts, between) = parts(text);
    parts.remove(rng.usize(..parts.len()));
    parts.join(between)
}

fn joined(text: &str, _: &mut fastrand::Rng) -> String {
    text.split(' ').enumerate().fold(String::new(), |text, (place, word)| match place % 3 {
        1 => text + "-" + word,
        2 => text + word,
        _ if text.is_empty() => word.to_owned(),
        _ => text + " " + word,
    })
}
