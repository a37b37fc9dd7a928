//! Tasks compared by embeddings, which are bought from the same budget as the tasks.

use std::collections::HashMap;

use instructmill::ledger::per_million;
use instructmill::simulator::SimulatorSettings;
use serde_json::Value;

use super::support::{Place, Server, assert_books_balance, money, settings, usd};

const ARGS: [&str; 10] = [
    "--similarity",
    "rouge-l+embedding@0.7",
    "--embedding-model",
    "e",
    "--embedding-price",
    "4",
    "--target",
    "60",
    "--budget",
    "5",
];

fn with_embeddings() -> SimulatorSettings {
    SimulatorSettings { price_embedding: per_million(usd("4")).unwrap(), ..settings() }
}

/// Requests by path, those that were billed.
fn billed(server: &Server) -> HashMap<String, u64> {
    let mut paths = HashMap::new();
    for entry in server.journal().iter().filter(|entry| entry["billed"] == true) {
        *paths.entry(entry["path"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    paths
}

fn phase(status: &Value, name: &str) -> Value {
    status["phases"][name].clone()
}

#[test]
fn embeddings_are_on_the_bill_and_tell_duplicates() {
    let (place, server) = (Place::new(), Server::start(with_embeddings()));
    place.generate(&server, &ARGS).assert_code(0);
    let status = place.status();
    assert_eq!(status["accepted"], 60);
    assert_eq!(money(&status, "spent_usd"), server.bill().cost);
    assert_eq!(money(&status, "unconfirmed_usd"), usd("0"));
    let novelty = &status["rejections"]["novelty"];
    assert!(novelty["rouge-l"].as_u64() > Some(0) && novelty["embedding"].as_u64() > Some(0));
    assert!(billed(&server)["/v1/embeddings"] >= 2, "seeds, and candidates");
    place.assert_replays();
    let ended = place.run(&["status", "--run", "run", "--samples", "5"]);
    assert!(ended.stdout().contains("novelty · embedding"), "{}", ended.stdout());
}

#[test]
fn a_finished_run_goes_on_without_buying_anything_again() {
    let (place, server) = (Place::new(), Server::start(with_embeddings()));
    place.generate(&server, &ARGS).assert_code(0);
    let before = billed(&server)["/v1/embeddings"];
    place.generate(&server, &[&ARGS[..], &["--target", "61"]].concat()).assert_code(0);
    let seeds = 175;
    let texts: u64 = server.bill().prompt_tokens;
    assert!(texts > seeds && billed(&server)["/v1/embeddings"] <= before + 2);
    place.assert_replays();
}
