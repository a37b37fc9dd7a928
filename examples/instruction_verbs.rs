//! What the report says of the verbs of instructions, for any JSONL file with the field `instruction`.
//!
//! usage: `instruction_verbs FILE.jsonl`
#![expect(clippy::print_stdout, reason = "what it found")]

use std::fs::File;
use std::io::{BufRead, BufReader};

use instructmill::report::figures::{VerbCount, VerbTally};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: instruction_verbs FILE.jsonl")?;
    let (mut tally, mut all) = (VerbTally::default(), 0_u64);
    for line in BufReader::new(File::open(path)?).lines() {
        let row: serde_json::Value = serde_json::from_str(&line?)?;
        tally.note(row["instruction"].as_str().ok_or("a row without an instruction")?);
        all += 1;
    }
    println!("{all} instructions");
    println!("{} with a verb, {} of them with an object", tally.named(), tally.with_object());
    println!("{} with a question word, {} otherwise", tally.questions(), tally.others());
    for VerbCount { verb, count, objects } in tally.top(20, 4) {
        let objects: Vec<String> =
            objects.iter().map(|(object, count)| format!("{object} {count}")).collect();
        println!("{verb:<12} {count:>6}  {}", objects.join(", "));
    }
    Ok(())
}
