//! Tasks compared by embeddings, which are bought from the same budget as the tasks.

use std::collections::{HashMap, HashSet};

use instructmill::ledger::per_million;
use instructmill::simulator::SimulatorSettings;

use super::support::{Place, Server, assert_books_balance, money, settings, usd};

const SIMILARITY: [&str; 6] =
    ["--similarity", "rouge-l+embedding@0.6", "--embedding-model", "e", "--embedding-price", "4"];

fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SIMILARITY, more].concat()
}

/// Prices of the tests, and $4 per million tokens of embedded texts.
fn with_embeddings() -> SimulatorSettings {
    SimulatorSettings { price_embedding: per_million(usd("4")).unwrap(), ..settings() }
}

/// How many requests were billed, by path.
fn billed(server: &Server) -> HashMap<String, u64> {
    let mut paths = HashMap::new();
    for entry in server.journal().iter().filter(|entry| entry["billed"] == true) {
        *paths.entry(entry["path"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    paths
}

/// Embeddings that were billed and came whole, by what their texts have in tokens.
fn tokens_embedded(server: &Server) -> u64 {
    let journal = server.journal();
    let embedded = journal.iter().filter(|e| e["path"] == "/v1/embeddings" && e["status"] == 200);
    embedded.map(|entry| entry["prompt_tokens"].as_u64().unwrap()).sum()
}

#[test]
fn embeddings_are_on_the_bill_and_tell_duplicates() {
    let (place, server) = (Place::new(), Server::start(with_embeddings()));
    place.generate(&server, &args(&["--target", "300", "--budget", "5"])).assert_code(0);
    let status = place.status();
    assert_eq!(status["accepted"], 300);
    assert_eq!(money(&status, "spent_usd"), server.bill().cost);
    assert_eq!(money(&status, "unconfirmed_usd"), usd("0"));
    let novelty = &status["rejections"]["novelty"];
    assert!(novelty["rouge-l"].as_u64() > Some(0), "{novelty}");
    assert!(novelty["embedding"].as_u64() > Some(0), "{novelty}");
    assert!(billed(&server)["/v1/embeddings"] >= 2, "seeds, and candidates");
    place.assert_replays();
    let ended = place.run(&["status", "--run", "run", "--samples", "5"]);
    assert!(ended.stdout().contains("novelty · embedding"), "{}", ended.stdout());
}

#[test]
fn instructions_are_judged_by_their_embeddings_before_outputs_are_bought() {
    let (place, server) = (Place::new(), Server::start(with_embeddings()));
    let phases = ["--phases", "instructions+responses", "--target", "200", "--budget", "5"];
    place.generate(&server, &args(&phases)).assert_code(0);
    let status = place.status();
    assert_eq!(status["accepted"], 200);
    assert_eq!(money(&status, "spent_usd"), server.bill().cost);
    assert!(status["rejections"]["novelty"]["embedding"].as_u64() > Some(0));
    place.assert_replays();
    place.generate(&server, &["--target", "210"]).assert_code(0);
    place.assert_replays();
}

#[test]
fn a_run_that_goes_on_buys_no_embedding_again() {
    let (place, server) = (Place::new(), Server::start(with_embeddings()));
    place.generate(&server, &args(&["--target", "50", "--budget", "5"])).assert_code(0);
    let before = tokens_embedded(&server);
    let begun = place.generate(&server, &["--target", "60"]);
    begun.assert_code(0);
    let more = tokens_embedded(&server) - before;
    assert!(more * 4 < before, "{more} tokens more after {before} for the seeds and fifty tasks");
    assert_eq!(money(&place.status(), "spent_usd"), server.bill().cost);
    place.assert_replays();
}

#[test]
fn the_budget_holds_and_no_response_is_left_without_its_embeddings() {
    let (place, server) = (Place::new(), Server::start(with_embeddings()));
    place.generate(&server, &args(&["--target", "400", "--budget", "0.25"])).assert_code(0);
    let status = place.status();
    assert_eq!(status["stop_reason"], "budget");
    assert_books_balance(&status, &server.bill());
    assert!(status["accepted"].as_u64() > Some(0));
    assert_eq!(status["unjudged_responses"], 0, "money was kept back for their embeddings");

    place.generate(&server, &["--budget", "5"]).assert_code(0);
    assert_eq!(place.status()["accepted"], 400);
    place.assert_replays();
}

#[test]
fn a_budget_below_the_embeddings_of_the_seeds_buys_nothing() {
    let (place, server) = (Place::new(), Server::start(with_embeddings()));
    let ended = place.generate(&server, &args(&["--budget", "0.001"]));
    ended.assert_code(2).assert_says("the worst case of one request");
    assert_eq!(server.bill().requests, 0);
}

#[test]
fn faults_on_the_way_are_survived_and_never_free() {
    let faults = "429:0.05,500:0.05,drop:0.04,drop-before:0.04,cut:0.04,garbage:0.03,html:0.03,\
                  no-usage:0.04,negative-usage:0.03,error-200:0.03";
    let settings =
        SimulatorSettings { faults: faults.parse().unwrap(), seed: 3, ..with_embeddings() };
    let (place, server) = (Place::new(), Server::start(settings));
    let wanted = args(&["--target", "150", "--budget", "20", "--max-attempts", "20"]);
    for _ in 0..20 {
        // The first answer of a session may be one that stops it.
        if place.generate(&server, &wanted).0.status.success() {
            break;
        }
    }
    let status = place.status();
    assert_eq!(status["accepted"], 150);
    assert_books_balance(&status, &server.bill());
    place.assert_replays();
}

#[test]
fn a_replay_under_other_rules_says_when_an_embedding_is_missing() {
    let (place, server) = (Place::new(), Server::start(with_embeddings()));
    place.generate(&server, &args(&["--target", "300", "--budget", "5"])).assert_code(0);
    let bill = server.bill();
    let replay = |rules: &[&str]| place.run(&[&["replay", "--run", "run"], rules].concat());
    replay(&["--compare", "all"]).assert_code(1).assert_says("the run has no embedding of `");
    replay(&["--similarity", "rouge-l+embedding@0.9"]).assert_code(0);
    replay(&["--similarity", "rouge-l"]).assert_code(0);
    assert_eq!(server.bill(), bill);

    let other = Place::new();
    other.generate(&server, &["--target", "20", "--budget", "5"]).assert_code(0);
    let ended = other.run(&["replay", "--run", "run", "--similarity", "rouge-l+embedding"]);
    ended.assert_code(1).assert_says("the run has no embeddings");
}

#[test]
fn wrong_settings_are_refused_before_anything_is_bought() {
    let (place, server) = (Place::new(), Server::start(with_embeddings()));
    let ended = place.generate(&server, &["--similarity", "rouge-l+embedding", "--budget", "5"]);
    ended.assert_code(2).assert_says("--embedding-model");
    place.write("texts.jsonl", "{\"instruction\": \"Name a river.\"}\n");
    let ended = place.run(&["dedup", "texts.jsonl", "--similarity", "rouge-l+embedding"]);
    ended.assert_code(2).assert_says("`dedup` buys no embeddings");
    assert_eq!(server.bill().requests, 0);
}

/// Responses wait for their embeddings: the first of them tell nothing of what to expect until then.
#[test]
fn responses_that_wait_for_their_embeddings_count_towards_the_target() {
    let slow = SimulatorSettings { latency_ms: 30, ..with_embeddings() };
    for (phases, most) in [("tasks", 20), ("instructions+responses", 130)] {
        let (place, server) = (Place::new(), Server::start(slow.clone()));
        let wanted = ["--phases", phases, "--target", "100", "--budget", "5"];
        place.generate(&server, &args(&wanted)).assert_code(0);
        let completions = billed(&server)["/v1/chat/completions"];
        assert!(completions <= most, "{completions} requests with {phases}");
    }
}

#[cfg(unix)]
#[test]
fn killed_ten_times_no_embedding_is_bought_twice() {
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    let slow = SimulatorSettings { latency_ms: 25, ..with_embeddings() };
    let (place, server) = (Place::new(), Server::start(slow));
    let wanted = args(&["--target", "900", "--budget", "20", "--concurrency", "8"]);
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..10 {
        let mut command = place.generate_command(&server, &wanted);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let goal = server.bill().requests + random.u64(1..25);
        let deadline = Instant::now() + Duration::from_secs(20);
        while server.bill().requests < goal && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "no progress");
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place.generate(&server, &wanted).assert_code(0);
    let status = place.status();
    assert_eq!(status["accepted"], 900);
    assert_books_balance(&status, &server.bill());
    let mut keys = HashSet::new();
    for entry in server.journal().iter().filter(|entry| entry["billed"] == true) {
        assert!(keys.insert(entry["idempotency_key"].to_string()), "{entry}");
    }
    place.assert_replays();
}
