//! Requests in batches, at half price: whatever happens on the way, the ledger is the bill, and nothing
//! is handed in twice.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use instructmill::simulator::SimulatorSettings;
use serde_json::{Value, json};

use super::support::{Ended, Place, Server, assert_books_balance, money, settings, usd};

const PROVIDERS: [&str; 2] = ["openai", "anthropic"];

/// The model `m` at the price of the simulator, and at half of it in batches.
fn prices() -> String {
    let entry = |name: &str| {
        json!({
            "litellm_provider": name,
            "mode": "chat",
            "input_cost_per_token": 1e-6,
            "output_cost_per_token": 2e-6,
            "input_cost_per_token_batches": 5e-7,
            "output_cost_per_token_batches": 1e-6,
        })
    };
    json!({
        "openai/m": entry("openai"),
        "anthropic/m": entry("anthropic"),
        "openai/direct": {
            "litellm_provider": "openai",
            "input_cost_per_token": 1e-6,
            "output_cost_per_token": 2e-6,
        },
    })
    .to_string()
}

fn command(place: &Place, server: &Server, provider: &str, args: &[&str]) -> Command {
    place.write("prices.json", prices());
    let base = ["generate", "--run", "run", "--model", "m", "--batch", "--prices", "prices.json"];
    let mut command = place.command(&base);
    command.args(["--provider", provider, "--base-url", &server.base_url()]).args(args);
    command
}

fn generate(place: &Place, server: &Server, provider: &str, args: &[&str]) -> Ended {
    Ended(command(place, server, provider, args).output().unwrap())
}

/// Every line of the bill has a name of its own, and no name was handed in twice.
#[track_caller]
fn assert_bought_once(server: &Server) {
    let bill = server.bill();
    assert_eq!(bill.batch_requests_again, 0, "{bill:?}");
    let mut names = std::collections::HashSet::new();
    for entry in server.journal() {
        if entry["billed"] == true {
            assert!(names.insert(entry["idempotency_key"].to_string()), "{entry}");
        }
    }
}

/// The ledger is the bill, to the picodollar, and nothing is open.
#[track_caller]
fn assert_exact(place: &Place, server: &Server) {
    let status = place.status();
    assert_eq!(money(&status, "spent_usd"), server.bill().cost, "{status}");
    assert_eq!(money(&status, "unconfirmed_usd"), usd("0"), "{status}");
    assert_settled(&status, server);
}

#[track_caller]
fn assert_settled(status: &Value, server: &Server) {
    assert_books_balance(status, &server.bill());
    assert_bought_once(server);
    let batches = status["batches"].as_array().unwrap();
    assert!(!batches.is_empty() && batches.iter().all(|batch| batch["open"] == false), "{status}");
}

#[test]
fn a_whole_run_in_batches_costs_half() {
    for provider in PROVIDERS {
        for phases in ["tasks", "instructions+responses"] {
            let (place, server) = (Place::new(), Server::start(settings()));
            let args = ["--target", "300", "--budget", "5", "--phases", phases];
            let ended = generate(&place, &server, provider, &args);
            ended.assert_code(0).assert_says("batches of up to 1,000 requests, 4 at once");
            assert_eq!(place.export().len(), 300, "{provider} {phases}");
            assert_exact(&place, &server);
            assert_eq!(server.bill().requests, 0, "everything went in batches");
            assert!(server.bill().batches < 15, "{:?}", server.bill());
            place.assert_replays();
        }
    }
}
