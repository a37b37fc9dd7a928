//! Bad input: a clear message, exit code 2, and nothing sent.

use instructmill::simulator::SimulatorSettings;

use super::support::{Ended, Place, Server, settings};

#[track_caller]
fn refused(place: &Place, args: &[&str], says: &str) {
    let server = Server::start(settings());
    let ended = place.generate(&server, args);
    ended.assert_code(2).assert_says(says);
    assert_eq!(server.bill().requests, 0);
}

#[test]
fn flags_that_make_no_sense() {
    let place = Place::new();
    refused(&place, &["--budget", "0"], "buys nothing");
    refused(&place, &["--budget", "NaN"], "is not an amount");
    refused(&place, &["--budget", "-5"], "is negative");
    refused(&place, &[], "--budget is required");
    refused(&place, &["--budget", "5", "--rpm", "-1"], "invalid digit");
    refused(&place, &["--budget", "5", "--rpm", "0"], "leave it out");
    refused(&place, &["--budget", "5", "--target", "0"], "at least 1");
    refused(&place, &["--budget", "5", "--threshold", "1.5"], "at most 1");
    refused(&place, &["--budget", "5", "--similarity", "rogue-l"], "did you mean `rouge-l`?");
    let twice = ["--budget", "5", "--similarity", "rouge-l@0.5", "--threshold", "0.7"];
    refused(&place, &twice, "contradict");
    refused(&place, &["--budget", "5", "--tpm", "500"], "--tpm");
    refused(&place, &["--budget", "5", "--base-url", "http://"], "base URL");
    refused(&place, &["--budget", "5", "--disable-filter", "keywrd"], "keyword");
    refused(&place, &["--budget", "5", "--num-examples", "100", "--seeds", "none"], "none");
}

#[test]
fn seeds_that_cannot_be_used() {
    let place = Place::new();
    let with = |name| ["--budget", "5", "--seeds", name];
    place.write("empty.jsonl", "");
    refused(&place, &with("empty.jsonl"), "empty.jsonl");
    place.write("utf16.jsonl", b"\xff\xfe{\0\"\0".as_slice());
    refused(&place, &with("utf16.jsonl"), "UTF-8");
    place.write("few.jsonl", "{\"instruction\": \"Name a river.\", \"output\": \"The Rhine.\"}\n");
    refused(&place, &with("few.jsonl"), "--num-examples");
    place.write("broken.jsonl", "{\"instruction\": \"Name a river.\", \"output\": \"x\"}\n{oops\n");
    refused(&place, &with("broken.jsonl"), "line 2");
    refused(&place, &with("."), "directory");
}

#[test]
fn configuration_files_that_cannot_be_used() {
    let place = Place::new();
    place.write("bad.toml", "target = 5\nbugdet = 3\n");
    refused(
        &place,
        &["--config", "bad.toml"],
        "line 2: unknown key `bugdet`: did you mean `budget`?",
    );
    refused(&place, &["--config", "missing.toml"], "missing.toml");
}

#[test]
fn directories_that_are_no_runs() {
    let place = Place::new();
    std::fs::create_dir(place.path("foreign")).unwrap();
    place.write("foreign/thesis.txt", "mine");
    refused(&place, &["--budget", "5", "--run", "foreign"], "not a run directory");
    let server = Server::start(settings());
    let args = ["generate", "--run", "foreign", "--model", "m", "--price-in", "0", "--price-out"];
    let base_url = server.base_url();
    let args = [&args[..], &["0", "--base-url", &base_url]].concat();
    place.run(&args).assert_code(2).assert_says("is not a run directory");
    assert_eq!(std::fs::read_dir(place.path("foreign")).unwrap().count(), 1);
    place.run(&["status", "--run", "nowhere"]).assert_code(2).assert_says("there is no run");
    place.run(&["export", "--run", "nowhere"]).assert_code(2);
}

#[test]
fn a_real_api_needs_a_key_a_model_and_a_price() {
    let place = Place::new();
    let run = |args: &[&str]| place.run(&[&["generate", "--run", "run"], args].concat());
    run(&["--model", "gpt-4o-mini", "--budget", "1"]).assert_code(2).assert_says("OPENAI_API_KEY");
    run(&["--provider", "openai"]).assert_code(2);
    let unreachable = ["--base-url", "http://127.0.0.1:1/v1", "--max-attempts", "1"];
    let unpriced = [&["--model", "m"], &unreachable[..]].concat();
    run(&unpriced).assert_code(2).assert_says("price of `m` is not known");
    let priced = [&unpriced[..], &["--price-in", "0", "--price-out", "0"]].concat();
    run(&priced)
        .assert_code(1)
        .assert_says("does not answer")
        .assert_says("hint: check --base-url");
}

#[test]
fn a_refused_command_leaves_the_run_as_it_was() {
    let place = Place::new();
    let server = Server::start(settings());
    let done = ["--budget", "1", "--target", "20"];
    place.generate(&server, &done).assert_code(0);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (before, sent) = (place.status(), server.bill().requests);
    for (args, says) in [
        (["--budget", "1", "--target", "5", "--yes", "--yes"], "raise --target"),
        (["--budget", "0.00001", "--target", "50", "--yes", "--yes"], "raise --budget"),
        (["--budget", "1", "--target", "50", "--metrics", &port], "--metrics another port"),
        (["--budget", "1", "--target", "50", "--output", "none/x.json"], "mkdir -p"),
        (["--budget", "1", "--target", "50", "--tpm", "4000"], "--tpm"),
    ] {
        let args: &[&str] = if args[4] == "--yes" { &args[..4] } else { &args };
        place.generate(&server, args).assert_code(2).assert_says(says);
        assert_eq!(place.status(), before, "{args:?}");
    }
    assert_eq!(server.bill().requests, sent);
    place.generate(&server, &done).assert_code(0);
}

#[test]
fn a_run_that_has_bought_nothing_takes_corrected_settings() {
    let place = Place::new();
    let server = Server::start(SimulatorSettings { model: Some("right".into()), ..settings() });
    let with = |model, budget| {
        let args = ["--model", model, "--budget", budget, "--target", "20", "--seeds", "s.jsonl"];
        let mut command = place.command(&["generate", "--run", "run", "--price-in", "1"]);
        command.args(["--price-out", "2", "--base-url", &server.base_url()]).args(args);
        Ended(command.output().unwrap())
    };
    let bundled = std::fs::read_to_string("seed_tasks/default.jsonl").unwrap();
    place.write("s.jsonl", &bundled);
    with("wrong", "1").assert_code(1).assert_says("--model");
    with("wrong", "0.000001").assert_code(2).assert_says("raise --budget");
    // Nothing follows from the seeds yet either.
    let fewer: String = bundled.lines().skip(5).map(|line| line.to_owned() + "\n").collect();
    place.write("s.jsonl", fewer);
    with("right", "1").assert_code(0);
    place.assert_replays();
    with("wrong", "1").assert_code(2).assert_says("began with other settings");
}
