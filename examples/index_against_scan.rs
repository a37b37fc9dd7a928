//! The novelty index beside the exhaustive scan, on real texts: every verdict compared, both timed.
//!
//! Reads JSONL with a field `instruction` from files, in the order given (`-` for stdin), and takes
//! each text in turn as a run does: what is no duplicate is kept.
//!
//! `cargo run --release --example index_against_scan -- rouge-l 0.7 FILE...`

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::time::{Duration, Instant};

use instructmill::novelty::{self, NoveltyIndex, Similar};

#[derive(serde::Deserialize)]
struct Row {
    instruction: String,
}

#[derive(Debug)]
struct Judged {
    verdicts: Vec<Result<u32, Similar>>,
    time: Duration,
    slowest: Duration,
}

fn judge(mut index: Box<dyn NoveltyIndex>, texts: &[String]) -> Judged {
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut verdicts = Vec::with_capacity(texts.len());
    for text in texts {
        let start = Instant::now();
        verdicts.push(index.admit(text));
        slowest = slowest.max(start.elapsed());
    }
    Judged { verdicts, time: start.elapsed(), slowest }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: index_against_scan SIMILARITY THRESHOLD FILE...";
    let similarity = arguments.next().as_deref().and_then(novelty::by_name).ok_or(usage)?;
    let threshold: f64 = arguments.next().ok_or(usage)?.parse()?;
    let mut texts = Vec::new();
    for path in arguments {
        let input: Box<dyn BufRead> = match &*path {
            "-" => Box::new(stdin().lock()),
            path => Box::new(BufReader::new(File::open(path)?)),
        };
        for line in input.lines() {
            texts.push(serde_json::from_str::<Row>(&line?)?.instruction);
        }
    }

    // One after the other: the scan would sweep what the index needs out of the caches.
    let index = judge(similarity.index(threshold), &texts);
    let scan = judge(similarity.exhaustive(threshold), &texts);
    for ((by_index, by_scan), text) in index.verdicts.iter().zip(&scan.verdicts).zip(&texts) {
        if by_index != by_scan {
            return Err(format!("{by_index:?} is not {by_scan:?} for {text:?}").into());
        }
    }
    let duplicates = index.verdicts.iter().filter(|verdict| verdict.is_err()).count();
    let times = |judged: &Judged| {
        let each = judged.time / u32::try_from(texts.len().max(1)).unwrap_or(u32::MAX);
        format!("{:.3?}, {each:.1?} a text, {:.2?} the slowest", judged.time, judged.slowest)
    };
    writeln!(
        stdout(),
        "{} texts, {duplicates} duplicates, every verdict the same\nindex: {}\nscan: {}\n{:.0} times as long",
        texts.len(),
        times(&index),
        times(&scan),
        scan.time.as_secs_f64() / index.time.as_secs_f64(),
    )?;
    Ok(())
}
