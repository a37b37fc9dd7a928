//! Files and flags that are not what they should be: each ends with exit code 2 before anything is
//! sent, in bounded memory, and with a message that shows no raw control character.

use std::io::Write;
use std::os::unix::fs::symlink;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::support::Server;
use super::support::{Ended, Place, settings};

/// All the memory that the program may ask for, in KiB. A seeds file may have 256 MB.
const LIMIT: &str = "ulimit -v 900000";

/// Files by what is wrong with them.
fn make_files(place: &Place) -> Vec<&'static str> {
    let seed = "{\"instruction\":\"Say that it is so\",\"output\":\"It is so.\"}\n";
    let utf16: Vec<u8> = seed.encode_utf16().flat_map(u16::to_le_bytes).collect();
    place.write("utf16", [&[0xff, 0xfe], &utf16[..]].concat());
    place.write("latin1", [seed.as_bytes(), b"{\"instruction\":\"\xe9\"}"].concat());
    place.write("nul", seed.replace("so", "s\0o"));
    place.write("deep", format!("{{\"instruction\":{}", "[".repeat(300_000)));
    place.write("brackets", "[".repeat(1_000_000));
    place.write("cut", seed.trim_end_matches("so.\"}\n"));
    place.write("escapes", "\u{1b}[2J\u{202e}{\"instruction\":\"\u{9b}31m\"");
    place.write("lone", seed.replace("so", "\\ud800"));
    std::fs::create_dir(place.path("folder")).unwrap();
    symlink("loop", place.path("loop")).unwrap();
    vec![
        "utf16",
        "latin1",
        "nul",
        "deep",
        "brackets",
        "cut",
        "escapes",
        "lone",
        "folder",
        "loop",
        "/dev/zero",
        "none",
        "no\u{1b}[2J",
    ]
}

#[track_caller]
fn assert_refused(place: &Place, args: &[&str]) -> Ended {
    let mut command = place.under_limit(LIMIT);
    let ended = Ended(command.args(args).output().unwrap());
    assert_eq!(ended.0.status.code(), Some(2), "{args:?}: {}", ended.talk());
    let odd = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!ended.talk().contains(odd), "{args:?}: {}", ended.talk().escape_debug());
    assert!(!place.path("run").exists(), "{args:?}: {}", ended.talk());
    ended
}

#[test]
fn files_that_are_something_else_are_refused() {
    let place = Place::new();
    let files = make_files(&place);
    let base = ["generate", "--run", "run", "--provider", "simulated", "--model", "m"];
    for flag in ["--seeds", "--config", "--prices"] {
        for file in &files {
            assert_refused(&place, &[&base[..], &[flag, file]].concat());
        }
    }
    // A benchmark may be plain text, so that much of this is one.
    for file in ["utf16", "latin1", "deep", "brackets", "folder", "loop", "none", "no\u{1b}[2J"] {
        assert_refused(
            &place,
            &[&base[..], &["--price-in", "1", "--price-out", "1", "--decontaminate", file]]
                .concat(),
        );
    }
    for file in [
        "utf16",
        "latin1",
        "nul",
        "brackets",
        "cut",
        "escapes",
        "folder",
        "loop",
        "/dev/zero",
        "none",
    ] {
        assert_refused(&place, &["dedup", file, "--format", "jsonl"]);
    }
}

/// A few kilobytes that become more than a record may have.
#[test]
fn records_without_end_are_refused() {
    let place = Place::new();
    for (name, start, piece) in [
        ("one.jsonl.gz", "{\"instruction\":\"a\",\"x\":\"", b'x'),
        ("one.json.gz", "[{\"instruction\":\"a\",\"x\":\"", b'x'),
        ("deep.json.gz", "[{\"instruction\":\"a\",\"x\":", b'['),
        ("one.csv.gz", "instruction,x\na,\"", b'x'),
        ("cells.csv.gz", "instruction,x\na", b','),
        ("header.csv.gz", "instruction,\"", b'x'),
    ] {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(start.as_bytes()).unwrap();
        let megabyte = vec![piece; 1 << 20];
        for _ in 0..100 {
            packer.write_all(&megabyte).unwrap();
        }
        place.write(name, packer.finish().unwrap());
        assert_refused(&place, &["dedup", name]).assert_says("longer than 64 MiB");
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    let place = Place::new();
    let flags = [
        "target",
        "budget",
        "price-in",
        "rpm",
        "tpm",
        "concurrency",
        "max-requests",
        "max-attempts",
        "max-stalled-responses",
        "connect-timeout",
        "read-timeout",
        "request-timeout",
        "num-examples",
        "tasks-per-request",
        "max-output-tokens",
        "temperature",
        "top-p",
        "threshold",
        "min-words",
        "simulated-latency-ms",
        "simulated-faults",
        "seed",
    ];
    let base = ["generate", "--run", "run", "--provider", "simulated", "--price-out", "1"];
    for flag in flags {
        for number in ["-1", "NaN", "inf", "1e309", "99999999999999999999999", "", "0x10", "٣"] {
            if (flag, number) != ("simulated-faults", "") {
                assert_refused(&place, &[&base[..], &[&format!("--{flag}={number}")]].concat());
            }
        }
        let may_be_zero =
            ["price-in", "temperature", "top-p", "seed", "min-words", "simulated-latency-ms"];
        if !may_be_zero.contains(&flag) {
            assert_refused(&place, &[&base[..], &[&format!("--{flag}=0")]].concat());
        }
    }
    let largest = u64::MAX.to_string();
    for key in ["target", "simulated_latency_ms", "request_timeout", "concurrency", "budget"] {
        let number = if key == "budget" { "1e18" } else { &largest };
        place.write("mill.toml", format!("{key} = {number}\n"));
        assert_refused(
            &place,
            &[&base[..], &["--price-in", "1", "--config", "mill.toml"]].concat(),
        );
    }
}

#[test]
fn an_output_that_would_destroy_something_is_refused_before_anything_is_sent() {
    let server = Server::start(settings());
    let place = Place::new();
    let seeds: Vec<String> = (0..10)
        .map(|n| format!("{{\"instruction\":\"Say the number {n} aloud\",\"output\":\"{n}\"}}\n"))
        .collect();
    let seeds = seeds.concat();
    place.write("seeds.jsonl", &seeds);
    place.write("mill.toml", "");
    let base =
        ["--target", "20", "--budget", "1", "--seeds", "seeds.jsonl", "--config", "mill.toml"];
    symlink("seeds.jsonl", place.path("link")).unwrap();
    for output in [
        "seeds.jsonl",
        "link",
        "run/../seeds.jsonl",
        "mill.toml",
        ".",
        "run",
        "no/such/x.json",
        "/dev/null",
        "run/run.db",
        "run/run.lock",
        "run/ballast",
        "./run/../run/run.db-wal",
    ] {
        let ended = place.generate(&server, &[&base[..], &["--output", output]].concat());
        ended.assert_code(2).assert_says("error: ");
        assert_eq!(server.bill().requests, 0, "{output}");
    }
    assert_eq!(std::fs::read_to_string(place.path("seeds.jsonl")).unwrap(), seeds);
    place.generate(&server, &[&base[..], &["--output", "run/tasks.json"]].concat()).assert_code(0);
    for output in ["run/run.db", "run/run.lock"] {
        place.run(&["export", "--run", "run", "--output", output]).assert_code(2);
        place.run(&["replay", "--run", "run", "--output", output]).assert_code(2);
        place.run(&["report", "--run", "run", "--output", output]).assert_code(2);
    }
    assert_eq!(place.export().len(), 20);
}

#[test]
fn a_run_directory_of_somebody_else_cannot_take_all_memory() {
    let server = Server::start(settings());
    let place = Place::new();
    place.generate(&server, &["--target", "20", "--budget", "1"]).assert_code(0);
    let journal = rusqlite::Connection::open(place.path("run/run.db")).unwrap();
    journal.execute("UPDATE responses SET body_bytes = 9223372036854775807", []).unwrap();
    drop(journal);
    let mut command = place.under_limit(LIMIT);
    let ended = Ended(command.args(["replay", "--run", "run", "--check"]).output().unwrap());
    ended.assert_code(0);
}

#[test]
fn a_secret_in_the_wrong_place_is_not_printed() {
    let place = Place::new();
    let key = "sk-test-do-not-leak-0123456789";
    place.write("mill.toml", format!("api_key = \"{key}\"\n"));
    let base = ["generate", "--run", "run", "--model", "gpt-4o-mini", "--budget", "1"];
    for args in [
        vec!["--config", "mill.toml"],
        vec!["--base-url", "https://user:sk-test-do-not-leak-0123456789@host/v1"],
        vec!["--base-url", "https://host/v1?key=sk-test-do-not-leak-0123456789"],
        vec!["--api-key-env", key],
    ] {
        let ended = assert_refused(&place, &[&base[..], &args].concat());
        assert!(!ended.talk().contains(key), "{}", ended.talk());
    }
}
