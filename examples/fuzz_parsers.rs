//! Feeds mutated bytes to every reader of foreign data until the time is over:
//!
//! ```sh
//! cargo run --release --example fuzz_parsers -- 600        # seconds
//! cargo run --release --example fuzz_parsers -- 1 42 1     # input 42 again, once
//! ```
//!
//! Inputs are numbered, and made from their number alone. A panic, or an input that takes longer than
//! two seconds, ends it with exit code 1 and the number. It needs no instrumentation and so finds less
//! than a coverage-guided fuzzer in the same time; it runs wherever the program builds.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to a person")]
#![expect(clippy::unwrap_used, reason = "a place to write to is all it asks for")]

use std::io::Cursor;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fastrand::Rng;
use instructmill::benchmark::Benchmarks;
use instructmill::chat::{Completion, FinishReason};
use instructmill::config::read_settings;
use instructmill::dataset::{FORMATS, Reader, Selection, Source};
use instructmill::ledger::PriceTable;
use instructmill::pool::read_seed_tasks;
use instructmill::provider::{ApiError, ApiKey, PROVIDERS};
use instructmill::task::Compared;
use instructmill::template::TEMPLATES;

/// No input of this size should take longer.
const LONGEST: Duration = Duration::from_secs(2);
/// Inputs stop growing here, in bytes.
const MAX_BYTES: usize = 100_000;

/// Where inputs begin: one of each kind.
const CORPUS: &[&str] = &[
    r#"{"choices":[{"message":{"content":"{\"tasks\":[{\"instruction\":\"Add 1 and 2.\",\"input\":\"\",\"output\":\"3\"}]}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":2}}}"#,
    r#"{"choices":[{"text":" a\n4. Input:\nb\n4. Output:\nc\n###\n5. Instruction: d","finish_reason":"length"}],"usage":{"total_tokens":3}}"#,
    r#"{"error":{"message":"Rate limit","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
    "<!DOCTYPE html><html><script>if (a<b) {}</script><!-- x --><body>Bad &amp; gateway</body>",
    "{\"tasks\":[{\"instruction\":\"a \\u00e9\",\"input\":\"x\",\"output\":\"\\frac{1}{2}\"},{'instruction':'b','output':[1,2]}]}",
    "```json\n[{“instruction”: “q”, “output”: “a”}, // note\n]\n```",
    " a\n4. Input:\nb\n4. Output:\nc\n###\n5. Instruction: d\n5. Input:\n<noinput>\n5. Output:\ne",
    "{\"id\":\"1\",\"instruction\":\"Say so.\",\"instances\":[{\"input\":\"\",\"output\":\"so\"}]}\n{\"instruction\":\"b\",\"output\":\"c\"}\n",
    "model = \"m\"\nbudget = 4.5\nkeywords = [\"map\"]\nprice_in = \"0.15\"\n",
    r#"{"gpt-4o":{"input_cost_per_token":2.5e-06,"output_cost_per_token":1e-05,"max_output_tokens":4096}}"#,
    "instruction,input,output\r\n\"a \"\"b\"\"\",,c\r\nd,e,f\r\n",
    "[{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}]",
];

/// What inputs gain besides single bytes.
const TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ":",
    ",",
    "\\u",
    "\\ud83d",
    "\u{feff}",
    "###",
    "4. Input:",
    "<!--",
    "-->",
    "NaN",
    "-Infinity",
    "1e999",
    "18446744073709551616",
    "-0.0",
    "null",
    "instruction",
    "tasks",
    "//",
    "/*",
    "```",
    "“",
    "'",
    "\r\n",
    "\u{0}",
    "\u{202e}",
    "<think>",
    "</think>",
    "sk-0123456789",
    "\\u0073k-",
    "\"\"",
];

/// The input of a number.
fn input(number: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(number);
    let mut bytes = random.choice(CORPUS).copied().unwrap_or_default().as_bytes().to_vec();
    for _ in 0..1 << random.u32(0..7) {
        mutate(&mut bytes, &mut random);
    }
    bytes
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Rng) {
    let from = random.usize(0..=bytes.len());
    let to = random.usize(from..=(from + 40).min(bytes.len()));
    match random.u32(0..7) {
        0 => bytes.truncate(from),
        1 => drop(bytes.drain(from..to)),
        2 => bytes.insert(from, random.u8(..)),
        3 => bytes.iter_mut().skip(from).take(1).for_each(|byte| *byte ^= 1 << random.u32(0..8)),
        4 => insert(bytes, from, random.choice(TOKENS).copied().unwrap_or_default().as_bytes()),
        5 => {
            let piece = bytes.get(from..to).unwrap_or_default().repeat(1 << random.u32(0..13));
            insert(bytes, from, &piece);
        }
        _ => {
            let other = random.choice(CORPUS).copied().unwrap_or_default().as_bytes();
            insert(bytes, from, other.get(random.usize(..other.len())..).unwrap_or_default());
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let piece = piece.iter().copied().take(MAX_BYTES.saturating_sub(bytes.len()));
    drop(bytes.splice(at..at, piece));
}

/// Every reader reads it; what it makes of it does not matter.
fn read_everywhere(bytes: &[u8], file: &Path) {
    let key = ApiKey::new("sk-0123456789".to_owned()).ok();
    drop(ApiError::from_body(400, bytes, key.as_ref()));
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut completions = vec![Completion { text, finish_reason: FinishReason::Stop, usage: None }];
    completions.extend(PROVIDERS.iter().filter_map(|provider| provider.decode(bytes).ok()));
    for completion in &completions {
        for template in TEMPLATES {
            assert!(!template.parse(completion, 3).is_empty(), "an answer without items");
        }
    }
    std::fs::write(file, bytes).unwrap();
    drop(read_seed_tasks(file));
    drop(read_settings(file));
    drop(PriceTable::from_file(file).and_then(|table| table.lookup("gpt-4o")));
    drop(Benchmarks::read(&[file.to_owned()]));
    for format in FORMATS {
        let mut out = Vec::new();
        let Ok(source) = Source::stream("fuzz", Cursor::new(bytes.to_vec())) else { continue };
        let Ok(mut reader) = Reader::new(source, *format, Selection::Part(Compared::All), &mut out)
        else {
            continue;
        };
        while reader.advance().is_ok_and(|batch| batch > 0) {}
    }
}

fn main() -> ExitCode {
    let argument =
        |index: usize| std::env::args().nth(index).and_then(|text| text.parse::<u64>().ok());
    let seconds = Duration::from_secs(argument(1).unwrap_or(60));
    let first = argument(2).unwrap_or_else(|| fastrand::u64(..1 << 48));
    let most = argument(3).unwrap_or(u64::MAX);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input");
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < seconds && count < most {
        let number = first.wrapping_add(count);
        let bytes = input(number);
        let began = Instant::now();
        let is_read = catch_unwind(|| read_everywhere(&bytes, &file)).is_ok();
        let took = began.elapsed();
        if !is_read || took > LONGEST {
            eprintln!("input {number} of {} bytes: read {is_read}, {took:?}", bytes.len());
            return ExitCode::FAILURE;
        }
        count += 1;
    }
    println!("{count} inputs from {first} on, none of which panicked or took {LONGEST:?}");
    ExitCode::SUCCESS
}
