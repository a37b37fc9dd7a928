//! Several keys and servers for one model: each its own limits and health, one budget, one ledger.

use instructmill::simulator::SimulatorSettings;
use instructmill::usd::Usd;
use serde_json::Value;

use super::secrets::{KEY, assert_no_key};
use super::support::{Ended, Place, Server, money, settings};

/// A run of the endpoints in a configuration file, with keys in two variables.
fn generate(place: &Place, endpoints: &str, args: &[&str]) -> Ended {
    place.write("mill.toml", format!("provider = \"openai\"\nmodel = \"m\"\n{endpoints}"));
    let base = ["generate", "--run", "run", "--config", "mill.toml", "--price-in", "1", "--yes"];
    let mut command = place.command(&base);
    command.args(["--price-out", "2", "--budget", "5"]).args(args);
    let other = KEY.replace('a', "b");
    Ended(command.env("KEY_ONE", KEY).env("KEY_TWO", other).output().unwrap())
}

fn with_key() -> Server {
    let api_key = Some(KEY.to_owned());
    Server::start(SimulatorSettings { api_key, latency_ms: 20, ..settings() })
}

fn endpoint(url: &str, key: &str, more: &str) -> String {
    format!("[[endpoints]]\nbase_url = \"{url}\"\napi_key_env = \"{key}\"\n{more}\n")
}

/// The totals of an endpoint in `status --json`.
fn totals<'a>(status: &'a Value, url: &str, key: &str) -> &'a Value {
    &status["endpoints"][format!("{url} ({key})")]
}

#[test]
fn requests_are_spread_by_weight_and_paid_from_one_budget() {
    let (place, one, other) = (Place::new(), with_key(), with_key());
    let (first, second) = (one.base_url(), other.base_url());
    let both = endpoint(&first, "KEY_ONE", "weight = 3") + &endpoint(&second, "KEY_ONE", "");
    generate(&place, &both, &["--target", "400", "--concurrency", "8"]).assert_code(0);
    let status = place.status();
    let (bills, spent) = ((one.bill(), other.bill()), money(&status, "spent_usd"));
    assert_eq!(bills.0.cost.saturating_add(bills.1.cost), spent);
    let of = |url| totals(&status, url, "KEY_ONE");
    assert_eq!(of(&first)["answered"], bills.0.answered);
    assert_eq!(of(&second)["spent_usd"].as_str().unwrap().parse::<Usd>(), Ok(bills.1.cost));
    let (three, one) = (bills.0.answered, bills.1.answered);
    assert!(three > one * 2 && one > 3, "{three} and {one}");
    place.assert_replays();
    assert_no_key(place.folder());
}

#[test]
fn each_endpoint_has_its_own_limits() {
    let limited = |rpm| SimulatorSettings { rpm: Some(rpm), ..settings() };
    let (place, one, other) =
        (Place::new(), Server::start(limited(12)), Server::start(limited(30)));
    let all = endpoint(&one.base_url(), "KEY_ONE", "requests_per_minute = 12")
        + &endpoint(&other.base_url(), "KEY_TWO", "rpm = 30");
    // More than both would allow in their first seconds.
    generate(&place, &all, &["--target", "30"]).assert_code(0);
    let (one, other) = (one.bill(), other.bill());
    assert!(one.answered > 0 && other.answered > 0, "{one:?} {other:?}");
    assert_eq!((one.refused, other.refused), (0, 0));
}

#[test]
fn an_endpoint_with_a_wrong_key_is_set_aside_and_the_run_goes_on() {
    let (place, good, bad) = (Place::new(), with_key(), with_key());
    let (first, second) = (bad.base_url(), good.base_url());
    let both = endpoint(&first, "KEY_TWO", "") + &endpoint(&second, "KEY_ONE", "");
    let ended = generate(&place, &both, &["--target", "100"]);
    ended.assert_code(0).assert_says("an endpoint is set aside").assert_says(&first);
    let status = place.status();
    assert_eq!(status["accepted"], 100);
    assert_eq!(money(&status, "spent_usd"), good.bill().cost);
    assert_eq!((bad.bill().requests, bad.bill().cost), (1, Usd::ZERO));
    assert_eq!(totals(&status, &first, "KEY_TWO")["refused"], 1);
    assert!(!ended.talk().contains(&KEY.replace('a', "b")));
}

#[test]
fn an_endpoint_that_cannot_be_reached_does_not_end_the_run() {
    let (place, good) = (Place::new(), with_key());
    // Bound and closed again: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let both = endpoint(&format!("http://{free}/v1"), "KEY_ONE", "")
        + &endpoint(&good.base_url(), "KEY_ONE", "");
    generate(&place, &both, &["--target", "100"]).assert_code(0);
    assert_eq!(place.status()["accepted"], 100);
}

#[test]
fn an_endpoint_that_does_nothing_but_fail_is_not_asked_the_most() {
    for faults in ["500:1", "drop:1"] {
        let bad = SimulatorSettings { faults: faults.parse().unwrap(), ..settings() };
        let (place, good, bad) = (Place::new(), with_key(), Server::start(bad));
        let both = endpoint(&bad.base_url(), "KEY_ONE", "weight = 100")
            + &endpoint(&good.base_url(), "KEY_ONE", "");
        generate(&place, &both, &["--target", "200", "--concurrency", "4"]).assert_code(0);
        let status = place.status();
        assert_eq!(status["accepted"], 200, "{faults}");
        assert!(bad.bill().requests < good.bill().requests, "{faults}: {:?}", bad.bill());
        let page = place.run(&["report", "--run", "run", "--output", "page.html"]);
        page.assert_code(0);
        let page = std::fs::read_to_string(place.path("page.html")).unwrap();
        assert!(page.contains("By endpoint") && page.contains(&good.base_url()));
    }
}

#[test]
fn when_all_endpoints_are_gone_the_run_fails() {
    let (place, one, other) = (Place::new(), with_key(), with_key());
    let both =
        endpoint(&one.base_url(), "KEY_TWO", "") + &endpoint(&other.base_url(), "KEY_TWO", "");
    let ended = generate(&place, &both, &["--target", "100"]);
    ended.assert_code(1).assert_says("Incorrect API key");
    // One request to each, and whatever was on its way.
    assert!(one.bill().requests + other.bill().requests <= 4);
    assert_eq!(place.status()["spent_usd"], "0");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let place = Place::new();
    let refused = |endpoints: &str, what: &str| {
        generate(&place, endpoints, &[]).assert_code(2).assert_says(what);
    };
    let url = "http://127.0.0.1:9/v1";
    refused(&(endpoint(url, "KEY_ONE", "") + &endpoint(url, "KEY_ONE", "")), "is there twice");
    refused(&endpoint(url, "KEY_ONE", "weight = 0"), "0 is not between 1 and 1000");
    refused(&endpoint(url, "KEY_ONE", "rpm = 0"), "a limit of 0 would send nothing");
    refused(&endpoint(url, "KEY_NONE", ""), "set the environment variable KEY_NONE");
    refused("[[endpoints]]\nurl = \"x\"\n", "unknown key `url`");
    let elsewhere = "[[endpoints]]\nbase_url = \"https://api.example.com/v1\"\n";
    refused(elsewhere, "name the environment variable that holds the key");
}

/// What a run has kept of what it found out.
fn found(place: &Place) -> String {
    let run = instructmill::store::RunDir::new(place.path("run"));
    run.read().unwrap().meta("found").unwrap().unwrap_or_default()
}

#[test]
fn what_was_found_out_is_kept_for_the_next_session() {
    let limited =
        SimulatorSettings { rpm: Some(600), smooth: true, hides_limits: true, ..settings() };
    let (place, server) = (Place::new(), Server::start(limited));
    let args = ["--budget", "5", "--target", "4000", "--max-requests", "50"];
    place.generate(&server, &args).assert_code(0);
    assert!(server.bill().refused > 0);
    assert!(found(&place).contains("\"requests_per_minute\":"), "{}", found(&place));
}

#[test]
fn a_server_of_one_s_own_is_asked_for_as_much_as_it_does_at_once() {
    let slow = SimulatorSettings { slots: Some(4), latency_ms: 10, ..settings() };
    let (place, server) = (Place::new(), Server::start(slow));
    let args = ["--provider", "vllm", "--budget", "5", "--target", "1500"];
    let ended = place.generate(&server, &args);
    ended.assert_code(0).assert_says("up to 256 at once");
    let most = server.bill().max_in_flight;
    assert!((4..=64).contains(&most), "{most}");
    let kept: Value = serde_json::from_str(&found(&place)).unwrap();
    let site = &kept[format!("m at {}", server.base_url())];
    assert!(site["concurrency"].as_u64().is_some_and(|places| places <= 64), "{kept}");
    // Limits, or a number of one's own, say that nothing is to be found.
    for fixed in [["--rpm", "6000"], ["--concurrency", "3"]] {
        let (place, server) = (Place::new(), Server::start(settings()));
        let args = ["--provider", "vllm", "--budget", "5", "--target", "20"];
        let ended = place.generate(&server, &[&args[..], &fixed].concat());
        assert!(!ended.assert_code(0).talk().contains("up to"), "{}", ended.talk());
    }
}
