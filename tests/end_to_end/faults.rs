//! Everything that can go wrong between here and the provider.

use std::io::{Read, Write};
use std::net::TcpListener;

use instructmill::simulator::{FAULTS, SimulatorSettings};

use super::support::{Place, Server, assert_books_balance, money, settings, usd};

#[test]
fn with_every_fault_at_once_the_books_balance() {
    let list: Vec<String> = FAULTS.iter().map(|(name, _)| format!("{name}:0.02")).collect();
    let faults = list.join(",").parse().unwrap();
    let server = Server::start(SimulatorSettings { faults, ..settings() });
    let place = Place::new();
    let args =
        ["--target", "400", "--budget", "5", "--read-timeout", "1", "--request-timeout", "2"];
    place.generate(&server, &args).assert_code(0);
    let status = place.status();
    assert_eq!(status["accepted"], 400);
    assert_books_balance(&status, &server.bill());
    assert!(money(&status, "unconfirmed_usd") > usd("0"));
    place.assert_replays();
}

#[test]
fn each_fault_alone_is_survived() {
    for (name, _) in FAULTS.iter().filter(|(name, _)| *name != "timeout") {
        let faults = format!("{name}:0.3").parse().unwrap();
        let server = Server::start(SimulatorSettings { seed: 5, faults, ..settings() });
        let place = Place::new();
        // The first request goes alone and is not retried when its body cannot be read, so a
        // fault that makes bodies unreadable may end the run at once: that is right, too.
        let ended = place.generate(&server, &["--target", "60", "--budget", "5"]);
        let code = ended.0.status.code();
        assert!(code == Some(0) || ended.talk().contains("hint:"), "{name}: {}", ended.talk());
        assert_books_balance(&place.status(), &server.bill());
        place.assert_replays();
    }
}

#[test]
fn what_cannot_succeed_ends_at_once_with_a_hint_and_no_charge() {
    let wrong_key = SimulatorSettings { api_key: Some("another-key-123".into()), ..settings() };
    let no_model = SimulatorSettings { model: Some("another".into()), ..settings() };
    let no_credit = SimulatorSettings { quota: Some(usd("0")), ..settings() };
    let small_limit = SimulatorSettings { tpm: Some(3_000), ..settings() };
    for (settings, hint) in [
        (wrong_key, "--api-key-env"),
        (no_model, "model"),
        (no_credit, "credit"),
        (small_limit, "--max-output-tokens"),
    ] {
        let (place, server) = (Place::new(), Server::start(settings));
        let ended = place.generate(&server, &["--target", "50", "--budget", "5"]);
        ended.assert_code(1).assert_says("hint: ").assert_says(hint);
        assert_eq!((server.bill().requests, server.bill().cost), (1, usd("0")));
        let status = place.status();
        assert_eq!(status["stop_reason"], "failed");
        assert_eq!(money(&status, "unconfirmed_usd"), usd("0"));
    }
}

#[test]
fn credit_that_runs_out_ends_the_run_and_keeps_what_is_there() {
    let server = Server::start(SimulatorSettings { quota: Some(usd("0.02")), ..settings() });
    let place = Place::new();
    let ended = place.generate(&server, &["--target", "4000", "--budget", "5"]);
    ended.assert_code(1).assert_says("credit");
    let status = place.status();
    assert!(status["accepted"].as_u64().unwrap() > 10);
    assert_eq!(money(&status, "spent_usd"), server.bill().cost);
    assert!(server.bill().cost <= usd("0.02"), "{:?}", server.bill());
}

#[test]
fn a_pool_that_keeps_to_the_limits_is_never_refused() {
    let limits = SimulatorSettings { rpm: Some(1_200), tpm: Some(8_000_000), ..settings() };
    let (place, server) = (Place::new(), Server::start(limits));
    let args = ["--target", "300", "--budget", "5", "--rpm", "1200", "--tpm", "8000000"];
    place.generate(&server, &args).assert_code(0);
    let bill = server.bill();
    assert_eq!(bill.refused, 0);
    assert!(bill.peak_offered_requests_per_minute <= 1_200, "{bill:?}");
    assert!(bill.peak_offered_tokens_per_minute <= 8_000_000, "{bill:?}");
}

#[test]
fn a_429_pauses_the_pool_and_costs_no_attempt() {
    // Half of all requests are refused: with attempts counted, many would be given up.
    let faults = "429:0.5".parse().unwrap();
    let server = Server::start(SimulatorSettings { faults, ..settings() });
    let place = Place::new();
    let args = ["--target", "300", "--budget", "5", "--max-attempts", "1", "--concurrency", "4"];
    // A limit that is known is not searched for, which would take its time.
    let args = [&args[..], &["--rpm", "100000"]].concat();
    place.generate(&server, &args).assert_code(0);
    let status = place.status();
    assert!(status["rate_limited"].as_u64().unwrap() > 3, "{status}");
    assert_eq!(status["accepted"], 300);
}

#[test]
fn a_web_page_instead_of_an_api_costs_one_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 65_536];
        let _read = stream.read(&mut request).unwrap();
        let page = "<html><title>Welcome</title>";
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len()).unwrap();
    });
    let place = Place::new();
    let args = ["generate", "--run", "run", "--model", "gpt-4o-mini", "--budget", "1"];
    let ended = place.run(&[&args[..], &["--base-url", &url]].concat());
    ended.assert_code(1).assert_says("not with completions").assert_says("check --base-url");
    server.join().unwrap();
    assert_eq!(place.status()["attempts"], 1);
}
