//! The process dies at each step of a run, one session after the other; the same command goes on. The
//! binary under test is a debug build, which knows the points; `examples/crash_campaign.py` does the same at
//! greater length and adds signals and lost writes.
#![cfg(unix)]

use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;

use instructmill::failpoint::Point;
use instructmill::ledger::per_million;
use instructmill::simulator::SimulatorSettings;
use serde_json::Value;

use super::support::{Ended, Place, Server, assert_books_balance, money, settings, usd};

const SIGABRT: i32 = 6;
/// More tasks that each session is to bring.
const STEP: u64 = 25;

const BUDGET: &str = "20";
/// The steps after which there is no run yet.
const BEFORE_A_RUN: [Point; 2] = [Point::OpenDirectory, Point::OpenJournal];
const ONE_PHASE: [&str; 2] = ["--phases", "tasks"];
const TWO_PHASES: [&str; 2] = ["--phases", "instructions+responses"];
const EMBEDDINGS: [&str; 6] =
    ["--similarity", "rouge-l+embedding", "--embedding-model", "e", "--embedding-price", "4"];

const BATCHES: [&str; 3] = ["--batch", "--batch-requests", "1"];
/// Steps of requests that go alone, and steps of batches.
const ALONE: [&str; 2] = ["attempt.", "answer."];
const IN_BATCHES: &str = "batch.";

/// The steps at which a session can die that goes on with a run, as the program is told them, without
/// those whose names begin so; and `later` ones, at which it matters how far the run is.
fn steps(without: &[&str], later: &[&'static str]) -> Vec<String> {
    let comes = |name: &&str| !without.iter().any(|start| name.starts_with(start));
    let first = Point::ALL.into_iter().filter(|point| !BEFORE_A_RUN.contains(point));
    let later = ["commit.before:9", "commit.after:9", "judge.after:2", "file.written:2"]
        .into_iter()
        .chain(later.iter().copied());
    first.map(Point::name).filter(comes).chain(later).map(str::to_owned).collect()
}

fn start() -> Server {
    let usual = settings();
    Server::start(SimulatorSettings {
        latency_ms: 10,
        batch_latency_ms: 30,
        price_embedding: per_million(usd("4")).unwrap(),
        // The prices that the program is told.
        price_batch_in: Some(usual.price_in),
        price_batch_out: Some(usual.price_out),
        ..usual
    })
}

fn generate(place: &Place, server: &Server, mode: &[&str], target: u64, dies_at: &str) -> Ended {
    let target = target.to_string();
    let args =
        ["--target", &target, "--budget", BUDGET, "--concurrency", "4", "--output", "out.json"];
    let mut command = place.generate_command(server, &[&args, mode].concat());
    command.env("INSTRUCTMILL_FAILPOINT", dies_at);
    Ended(command.output().unwrap())
}

/// What a crash must leave: a bill that the ledger covers, and an export that is whole or not there.
fn assert_covered(place: &Place, server: &Server, step: &str) {
    let status = place.status();
    let amount = |key| money(&status, key);
    let held = amount("spent_usd").saturating_add(amount("reserved_usd"));
    let held = held.saturating_add(amount("unconfirmed_usd"));
    let billed = server.bill().cost;
    assert!(billed <= held && held <= usd(BUDGET), "{step}: billed {billed}, held {held}");
    if let Ok(text) = std::fs::read(place.path("out.json")) {
        serde_json::from_slice::<Value>(&text).unwrap_or_else(|error| panic!("{step}: {error}"));
    }
}

fn dies_everywhere(mode: &[&str], steps: Vec<String>) {
    let (place, server) = (Place::new(), start());
    let mut target = STEP;
    for step in steps {
        let ended = generate(&place, &server, mode, target, &step);
        let signal = ended.0.status.signal();
        assert_eq!(signal, Some(SIGABRT), "{step} was not reached\n{}", ended.talk());
        assert_covered(&place, &server, &step);
        target += STEP;
    }
    generate(&place, &server, mode, target, "").assert_code(0);

    let status = place.status();
    assert_eq!(status["accepted"], target);
    assert_books_balance(&status, &server.bill());
    let exported: Vec<Value> =
        serde_json::from_slice(&std::fs::read(place.path("out.json")).unwrap()).unwrap();
    let distinct: HashSet<&str> =
        exported.iter().map(|task| task["instruction"].as_str().unwrap()).collect();
    assert_eq!(distinct.len() as u64, target);
    let journal = server.journal();
    let mut keys = HashSet::new();
    for entry in journal.iter().filter(|entry| entry["billed"] == true) {
        assert!(keys.insert(entry["idempotency_key"].as_str().unwrap()), "bought twice: {entry}");
    }
    place.assert_replays();
}

#[test]
fn it_dies_at_every_step_of_a_run() {
    dies_everywhere(&ONE_PHASE, steps(&["embeddings.", IN_BATCHES], &["attempt.begun:2:5"]));
}

#[test]
fn it_dies_at_every_step_of_a_run_in_two_phases_with_embeddings() {
    let mode = [&TWO_PHASES[..], &EMBEDDINGS].concat();
    dies_everywhere(&mode, steps(&[IN_BATCHES], &["attempt.begun:2:5"]));
}

#[test]
fn it_dies_at_every_step_of_a_run_in_batches() {
    let later = ["batch.begun:2", "batch.creating:2", "batch.created:2", "batch.stored:2"];
    dies_everywhere(
        &[&ONE_PHASE[..], &BATCHES].concat(),
        steps(&[&ALONE[..], &["embeddings."]].concat(), &later),
    );
}

#[test]
fn a_directory_without_a_run_is_one_to_begin_in() {
    let (place, server) = (Place::new(), start());
    for point in BEFORE_A_RUN {
        let ended = generate(&place, &server, &ONE_PHASE, STEP, point.name());
        assert_eq!(ended.0.status.signal(), Some(SIGABRT), "{point:?}: {}", ended.talk());
        place.run(&["status", "--run", "run"]).assert_code(2).assert_says("there is no run");
    }
    assert_eq!(server.bill().requests, 0);
    generate(&place, &server, &ONE_PHASE, STEP, "").assert_code(0);
    place.assert_replays();
}
