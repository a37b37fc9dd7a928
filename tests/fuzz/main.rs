//! What every reader of foreign data has to hold, over the inputs that are kept and over mutations of
//! them. The same functions are the targets of the fuzzer in `fuzz/`, which finds more; here they stay
//! true.
//!
//! ```text
//! cargo test --test fuzz                                                           # all of it, in seconds
//! INSTRUCTMILL_INPUTS=0..100000 cargo test --release --test fuzz mutated           # more mutations
//! INSTRUCTMILL_TARGET=salvage INSTRUCTMILL_INPUTS=4711 cargo test --test fuzz mutated    # one, once more
//! ```

#![expect(unreachable_pub, reason = "nothing outside this test binary can reach it anyway")]

mod mutation;
mod targets;

use std::ops::Range;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutation::mutated;
use targets::{Check, TARGETS};

/// Mutations of each target in every test run.
const USUAL: Range<u64> = 0..150;
/// No input of this size should take longer, in a debug build on a machine with other work.
const LONGEST: Duration = Duration::from_secs(20);
/// What a target may keep, in bytes.
const MAX_CORPUS: usize = 50_000;

/// The inputs that are kept for a target, in the order of their names.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let read = || -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
        let files = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path()));
        files.map(|path| path.and_then(|path| Ok((path.clone(), std::fs::read(path)?)))).collect()
    };
    let mut inputs = read().expect("every target has a folder of inputs");
    inputs.sort();
    inputs
}

fn check(check: Check, bytes: &[u8], name: &str) {
    let began = Instant::now();
    let is_kept = catch_unwind(|| check(bytes)).is_ok();
    let took = began.elapsed();
    assert!(is_kept, "{name}, {} bytes, breaks a promise: {}", bytes.len(), bytes.escape_ascii());
    assert!(took < LONGEST, "{name}, {} bytes, took {took:?}", bytes.len());
}

#[test]
fn inputs_that_are_kept_break_no_promise() {
    for (target, function) in TARGETS {
        let inputs = corpus(target);
        let size: usize = inputs.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(!inputs.is_empty() && size <= MAX_CORPUS, "{target} keeps {size} bytes");
        for (path, bytes) in inputs {
            check(function, &bytes, &path.display().to_string());
        }
    }
}

#[test]
fn mutated_inputs_break_no_promise() {
    let range = std::env::var("INSTRUCTMILL_INPUTS").ok();
    let numbers = range.map_or(USUAL, |text| match text.split_once("..") {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None => text.parse().map(|one: u64| one..one + 1).unwrap(),
    });
    let only = std::env::var("INSTRUCTMILL_TARGET").ok();
    for (target, function) in TARGETS {
        if only.as_ref().is_some_and(|only| only != target) {
            continue;
        }
        let inputs: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, bytes)| bytes).collect();
        for number in numbers.clone() {
            check(function, &mutated(&inputs, number), &format!("{target}, input {number}"));
        }
    }
}

/// A target that nobody can start finds nothing, and one without a name here is not checked.
#[test]
fn every_target_can_be_fuzzed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let Ok(manifest) = std::fs::read_to_string(folder.join("Cargo.toml")) else {
        // It is no part of the published package.
        return;
    };
    let files = std::fs::read_dir(folder.join("fuzz_targets")).unwrap();
    let mut files: Vec<String> = files
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, TARGETS.map(|(name, _)| name));
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let target = folder.join(format!("fuzz_targets/{name}.rs"));
        let calls = format!("instructmill_fuzz::{name}::check(");
        assert!(std::fs::read_to_string(target).unwrap().contains(&calls), "{name}");
    }
}
