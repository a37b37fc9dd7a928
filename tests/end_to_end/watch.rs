//! A run that is looked at while it goes on.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use instructmill::simulator::SimulatorSettings;
use serde_json::Value;

use super::support::{Ended, Place, Server, settings};

const ARGS: [&str; 6] = ["--target", "300", "--budget", "5", "--concurrency", "2"];

fn slow() -> Server {
    Server::start(SimulatorSettings { latency_ms: 60, ..settings() })
}

#[test]
fn status_watches_a_run_to_its_end() {
    let (place, server) = (Place::new(), slow());
    // The run is there when the first request is.
    let mut first = place.generate_command(&server, &["--target", "1", "--budget", "5"]);
    Ended(first.output().unwrap()).assert_code(0);
    let mut work = place.generate_command(&server, &ARGS);
    let mut work = work.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let watch = ["status", "--run", "run", "--watch"];
    while place.status()["state"] != "running" {
        assert!(work.try_wait().unwrap().is_none(), "it ended before it could be watched");
    }
    let json = place.command(&[&watch[..], &["--json"]].concat()).stdout(Stdio::piped()).spawn();
    let json = json.unwrap();
    let lines = place.run(&watch);
    Ended(work.wait_with_output().unwrap()).assert_code(0);

    lines.assert_code(0);
    let text = lines.stdout();
    assert!(text.starts_with("accepted "), "{text}");
    assert!(text.contains("state          done: the target is reached"), "{text}");
    let json = Ended(json.wait_with_output().unwrap());
    json.assert_code(0);
    let records: Vec<Value> =
        json.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.first().unwrap()["state"], "running");
    let last = records.last().unwrap();
    assert_eq!((last["state"].as_str(), &last["accepted"]), (Some("stopped"), &300.into()));
    assert_eq!(last, &place.status());
    place.assert_replays();
}

#[test]
fn watching_a_run_at_rest_says_it_once_and_leaves_it_as_it_is() {
    let (place, server) = (Place::new(), Server::start(settings()));
    place.generate(&server, &["--target", "20", "--budget", "5"]).assert_code(0);
    let before = std::fs::read(place.path("run/run.db")).unwrap();
    let watched = place.run(&["status", "--run", "run", "--watch=5", "--json"]);
    watched.assert_code(0);
    assert_eq!(watched.stdout().lines().count(), 1);
    assert_eq!(std::fs::read(place.path("run/run.db")).unwrap(), before);
    place.run(&["status", "--run", "none", "--watch"]).assert_code(2).assert_says("no run");
    place.run(&["status", "--run", "run", "--watch=0"]).assert_code(2);
}

#[test]
fn a_run_that_takes_the_place_of_the_watched_one_is_followed() {
    let (place, server) = (Place::new(), slow());
    let mut next = place.generate_command(&server, &["--target", "20", "--budget", "5"]);
    Ended(next.output().unwrap()).assert_code(0);
    std::fs::rename(place.path("run"), place.path("next")).unwrap();
    let before = server.journal().len();
    let mut work = place.generate_command(&server, &ARGS);
    let mut work = work.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // The run is there when the first request is.
    while server.journal().len() == before {
        assert!(work.try_wait().unwrap().is_none(), "it ended before it could be watched");
    }
    let mut watch = place.command(&["status", "--run", "run", "--watch", "--json"]);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((first["state"].as_str(), &first["target"]), (Some("running"), &300.into()));

    std::fs::rename(place.path("run"), place.path("aside")).unwrap();
    std::fs::rename(place.path("next"), place.path("run")).unwrap();
    let last: Value = serde_json::from_str(&lines.last().unwrap().unwrap()).unwrap();
    let ended = Ended(watch.wait_with_output().unwrap());
    ended.assert_code(0).assert_says("note: another run is in run now");
    assert_eq!(last, place.status());
    assert_eq!((last["state"].as_str(), &last["accepted"]), (Some("stopped"), &20.into()));
    Ended(work.wait_with_output().unwrap()).assert_code(1).assert_says("removed or replaced");
}
