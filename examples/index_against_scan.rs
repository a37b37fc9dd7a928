//! The novelty index beside the exhaustive scan, on real texts: every verdict compared, both timed.
//!
//! Reads JSONL with a field `instruction` from files, in the order given (`-` for stdin), and takes
//! each text in turn as a run does: what is no duplicate is kept.
//!
//! `cargo run --release --example index_against_scan -- rouge-l 0.7 FILE...`

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::time::{Duration, Instant};

use instructmill::novelty;

#[derive(serde::Deserialize)]
struct Row {
    instruction: String,
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

    let (mut index, mut scan) = (similarity.index(threshold), similarity.exhaustive(threshold));
    let (mut of_index, mut of_scan) = (Duration::ZERO, Duration::ZERO);
    let mut duplicates = 0;
    for text in &texts {
        let start = Instant::now();
        let by_index = index.admit(text);
        of_index += start.elapsed();
        let start = Instant::now();
        let by_scan = scan.admit(text);
        of_scan += start.elapsed();
        if by_index != by_scan {
            return Err(format!("{by_index:?} is not {by_scan:?} for {text:?}").into());
        }
        duplicates += usize::from(by_index.is_err());
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / texts.len().max(1) as f64;
    println!(
        "{} texts, {duplicates} duplicates, every verdict the same\n\
         index {:.3} s, {:.1} us a text; scan {:.3} s, {:.1} us a text; {:.0} times as long",
        texts.len(),
        of_index.as_secs_f64(),
        each(of_index),
        of_scan.as_secs_f64(),
        each(of_scan),
        of_scan.as_secs_f64() / of_index.as_secs_f64(),
    );
    Ok(())
}
