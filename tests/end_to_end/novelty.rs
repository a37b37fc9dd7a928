//! What a run turns away for what is in the data already, or must never be in it.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::support::{Place, Server, settings};

/// One request at a time: the same server gives the same answers again.
const ARGS: [&str; 6] = ["--target", "60", "--budget", "5", "--concurrency", "1"];

fn generate(place: &Place, args: &[&str]) {
    let server = Server::start(settings());
    place.generate(&server, &[&ARGS[..], args].concat()).assert_code(0);
}

/// How many candidates a stage turned away.
fn rejected(place: &Place, stage: &str) -> u64 {
    let status = place.status();
    status["rejections"][stage].as_object().unwrap().values().filter_map(Value::as_u64).sum()
}

fn instructions(place: &Place) -> HashSet<String> {
    let tasks = place.export();
    tasks.iter().map(|task| task["instruction"].as_str().unwrap().to_owned()).collect()
}

/// Half of what the same server gave another run, as two benchmark files.
fn benchmarks() -> (HashSet<String>, String, String) {
    let other = Place::new();
    generate(&other, &[]);
    let tasks = other.export();
    let lines = tasks.iter().step_by(4).map(|t| json!({"question": t["instruction"]}).to_string());
    let plain = tasks.iter().skip(1).step_by(4).map(|t| t["instruction"].as_str().unwrap());
    let banned = tasks.iter().enumerate().filter(|(n, _)| n % 4 < 2);
    let banned = banned.map(|(_, t)| t["instruction"].as_str().unwrap().to_owned()).collect();
    (banned, lines.collect::<Vec<_>>().join("\n"), plain.collect::<Vec<_>>().join("\n"))
}

#[test]
fn what_benchmarks_hold_is_kept_out_and_told_apart_from_duplicates() {
    let (banned, questions, plain) = benchmarks();
    let place = Place::new();
    place.write("questions.jsonl", &questions);
    place.write("plain.txt", &plain);
    generate(&place, &["--decontaminate", "questions.jsonl", "plain.txt"]);
    assert!(instructions(&place).is_disjoint(&banned));
    assert!(rejected(&place, "contaminated") >= 15);
    assert!(rejected(&place, "novelty") > 0);
    let ended = place.run(&["status", "--run", "run", "--samples", "30"]);
    for part in ["contaminated · benchmark_", "in questions.jsonl:", "in plain.txt:"] {
        assert!(ended.stdout().contains(part), "no `{part}` in\n{}", ended.stdout());
    }
    // The files are remembered, and a replay reads them again.
    place.assert_replays();
    generate(&place, &["--target", "80"]);
    assert!(instructions(&place).is_disjoint(&banned));
    place.assert_replays();
}

#[test]
fn a_run_goes_on_only_with_the_benchmarks_it_began_with() {
    let (_, questions, _) = benchmarks();
    let place = Place::new();
    place.write("a.jsonl", &questions);
    generate(&place, &["--decontaminate", "a.jsonl"]);
    let server = Server::start(settings());
    let again = |args: &[&str]| {
        place.generate(&server, &[&["--target", "90", "--budget", "5"], args].concat())
    };
    place.write("b.jsonl", "{\"question\": \"What else is there?\"}");
    again(&["--decontaminate", "a.jsonl", "--decontaminate", "b.jsonl"])
        .assert_code(2)
        .assert_says("the run began with other benchmark texts")
        .assert_says("hint:");
    place.write("a.jsonl", "{\"question\": \"What else is there?\"}");
    again(&[]).assert_code(2).assert_says("other benchmark texts");
    place.write("a.jsonl", "{\"query\": \"What else is there?\"}");
    again(&[]).assert_code(2).assert_says("a.jsonl, line 1: none of the fields");
    assert_eq!(server.bill().requests, 0);
    // The same texts under another name are the same benchmarks.
    place.write("c.jsonl", &questions);
    again(&["--decontaminate", "c.jsonl"]).assert_code(0);
}

#[test]
fn a_replay_can_ask_what_a_benchmark_would_have_kept_out() {
    let (_, questions, _) = benchmarks();
    let place = Place::new();
    generate(&place, &[]);
    place.write("a.jsonl", &questions);
    let args = ["replay", "--run", "run", "--decontaminate", "a.jsonl", "--output", "left.jsonl"];
    place
        .run(&[&args[..], &["--format", "jsonl"]].concat())
        .assert_code(0)
        .assert_says("other tasks");
    let left = std::fs::read_to_string(place.path("left.jsonl")).unwrap();
    assert!(left.lines().count() > 0);
    for line in left.lines() {
        let task: Value = serde_json::from_str(line).unwrap();
        let instruction = task["instruction"].as_str().unwrap();
        let question = json!({ "question": instruction }).to_string();
        assert!(!questions.lines().any(|line| line == question), "{instruction}");
    }
}

#[test]
fn minhash_is_a_similarity_of_its_own() {
    let place = Place::new();
    generate(&place, &["--similarity", "minhash", "--target", "300"]);
    let status = place.status();
    assert!(status["rejections"]["novelty"]["minhash"].as_u64() > Some(0), "{status}");
    place.assert_replays();
}

#[test]
fn a_combination_names_the_similarity_that_decided() {
    let place = Place::new();
    // Below its default each decides some.
    let combination = ["--similarity", "rouge-l@0.6+minhash@0.2", "--target", "200"];
    generate(&place, &combination);
    let novelty = place.status()["rejections"]["novelty"].clone();
    assert!(novelty["rouge-l"].as_u64() > Some(0), "{novelty}");
    assert!(novelty["minhash"].as_u64() > Some(0), "{novelty}");
    place.assert_replays();

    // The same in other words, and what is left open, is as it was; another threshold is not.
    let server = Server::start(settings());
    let again = |args: &[&str]| {
        let rest = ["--budget", "5", "--target", "200"];
        place.generate(&server, &[&rest[..], args].concat())
    };
    again(&["--similarity", "rouge-l+minhash@0.20", "--threshold", "0.6"])
        .assert_code(0)
        .assert_says("rouge-l above 0.6 or minhash above 0.2 is a duplicate");
    again(&["--similarity", "rouge-l+minhash@0.2"]).assert_code(0);
    again(&[]).assert_code(0);
    again(&["--similarity", "rouge-l+minhash"])
        .assert_code(2)
        .assert_says("similarity was \"rouge-l+minhash@0.2\" and is now \"rouge-l+minhash@0.65\"");
    again(&["--similarity", "rouge-l"]).assert_code(2);
    assert_eq!(server.bill().requests, 0);

    // Alone, a similarity comes with its own threshold.
    let ended = place.run(&["replay", "--run", "run", "--similarity", "minhash"]);
    ended.assert_code(0).assert_says("other tasks");
    place.run(&["replay", "--run", "run", "--check", "--threshold", "0.6"]).assert_code(0);
}
