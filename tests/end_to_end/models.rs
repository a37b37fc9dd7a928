//! The price table, searched and compared.

use serde_json::{Value, json};

use super::support::Place;

#[test]
fn the_table_is_searched_and_shown_with_its_date() {
    let place = Place::new();
    let found = place.run(&["models", "gpt-4o-mini", "azure"]);
    found.assert_code(0);
    let text = found.stdout();
    assert!(text.starts_with("MODEL") && text.contains("azure/gpt-4o-mini "), "{text}");
    assert!(text.contains("LiteLLM 1.109.1, November 2026"), "{text}");
    place.run(&["models", "no", "such", "model"]).assert_code(0).assert_says("no model has");
    let json: Value =
        serde_json::from_str(&place.run(&["models", "gemini-2.5-pro", "--json"]).stdout()).unwrap();
    let model = &json["models"][0];
    assert_eq!(model["model"], "gemini/gemini-2.5-pro");
    let price = &model["usd_per_million_tokens"];
    assert_eq!((&price["input"], &price["output"]), (&json!("1.25"), &json!("10")));
    assert_eq!(price["long_context"]["above_prompt_tokens"], 200_000);
    assert_eq!(price["long_context"]["input"], "2.5");
}

#[test]
fn a_newer_table_is_compared_and_used() {
    let place = Place::new();
    let table = |input: f64| {
        json!({"m": {
            "litellm_provider": "openai",
            "mode": "chat",
            "input_cost_per_token": input,
            "output_cost_per_token": 2e-6,
        }})
    };
    place.write("old.json", table(1e-6).to_string());
    place.write("new.json", table(1.5e-6).to_string());
    place.write("wrong.json", table(0.15).to_string());
    place.write("list.json", "[]");
    let same = place.run(&["models", "--prices", "old.json", "--check", "old.json"]);
    assert!(same.assert_code(0).stdout().contains("1 models are the same, 0 facts differ"));
    let newer = place.run(&["models", "--prices", "old.json", "--check", "new.json"]);
    assert!(newer.assert_code(1).stdout().contains("+ in 1.5 "), "{}", newer.stdout());
    place
        .run(&["models", "--prices", "list.json"])
        .assert_code(2)
        .assert_says("not LiteLLM's format");
    let generate =
        ["generate", "--run", "run", "--model", "m", "--base-url", "http://127.0.0.1:1/v1"];
    place
        .run(&[&generate[..], &["--budget", "1", "--prices", "wrong.json"]].concat())
        .assert_code(2)
        .assert_says("150000 USD per million tokens cannot be right");
}
