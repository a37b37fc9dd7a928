//! What a program that starts runs reads: logs and summaries.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use instructmill::simulator::SimulatorSettings;
use serde_json::Value;

use super::support::{Ended, Place, Server, settings};

const BUDGET: [&str; 2] = ["--budget", "5"];

fn summary(place: &Place) -> Value {
    serde_json::from_slice(&std::fs::read(place.path("end.json")).unwrap()).unwrap()
}

#[test]
fn a_summary_tells_how_it_ended_whatever_happened() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let generate = |more: &[&str]| {
        place.generate(&server, &[&BUDGET[..], &["--summary", "end.json"], more].concat())
    };
    generate(&["--target", "30", "--output", "tasks.json"]).assert_code(0);
    let value = summary(&place);
    assert_eq!(
        (value["exit_code"].as_u64(), value["stop_reason"].as_str()),
        (Some(0), Some("target"))
    );
    assert_eq!((&value["accepted"], &value["run_again"]), (&30.into(), &false.into()));
    assert_eq!(
        (value["run"].as_str(), value["spent_usd"].as_str()),
        (Some("run"), place.status()["spent_usd"].as_str())
    );

    generate(&["--target", "60", "--max-requests", "1"]).assert_code(0);
    assert_eq!(summary(&place)["stop_reason"], "max_requests");
    generate(&["--target", "10"]).assert_code(2).assert_says("more than the target");
    let value = summary(&place);
    assert_eq!((&value["exit_code"], &value["accepted"]), (&2.into(), &place.status()["accepted"]));
    assert!(value["error"].as_str().unwrap().contains("more than the target"), "{value}");

    // Before there is a run, and on stdout.
    let nothing =
        place.run(&["generate", "--run", "none", "--seeds", "no.jsonl", "--summary", "-"]);
    nothing.assert_code(2);
    let value: Value = serde_json::from_str(&nothing.stdout()).unwrap();
    assert_eq!((value["exit_code"].as_u64(), value["run"].as_str()), (Some(2), Some("none")));
    for taken in ["tasks.json", "run/run.db", "run/summary.json"] {
        let before = std::fs::read(place.path(taken)).unwrap();
        place.generate(&server, &["--summary", taken]).assert_code(2).assert_says("--summary");
        assert_eq!(std::fs::read(place.path(taken)).unwrap(), before, "{taken}");
    }
}

#[test]
fn with_json_logs_every_line_is_an_object() {
    let faults = SimulatorSettings { faults: "500:0.2,429:0.1".parse().unwrap(), ..settings() };
    let (place, server) = (Place::new(), Server::start(faults));
    let records = |talk: &str| -> Vec<Value> {
        talk.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
            .collect()
    };
    let mut run =
        place.generate_command(&server, &["--target", "100", "-vv", "--log-format", "json"]);
    let ended = Ended(run.args(BUDGET).output().unwrap());
    ended.assert_code(0);
    let lines = records(&ended.talk());
    for key in ["time", "level", "target", "message", "fields"] {
        assert!(lines.iter().all(|line| !line[key].is_null()), "{key}");
    }
    let said =
        |text: &str| lines.iter().any(|line| line["message"].as_str().unwrap().contains(text));
    assert!(said("estimate") && said("done: the target is reached"), "{}", ended.talk());

    place.write("mill.toml", "log_format = \"json\"\n");
    let ended = place.generate(&server, &["--target", "1", "--config", "mill.toml"]);
    ended.assert_code(2);
    let error = records(&ended.talk()).pop().unwrap();
    assert_eq!(
        (error["level"].as_str(), &error["fields"]["exit_code"]),
        (Some("ERROR"), &2.into())
    );
    // A flag wins over the file, and the file over nothing at all.
    let text = place
        .generate(&server, &["--target", "1", "--config", "mill.toml", "--log-format", "text"]);
    text.assert_code(2).assert_says("error: ");
    place.write("mill.toml", "log_format = \"xml\"\n");
    place.generate(&server, &["--config", "mill.toml"]).assert_code(2).assert_says("text or json");
}

fn fetch(authority: &str, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_can_be_fetched_while_it_runs() {
    let slow = Server::start(SimulatorSettings { latency_ms: 50, ..settings() });
    let place = Place::new();
    let args = ["--target", "200", "--budget", "5", "--concurrency", "2", "--metrics", "0"];
    let mut run = place.generate_command(&slow, &args);
    let mut child = run.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut talk = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let url = talk.find_map(|line| Some(line.strip_prefix("metrics")?.trim().to_owned())).unwrap();
    let authority = url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();

    let answer = loop {
        let answer = fetch(authority, "/metrics", authority);
        let accepted =
            answer.lines().find(|line| line.starts_with("instructmill_accepted_tasks_total "));
        if accepted.is_some_and(|line| !line.ends_with(" 0")) {
            break answer;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was seen\n{answer}");
    };
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    for line in [
        "# TYPE instructmill_spent_usd_total counter",
        "instructmill_budget_usd 5",
        "instructmill_target_tasks 200",
        "instructmill_answer_latency_seconds_bucket{phase=\"tasks\",le=\"+Inf\"}",
        "instructmill_journal_commit_seconds_count",
    ] {
        assert!(answer.contains(line), "no {line} in\n{answer}");
    }
    assert!(fetch(authority, "/metrics", "evil.example").starts_with("HTTP/1.1 403"));
    assert!(fetch(authority, "/", authority).starts_with("HTTP/1.1 404"));

    let rest: Vec<String> = talk.collect();
    assert!(child.wait().unwrap().success(), "{}", rest.join("\n"));
    // Of a session, not of the run: the next one serves nothing.
    let again = place.generate(&slow, &["--target", "201", "--budget", "5"]);
    again.assert_code(0);
    assert!(!again.talk().contains("metrics"), "{}", again.talk());
    place.generate(&slow, &["--metrics", "example.org:1"]).assert_code(2).assert_says("metrics");
}
