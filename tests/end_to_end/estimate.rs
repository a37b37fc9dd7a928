//! What a run would cost, without a run.

use serde_json::Value;

use super::support::{Ended, Place, usd};

fn estimate(place: &Place, args: &[&str]) -> Value {
    let ended = place.run(&[&["estimate", "--json"][..], args].concat());
    serde_json::from_str(&ended.assert_code(0).stdout()).unwrap()
}

#[test]
fn a_target_has_a_price_and_a_budget_a_size() {
    let place = Place::new();
    let args = ["--model", "gpt-4o-mini", "--target", "1000", "--budget", "2"];
    let estimate = estimate(&place, &args);
    let cost = |case: &str| usd(estimate["cases"][case]["cost_usd"].as_str().unwrap());
    let tasks = |case: &str| estimate["cases"][case]["tasks_for_budget"].as_u64().unwrap();
    assert!(cost("low") < cost("expected") && cost("expected") < cost("high"), "{estimate}");
    assert!(tasks("low") > tasks("expected") && tasks("expected") > tasks("high"), "{estimate}");
    assert!(tasks("high") > 1_000, "{estimate}");
    // No key was there, nothing was sent and nothing is left behind.
    assert_eq!(std::fs::read_dir(place.folder()).unwrap().count(), 0);
}

#[test]
fn two_phases_are_estimated_apart_and_mistakes_are_named() {
    let place = Place::new();
    let both = estimate(&place, &["--model", "gpt-4o-mini", "--target", "52000"]);
    let phases: Vec<&str> =
        both["phases"].as_array().unwrap().iter().map(|p| p["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["instructions", "responses"]);
    assert_eq!(both["cases"]["expected"]["tasks_for_budget"], Value::Null);
    place.run(&["estimate", "--model", "nope"]).assert_code(2).assert_says("price of `nope`");
}

/// A limit on addresses stands for one of a control group, which a test cannot set.
#[test]
#[cfg(target_os = "linux")]
fn memory_that_a_run_will_not_get_is_told_beforehand() {
    let place = Place::new();
    let small = ["--model", "gpt-4o-mini", "--phases", "tasks", "--target", "1000"];
    let large = ["--model", "gpt-4o-mini", "--phases", "tasks", "--target", "1000000"];
    let needed = |args: &[&str]| estimate(&place, args)["memory_bytes"].as_u64().unwrap();
    assert_eq!(needed(&small) * 1_000, needed(&large));
    assert!((1_000_000_000..3_000_000_000).contains(&needed(&large)), "{}", needed(&large));
    for (args, is_told) in [(small, false), (large, true)] {
        let mut command = place.under_limit("ulimit -v 900000");
        let ended = Ended(command.arg("estimate").args(args).output().unwrap());
        let text = ended.assert_code(0).stdout();
        assert_eq!(text.contains("can be had here: the run may"), is_told, "{text}");
    }
    let mut command = place.under_limit("ulimit -v 900000");
    command.args(["generate", "--run", "run", "--provider", "simulated", "--yes"]);
    command.args(["--target", "1000000", "--max-requests", "1"]);
    Ended(command.output().unwrap()).assert_code(0).assert_says("can be had here: the run may");
}
