//! The main job: from seed tasks to an exported data set.

use std::collections::HashSet;

use instructmill::simulator::SimulatorSettings;
use serde_json::json;

use super::support::{Place, Server, assert_books_balance, money, settings, usd};

#[test]
fn without_a_key_the_run_is_simulated_and_says_so_everywhere() {
    let place = Place::new();
    let args = ["generate", "--yes", "--target", "60", "--output", "tasks.json"];
    let args = [&args[..], &["--simulated-latency-ms", "0"]].concat();
    let ended = place.run(&args);
    ended.assert_code(0).assert_says("SIMULATED").assert_says("60 of 60 wanted");
    let tasks: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(place.path("tasks.json")).unwrap()).unwrap();
    assert_eq!(tasks.len(), 60);
    let distinct: HashSet<&str> =
        tasks.iter().map(|t| t["instruction"].as_str().unwrap()).collect();
    assert_eq!(distinct.len(), 60);
    let summary = std::fs::read(place.path("output/simulated/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(summary["simulated"], true);
    assert_eq!(summary["stop_reason"], "target");

    // The same command again has nothing to do and buys nothing.
    place.run(&args).assert_code(0);
    let again = std::fs::read(place.path("output/simulated/summary.json")).unwrap();
    let again: serde_json::Value = serde_json::from_slice(&again).unwrap();
    assert_eq!(again["requests"], summary["requests"]);
}

#[test]
fn a_run_against_a_simulator_elsewhere_says_so_everywhere() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let args = ["--target", "20", "--budget", "1", "--output", "tasks.json"];
    place.generate(&server, &args).assert_code(0).assert_says("SIMULATED");
    let summary = std::fs::read(place.path("run/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!((&summary["simulated"], &summary["provider"]), (&json!(true), &json!("openai")));
    // A session that asks nothing does not forget it.
    place.generate(&server, &args).assert_code(0);
    assert_eq!(place.status()["simulated"], true);
    for command in [
        &["export", "--output", "tasks.jsonl"][..],
        &["export", "--format", "hf", "--output", "card"],
        &["replay", "--output", "replayed.json"],
    ] {
        let ended = place.run(&[command, &["--run", "run"]].concat());
        ended.assert_code(0).assert_says("SIMULATED");
    }
    place.run(&["report", "--run", "run", "--output", "report.html"]).assert_code(0);
    for (file, words) in [("card/README.md", "SIMULATED"), ("report.html", "<title>SIMULATED")] {
        assert!(std::fs::read_to_string(place.path(file)).unwrap().contains(words), "{file}");
    }
}

#[test]
fn a_simulated_run_that_goes_on_gets_new_answers() {
    let place = Place::new();
    let run = |target: &str| {
        let args = ["generate", "--run", "run", "--provider", "simulated", "--target", target];
        place.run(&[&args[..], &["--simulated-latency-ms", "0"]].concat()).assert_code(0);
        place.status()["acceptance_rate"].as_f64().unwrap()
    };
    let (first, both) = (run("300"), run("600"));
    assert!(both > first - 0.1, "{both} after {first}");
}

#[test]
fn chinese_seeds_bring_chinese_tasks_that_repeat_themselves_slowly() {
    let place = Place::new();
    let seeds: Vec<_> = [
        ("解释一下潮汐是怎么形成的。", "潮汐主要由月球和太阳的引力引起，海水随之涨落。"),
        ("写一首关于秋天的短诗。", "落叶铺满小路，凉风吹过树梢，大雁向南飞去。"),
        ("给出三条保持健康的建议。", "按时睡觉，多吃蔬菜，每天坚持锻炼。"),
        ("说明怎样给自行车补胎。", "拆下轮胎，找到破洞，打磨后贴上补片，再充气检查。"),
    ]
    .map(|(instruction, output)| json!({"instruction": instruction, "output": output}))
    .into();
    place.write("seeds.json", json!(seeds).to_string());
    for template in ["json", "alpaca"] {
        let base = ["generate", "--run", "run", "--provider", "simulated", "--target", "400"];
        let seeds = ["--seeds", "seeds.json", "--num-examples", "3", "--template", template];
        let rest = [&seeds[..], &["--simulated-latency-ms", "0"]].concat();
        place.run(&[&base[..], &rest[..]].concat()).assert_code(0);
        for task in place.export() {
            let instruction = task["instruction"].as_str().unwrap();
            assert!(instruction.chars().any(|c| c > '\u{4e00}'), "{instruction}");
        }
        let status = place.status();
        let duplicates = status["rejections"]["novelty"]["rouge-l-unicode"].as_f64().unwrap();
        let share = duplicates / status["candidates"].as_f64().unwrap();
        assert!((0.05..0.3).contains(&share), "{status}");
        std::fs::remove_dir_all(place.path("run")).unwrap();
    }
}

#[test]
fn a_run_reaches_its_target_exactly_and_its_ledger_is_the_bill() {
    let (place, server) = (Place::new(), Server::start(settings()));
    place.generate(&server, &["--target", "150", "--budget", "5"]).assert_code(0);
    let status = place.status();
    assert_eq!(status["accepted"], 150);
    assert_eq!(status["stop_reason"], "target");
    assert_eq!(money(&status, "spent_usd"), server.bill().cost);
    assert_eq!(place.export().len(), 150);
    place.assert_replays();

    // A higher target goes on, first with what is bought already.
    place.generate(&server, &["--target", "300", "--budget", "5"]).assert_code(0);
    assert_eq!(place.status()["accepted"], 300);
    assert_eq!(money(&place.status(), "spent_usd"), server.bill().cost);
    place.assert_replays();

    place.generate(&server, &["--target", "10"]).assert_code(2).assert_says("raise --target");
}

#[test]
fn the_budget_is_a_hard_cap_and_a_success() {
    let (place, server) = (Place::new(), Server::start(settings()));
    // One request is bounded by some 4,000 output tokens, $0.008, and costs about $0.003.
    let args =
        ["--target", "100000", "--budget", "0.1", "--concurrency", "50", "--phases", "tasks"];
    place.generate(&server, &args).assert_code(0);
    let status = place.status();
    assert_eq!(status["stop_reason"], "budget");
    assert_books_balance(&status, &server.bill());
    assert_eq!(money(&status, "spent_usd"), server.bill().cost);
    assert!(money(&status, "spent_usd") > usd("0.085"), "{status}");

    let tight = Place::new();
    let args = ["--target", "10", "--budget", "0.001"];
    tight.generate(&server, &args).assert_code(2).assert_says("worst case of one request");
}

#[test]
fn requests_can_be_counted_out() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let args = ["--target", "100000", "--budget", "5", "--max-requests", "7", "--phases", "tasks"];
    place.generate(&server, &args).assert_code(0);
    let status = place.status();
    assert_eq!((&status["requests"], &status["stop_reason"]), (&json!(7), &json!("max_requests")));
    place.generate(&server, &args).assert_code(0);
    assert_eq!(server.bill().requests, 7);
}

#[test]
fn legacy_completions_speak_the_numbered_format() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let args = ["--provider", "openai-completions", "--target", "50", "--budget", "5"];
    place.generate(&server, &args).assert_code(0);
    assert_eq!(place.export().len(), 50);
    assert_eq!(server.journal()[0]["path"], "/v1/completions");
    place.assert_replays();
}

#[test]
fn parameters_that_a_model_does_not_take_are_left_out() {
    let reject_params = ["max_tokens", "response_format", "temperature"].map(str::to_owned);
    let server =
        Server::start(SimulatorSettings { reject_params: reject_params.into(), ..settings() });
    let place = Place::new();
    place.generate(&server, &["--target", "30", "--budget", "5"]).assert_code(0);
    assert_eq!(place.status()["accepted"], 30);
    // Three lessons, each paid with one refusal that cost nothing.
    assert!(server.bill().refused <= 3, "{:?}", server.bill());
}

#[test]
fn a_run_goes_on_only_with_the_settings_it_began_with() {
    let (place, server) = (Place::new(), Server::start(settings()));
    place.write("mill.toml", "target = 20\nbudget = 5.0\nthreshold = 0.6\n");
    place.generate(&server, &["--config", "mill.toml"]).assert_code(0);
    let requests = server.bill().requests;
    place
        .generate(&server, &["--config", "mill.toml", "--threshold", "0.9", "--target", "40"])
        .assert_code(2)
        .assert_says("threshold was 0.6 and is now 0.9")
        .assert_says("hint:");
    assert_eq!(server.bill().requests, requests);
    // What is not said again stays as it was.
    place.generate(&server, &["--target", "40"]).assert_code(0);
    assert_eq!(place.status()["budget_usd"], "5");
}

#[test]
fn chinese_seed_tasks_choose_the_unicode_similarity() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let seeds: Vec<String> =
        ["写一首关于秋天的诗", "解释潮汐是怎样形成的", "把这句话翻译成英文", "给出三个省电的建议"]
            .iter()
            .map(|text| json!({"instruction": text, "output": "好的。"}).to_string())
            .collect();
    place.write("zh.jsonl", seeds.join("\n"));
    let args = ["--seeds", "zh.jsonl", "--num-examples", "3", "--target", "40", "--budget", "5"];
    place.generate(&server, &args).assert_code(0).assert_says("rouge-l-unicode");
    assert_eq!(place.export().len(), 40);
    place.assert_replays();
}

#[test]
fn a_replay_under_other_rules_costs_nothing() {
    let (place, server) = (Place::new(), Server::start(settings()));
    place.generate(&server, &["--target", "200", "--budget", "5"]).assert_code(0);
    let requests = server.bill().requests;
    let strict = ["replay", "--run", "run", "--threshold", "0.3", "--output", "-", "--format"];
    let ended = place.run(&[&strict[..], &["jsonl"]].concat());
    ended.assert_code(0).assert_says("other tasks than in the run");
    let lines = ended.stdout().lines().count();
    assert!((1..200).contains(&lines), "{lines}");
    assert_eq!(server.bill().requests, requests);
    // The run itself is as it was.
    place.assert_replays();
}

#[test]
fn every_export_has_every_task_and_its_provenance_when_asked() {
    let (place, server) = (Place::new(), Server::start(settings()));
    place.generate(&server, &["--target", "25", "--budget", "5"]).assert_code(0);
    for format in ["jsonl", "messages"] {
        let ended = place.run(&["export", "--run", "run", "--format", format]);
        assert_eq!(ended.stdout().lines().count(), 25);
        let args = ["export", "--run", "run", "--format", format, "--with-similarity"];
        let text = place.run(&args).stdout();
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let similar = last["most_similar_instructions"].as_object().unwrap();
        assert_eq!(similar.len(), 10);
        // Each is no duplicate of the others, and the average is over all.
        assert!(similar.values().all(|score| score.as_f64().unwrap() <= 0.7));
        assert!(last["avg_similarity_score"].as_f64().unwrap() < 0.3);
    }
    let args =
        ["export", "--run", "run", "--format", "jsonl", "--with-provenance", "-o", "t.jsonl"];
    place.run(&args).assert_code(0);
    let text = std::fs::read_to_string(place.path("t.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["provenance"]["model"], "m");
    assert_eq!(first["provenance"]["examples"].as_array().unwrap().len(), 8);
}
