//! Outputs bought apart from instructions: `--phases instructions+responses`.
#![cfg(unix)]

use std::collections::{HashMap, HashSet};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use instructmill::simulator::SimulatorSettings;
use serde_json::{Value, json};

use super::support::{Place, Server, assert_books_balance, money, settings, usd};

const TWO: [&str; 2] = ["--phases", "instructions+responses"];

fn two<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&TWO[..], args].concat()
}

/// The billed requests of a server, by what they asked for.
fn billed(server: &Server) -> (usize, usize) {
    let billed: Vec<Value> =
        server.journal().into_iter().filter(|entry| entry["billed"] == true).collect();
    let outputs = billed.iter().filter(|entry| entry["prompt_tokens"].as_u64() < Some(250)).count();
    (billed.len() - outputs, outputs)
}

fn assert_whole_and_distinct(tasks: &[Value], count: usize) {
    let distinct: HashSet<&str> =
        tasks.iter().map(|task| task["instruction"].as_str().unwrap()).collect();
    assert_eq!((tasks.len(), distinct.len()), (count, count));
    assert!(tasks.iter().all(|task| !task["output"].as_str().unwrap().is_empty()));
}

#[test]
fn outputs_are_bought_for_what_passed_only() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let ended = place.generate(&server, &two(&["--target", "300", "--budget", "5"]));
    ended.assert_code(0).assert_says("- instructions").assert_says("- responses");
    let status = place.status();
    assert_eq!((&status["accepted"], &status["stop_reason"]), (&json!(300), &json!("target")));
    assert_eq!(money(&status, "spent_usd"), server.bill().cost);
    assert_whole_and_distinct(&place.export(), 300);
    place.assert_replays();

    // Duplicates cost no output: beside the accepted ones only those whose output was rejected,
    // and the few that were under way at the end.
    let (_, outputs) = billed(&server);
    let at_output = ["parse", "filter"].map(|stage| {
        let rules = status["rejections"][stage].as_object().unwrap();
        ["empty_response", "empty_output", "refusal", "placeholder"]
            .map(|rule| rules.get(rule).and_then(Value::as_u64).unwrap_or(0))
    });
    let rejected: u64 = at_output.concat().iter().sum();
    assert!(
        (300 + rejected..300 + rejected + 33).contains(&(outputs as u64)),
        "{outputs} {status}"
    );
    let phases = &status["phases"];
    let spent = ["instructions", "responses"].map(|phase| money(&phases[phase], "spent_usd"));
    assert_eq!(spent[0].saturating_add(spent[1]), server.bill().cost);

    // A higher target goes on, first with what is bought already.
    place.generate(&server, &["--target", "500", "--budget", "5"]).assert_code(0);
    assert_whole_and_distinct(&place.export(), 500);
    assert_eq!(money(&place.status(), "spent_usd"), server.bill().cost);
    place.assert_replays();
}

#[test]
fn both_requests_of_a_task_are_known() {
    let (place, server) = (Place::new(), Server::start(settings()));
    place.generate(&server, &two(&["--target", "30", "--budget", "5"])).assert_code(0);
    let ended = place.run(&["export", "--run", "run", "--format", "jsonl", "--with-provenance"]);
    let mut openings = HashSet::new();
    for line in ended.stdout().lines() {
        let task: Value = serde_json::from_str(line).unwrap();
        let from = &task["provenance"];
        assert_eq!(from["examples"].as_array().unwrap().len(), 8);
        assert!(from["instruction"]["response"].as_u64() < from["response"].as_u64(), "{from}");
        assert!(openings.insert(from["instruction"].to_string()), "{from}");
        assert!(usd(from["cost_usd"].as_str().unwrap()) > usd("0"));
    }
    assert_eq!(openings.len(), 30);
}

#[test]
fn several_outputs_a_request_and_another_model_for_them() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let strong = Server::start(SimulatorSettings { model: Some("strong".into()), ..settings() });
    place.write(
        "mill.toml",
        format!(
            "phases = \"instructions+responses\"\ntarget = 120\nbudget = 5\n[responses]\n\
             model = \"strong\"\nbase_url = \"{}\"\nprice_in = 1\nprice_out = 2\n\
             tasks_per_request = 4\nconcurrency = 3\nsystem = \"Be brief.\"\n",
            strong.base_url()
        ),
    );
    let ended = place.generate(&server, &["--config", "mill.toml"]);
    ended.assert_code(0).assert_says("responses: openai · strong");
    assert_whole_and_distinct(&place.export(), 120);
    let status = place.status();
    let spent = |phase: &str| money(&status["phases"][phase], "spent_usd");
    assert_eq!(spent("instructions"), server.bill().cost);
    assert_eq!(spent("responses"), strong.bill().cost);
    assert!(strong.bill().requests < 45 && strong.bill().max_in_flight <= 3, "{:?}", strong.bill());
    place.assert_replays();

    place.write("other.toml", "[responses]\nmodel = \"stronger\"\n");
    let args = ["--config", "other.toml", "--target", "200"];
    place
        .generate(&server, &args)
        .assert_code(2)
        .assert_says("responses.model was \"strong\" and is now \"stronger\"");
    let args = ["--phases", "tasks", "--target", "200"];
    place.generate(&server, &args).assert_code(2).assert_says("phases was");
}

#[test]
fn at_the_end_of_the_budget_the_outputs_that_are_owed_are_bought() {
    for concurrency in ["1", "50"] {
        let (place, server) = (Place::new(), Server::start(settings()));
        let args = ["--target", "100000", "--budget", "0.3", "--concurrency", concurrency];
        let limits = ["--responses-max-output-tokens", "200", "--max-output-tokens", "2000"];
        place.generate(&server, &two(&[&args[..], &limits[..]].concat())).assert_code(0);
        let status = place.status();
        assert_eq!(status["stop_reason"], "budget");
        assert_books_balance(&status, &server.bill());
        assert_eq!(money(&status, "spent_usd"), server.bill().cost);
        assert_eq!(status["open_tasks"], 0, "{status}");
        assert!(money(&status, "spent_usd") > usd("0.26"), "{status}");
        place.assert_replays();
    }
}

#[test]
fn an_output_that_was_cut_is_turned_away_and_not_bought_again() {
    let faults = "length:0.3".parse().unwrap();
    let (place, server) = (Place::new(), Server::start(SimulatorSettings { faults, ..settings() }));
    place.generate(&server, &two(&["--target", "100", "--budget", "5"])).assert_code(0);
    let status = place.status();
    assert!(status["rejections"]["parse"]["truncated"].as_u64() > Some(20), "{status}");
    assert_eq!(money(&status, "spent_usd"), server.bill().cost);
    assert_outputs_asked_once(&place);
    place.assert_replays();
}

/// Of every open task at most one request was answered.
fn assert_outputs_asked_once(place: &Place) {
    let database = rusqlite::Connection::open(place.path("run/run.db")).unwrap();
    let mut statement = database
        .prepare(
            "SELECT q.tasks FROM responses r JOIN requests q ON q.request_index = r.request_index
             WHERE q.phase = 'responses'",
        )
        .unwrap();
    let mut answered: HashMap<String, u32> = HashMap::new();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    for tasks in rows {
        for task in tasks.unwrap().split_whitespace() {
            *answered.entry(task.to_owned()).or_default() += 1;
        }
    }
    assert!(!answered.is_empty());
    assert!(answered.values().all(|times| *times == 1), "{answered:?}");
}

#[test]
fn every_fault_is_survived_and_paid_for_once() {
    let faults = "429:0.05,500:0.05,drop:0.02,garbage:0.02,no-usage:0.02,empty:0.02,refusal:0.02";
    let faults = faults.parse().unwrap();
    let (place, server) = (Place::new(), Server::start(SimulatorSettings { faults, ..settings() }));
    place.generate(&server, &two(&["--target", "400", "--budget", "20"])).assert_code(0);
    assert_whole_and_distinct(&place.export(), 400);
    assert_books_balance(&place.status(), &server.bill());
    assert_outputs_asked_once(&place);
    place.assert_replays();
}

#[test]
fn killed_ten_times_no_output_is_lost_or_bought_twice() {
    const ARGS: [&str; 6] = ["--target", "1200", "--budget", "20", "--concurrency", "16"];
    let slow = SimulatorSettings { latency_ms: 30, ..settings() };
    let (place, server) = (Place::new(), Server::start(slow));
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..10 {
        let mut command = place.generate_command(&server, &two(&ARGS));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for_requests(&server, &mut child, random.u64(1..120));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place.generate(&server, &two(&ARGS)).assert_code(0);

    let status = place.status();
    assert_eq!(status["accepted"], 1_200);
    assert_books_balance(&status, &server.bill());
    assert_whole_and_distinct(&place.export(), 1_200);
    assert_outputs_asked_once(&place);
    let mut keys = HashSet::new();
    for entry in server.journal() {
        if entry["billed"] == true {
            assert!(keys.insert(entry["idempotency_key"].to_string()), "{entry}");
        }
    }
    place.assert_replays();
}

fn wait_for_requests(server: &Server, child: &mut Child, more: u64) {
    let goal = server.bill().requests + more;
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.bill().requests < goal && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "no progress");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_replay_under_other_rules_keeps_outputs_with_their_instructions() {
    let (place, server) = (Place::new(), Server::start(settings()));
    place.generate(&server, &two(&["--target", "150", "--budget", "5"])).assert_code(0);
    let of = |tasks: &[Value]| -> HashMap<String, String> {
        let text = |task: &Value, key: &str| task[key].as_str().unwrap().to_owned();
        tasks.iter().map(|task| (text(task, "instruction"), text(task, "output"))).collect()
    };
    let live = of(&place.export());
    let args = ["replay", "--run", "run", "--threshold", "0.4", "--output", "-"];
    let strict: Vec<Value> = serde_json::from_str(&place.run(&args).stdout()).unwrap();
    let strict = of(&strict);
    // The strict rules also reach outputs that were bought and not needed.
    let common = strict.iter().filter(|(instruction, _)| live.contains_key(*instruction));
    assert!((20..150).contains(&common.clone().count()), "{}", strict.len());
    for (instruction, output) in common {
        assert_eq!(live.get(instruction), Some(output), "{instruction}");
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_sent() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let refused = |args: &[&str]| place.generate(&server, &two(args));
    let alpaca = ["--template", "alpaca", "--budget", "1"];
    refused(&alpaca).assert_code(2).assert_says("always asks for whole tasks");
    let all = ["--compare", "all", "--budget", "1"];
    refused(&all).assert_code(2).assert_says("no output yet");
    place.write("mill.toml", "[responses]\ntemprature = 1\n");
    let unknown = ["--config", "mill.toml", "--budget", "1"];
    refused(&unknown).assert_code(2).assert_says("unknown key `temprature`");
    let unpriced = ["--responses-model", "nobody-knows-it", "--budget", "1"];
    refused(&unpriced).assert_code(2).assert_says("in [responses]: the price of");
    place.write("mill.toml", "[instructions]\nsystem = \"Bicycles.\"\n");
    let one = ["--phases", "tasks", "--config", "mill.toml", "--budget", "1"];
    place.generate(&server, &one).assert_code(2).assert_says("instructions.system would have no");
    assert_eq!(server.bill().requests, 0);
}

#[test]
fn a_run_of_whole_tasks_takes_no_settings_of_phases_and_keeps_its_standing_instructions() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let bicycles = ["--system", "Ask about bicycles.", "--target", "5", "--budget", "1"];
    place.generate(&server, &bicycles).assert_code(0);
    let more = |args: &[&str]| place.generate(&server, &[&["--target", "9"], args].concat());
    let strong = more(&["--responses-model", "strong"]);
    strong.assert_code(2).assert_says("responses.model would have no effect");
    let other = more(&["--system", "Ask about boats."]);
    other.assert_code(2).assert_says("system was \"Ask about bicycles.\" and is now");
    more(&[]).assert_code(0);
    place.assert_replays();
}
