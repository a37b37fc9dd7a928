//! Scores pairs of texts: reads `["a", "b"]` a line from stdin and writes the score of each pair, with
//! all its digits, a line. The other half of `compare_rouge_score.py`.
//!
//! `cargo run --release --example rouge_l_pairs -- rouge-l < pairs.jsonl`

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};

use instructmill::novelty;

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "rouge-l".to_owned());
    let similarity = novelty::by_name(&name).ok_or("no such similarity")?;
    let mut output = stdout().lock();
    for line in stdin().lock().lines() {
        let (a, b): (String, String) = serde_json::from_str(&line?)?;
        writeln!(output, "{:?}", similarity.score(&a, &b))?;
    }
    Ok(())
}
