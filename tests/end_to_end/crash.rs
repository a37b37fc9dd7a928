//! The process dies at any moment; the same command goes on.
#![cfg(unix)]

use std::collections::HashSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use instructmill::simulator::SimulatorSettings;

use super::support::{Ended, Place, Server, assert_books_balance, money, settings, usd};

const ARGS: [&str; 6] = ["--target", "2500", "--budget", "20", "--concurrency", "16"];

fn slow() -> SimulatorSettings {
    SimulatorSettings { latency_ms: 40, ..settings() }
}

fn spawn(place: &Place, server: &Server) -> Child {
    let mut command = place.generate_command(server, &ARGS);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the server has seen so many more requests, or the process ended.
fn wait_for_requests(server: &Server, child: &mut Child, more: u64) {
    let goal = server.bill().requests + more;
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.bill().requests < goal && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "no progress");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn signal(child: &Child, name: &str) {
    let kill = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
}

#[test]
fn killed_ten_times_nothing_is_lost_or_bought_twice() {
    let (place, server) = (Place::new(), Server::start(slow()));
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..10 {
        let mut child = spawn(&place, &server);
        wait_for_requests(&server, &mut child, random.u64(1..40));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place.generate(&server, &ARGS).assert_code(0);

    let status = place.status();
    assert_eq!(status["accepted"], 2_500);
    assert_books_balance(&status, &server.bill());
    let tasks = place.export();
    let distinct: HashSet<String> = tasks.iter().map(|t| t["instruction"].to_string()).collect();
    assert_eq!(distinct.len(), 2_500);
    // A request that was answered is not sent again: each key is billed once.
    let mut billed = HashSet::new();
    for entry in server.journal() {
        if entry["billed"] == true {
            assert!(billed.insert(entry["idempotency_key"].to_string()), "{entry}");
        }
    }
    place.assert_replays();
}

#[test]
fn the_first_signal_drains_and_the_second_aborts() {
    let (place, server) = (Place::new(), Server::start(slow()));
    for name in ["-INT", "-TERM"] {
        let mut child = spawn(&place, &server);
        wait_for_requests(&server, &mut child, 30);
        signal(&child, name);
        Ended(child.wait_with_output().unwrap()).assert_code(130).assert_says("interrupted");
        let status = place.status();
        assert_eq!(
            (status["stop_reason"].as_str(), status["state"].as_str()),
            (Some("interrupted"), Some("stopped"))
        );
        assert_eq!(money(&status, "unconfirmed_usd"), usd("0"));
        assert_eq!(money(&status, "spent_usd"), server.bill().cost);
    }

    let patient = Server::start(SimulatorSettings { latency_ms: 60_000, ..settings() });
    let place = Place::new();
    let mut child = spawn(&place, &patient);
    wait_for_requests(&patient, &mut child, 1);
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, "-INT");
    Ended(child.wait_with_output().unwrap()).assert_code(130);
    let status = place.status();
    assert_eq!(status["unconfirmed_attempts"], 1);
    assert_books_balance(&status, &patient.bill());
}

#[test]
fn others_may_look_while_one_works() {
    let (place, server) = (Place::new(), Server::start(slow()));
    let mut child = spawn(&place, &server);
    wait_for_requests(&server, &mut child, 40);
    let status = place.status();
    assert_eq!(
        (status["state"].as_str(), status["stop_reason"].is_null()),
        (Some("running"), true)
    );
    assert!(!place.export().is_empty());
    place.generate(&server, &ARGS).assert_code(2).assert_says("another process");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(place.status()["state"], "crashed");
}
