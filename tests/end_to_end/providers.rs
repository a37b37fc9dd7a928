//! Every wire format against the simulator, which speaks them all: same tasks, exact bill.

use instructmill::provider::{PROVIDERS, Provider};
use instructmill::simulator::SimulatorSettings;
use serde_json::json;

use super::secrets::{KEY, assert_no_key};
use super::support::{Ended, Place, Server, assert_books_balance, money, settings, usd};

/// The base URL of a provider at the simulator.
fn base_url(server: &Server, provider: &dyn Provider) -> String {
    let root = server.base_url().trim_end_matches("/v1").to_owned();
    match provider.name() {
        "gemini" => format!("{root}/v1beta"),
        "azure" => root,
        _ => server.base_url(),
    }
}

/// One provider of each wire format, and one preset for all of them.
fn wire_formats() -> Vec<&'static dyn Provider> {
    let presets = PROVIDERS.iter().filter(|p| p.about().contains("this machine"));
    let own = PROVIDERS.iter().take(6);
    own.chain(presets.take(1)).copied().collect()
}

/// A price table in which the model `m` of every provider costs what the simulator bills.
fn prices() -> String {
    let entry = |table_name: &str| {
        json!({
            "litellm_provider": table_name,
            "mode": "chat",
            "input_cost_per_token": 1e-6,
            "output_cost_per_token": 2e-6,
            "cache_read_input_token_cost": 1.3e-7,
        })
    };
    let names = PROVIDERS.iter().filter_map(|provider| provider.access().table_name);
    let mut table: serde_json::Map<_, _> =
        names.map(|name| (format!("{name}/m"), entry(name))).collect();
    table.insert("priced".to_owned(), entry("openai"));
    serde_json::Value::from(table).to_string()
}

/// `generate` through a provider, with its key in its variable.
fn generate(place: &Place, server: &Server, provider: &dyn Provider, args: &[&str]) -> Ended {
    place.write("prices.json", prices());
    let url = base_url(server, provider);
    let base = ["generate", "--run", "run", "--model", "m", "--budget", "5", "-vvv"];
    let mut command = place.command(&base);
    command.args(["--provider", provider.name(), "--base-url", &url, "--prices", "prices.json"]);
    if provider.access().table_name.is_none() {
        command.args(["--price-model", "priced"]);
    }
    let ended = Ended(command.args(args).env(provider.access().api_key_env, KEY).output().unwrap());
    assert!(assert_no_key(place.folder()) > 1);
    assert!(!(ended.talk() + &ended.stdout()).contains(KEY), "{}", provider.name());
    ended
}

/// Hidden reasoning before each answer, and a third of each prompt from the cache.
fn with_all_classes() -> SimulatorSettings {
    SimulatorSettings {
        price_cached: Some(usd("0.00000013")),
        cached_percent: 33,
        reasoning_tokens: 41,
        api_key: Some(KEY.to_owned()),
        model: Some("m".to_owned()),
        ..settings()
    }
}

#[test]
fn the_ledger_equals_the_bill_to_the_picodollar_through_every_api() {
    for provider in wire_formats() {
        let (place, server) = (Place::new(), Server::start(with_all_classes()));
        generate(&place, &server, provider, &["--target", "40"]).assert_code(0);
        let (status, bill) = (place.status(), server.bill());
        assert_eq!(status["accepted"], 40, "{}", provider.name());
        assert_eq!(money(&status, "spent_usd"), bill.cost, "{}", provider.name());
        assert_eq!(money(&status, "unconfirmed_usd"), usd("0"));
        let usage = &status["tokens"];
        let prompt = ["input", "cached_input", "cache_write"]
            .map(|class| usage[class].as_u64().unwrap())
            .iter()
            .sum::<u64>();
        assert_eq!(
            (prompt, usage["output"].as_u64()),
            (bill.prompt_tokens, Some(bill.completion_tokens))
        );
        assert_eq!(usage["reasoning"], 41 * bill.answered);
        assert!(usage["cached_input"].as_u64().unwrap() > 0);
        place.assert_replays();
    }
}

#[test]
fn limits_and_faults_are_survived_through_every_api() {
    let faults = "429:0.2,503:0.05,500:0.05,error-200:0.05,no-usage:0.1,negative-usage:0.05,length:0.1,empty:0.05,cut:0.05";
    for provider in wire_formats() {
        let faults = faults.parse().unwrap();
        let server = Server::start(SimulatorSettings { seed: 3, faults, ..with_all_classes() });
        let place = Place::new();
        generate(&place, &server, provider, &["--target", "60"]).assert_code(0);
        let status = place.status();
        assert_eq!(status["accepted"], 60, "{}", provider.name());
        assert_books_balance(&status, &server.bill());
        assert!(money(&status, "unconfirmed_usd") > usd("0"), "{}", provider.name());
        place.assert_replays();
    }
}

#[test]
fn what_cannot_succeed_is_told_apart_through_every_api() {
    for provider in wire_formats() {
        let wrong_key = SimulatorSettings { api_key: Some("another".into()), ..with_all_classes() };
        let no_model = SimulatorSettings { model: Some("another".into()), ..with_all_classes() };
        for (settings, hint) in [(wrong_key, "the key was refused"), (no_model, "--model")] {
            let (place, server) = (Place::new(), Server::start(settings));
            let ended = generate(&place, &server, provider, &["--target", "5"]);
            ended.assert_code(1).assert_says("hint: ").assert_says(hint);
            assert_eq!(server.bill().requests, 1, "{}", provider.name());
        }
    }
}

#[test]
fn what_a_model_does_not_take_is_learnt_in_the_words_of_each_api() {
    for (name, rejected) in [
        ("openai-responses", &["temperature", "reasoning.effort", "text.format"][..]),
        ("anthropic", &["temperature", "output_config.effort", "output_config.format"]),
        ("gemini", &["responseJsonSchema", "temperature", "thinkingConfig"]),
        ("azure", &["max_tokens", "temperature", "reasoning_effort"]),
    ] {
        let reject_params = rejected.iter().map(|name| (*name).to_owned()).collect();
        let server = Server::start(SimulatorSettings { reject_params, ..with_all_classes() });
        let place = Place::new();
        let provider = instructmill::provider::by_name(name).unwrap();
        let args = ["--target", "20", "--reasoning-effort", "low"];
        generate(&place, &server, provider, &args).assert_code(0);
        assert_eq!(place.status()["accepted"], 20, "{name}");
        // One free refusal a lesson.
        assert_eq!(server.bill().refused, rejected.len() as u64, "{name}");
    }
}

#[test]
fn answers_lost_to_reasoning_are_counted_and_explained() {
    for provider in wire_formats() {
        let faults = "reasoning:0.5".parse().unwrap();
        let server = Server::start(SimulatorSettings { seed: 2, faults, ..with_all_classes() });
        let place = Place::new();
        let ended = generate(&place, &server, provider, &["--target", "30"]);
        ended.assert_code(0);
        if provider.name() == "openai-completions" {
            continue;
        }
        ended.assert_says("raise --max-output-tokens or lower --reasoning-effort");
        let status = place.status();
        assert!(status.to_string().contains("lost_to_reasoning"), "{status}");
        assert_eq!(money(&status, "spent_usd"), server.bill().cost);
        place.assert_replays();
    }
}

#[test]
fn a_server_of_ones_own_is_free_without_ceremony() {
    for name in ["ollama", "vllm", "llamacpp", "lmstudio"] {
        let (place, server) = (Place::new(), Server::start(settings()));
        let base = ["generate", "--run", "run", "--model", "qwen", "--target", "10"];
        let mut command = place.command(&base);
        command.args(["--provider", name, "--base-url", &server.base_url()]);
        Ended(command.output().unwrap()).assert_code(0);
        let status = place.status();
        assert_eq!((&status["accepted"], money(&status, "spent_usd")), (&json!(10), usd("0")));
    }
}

#[test]
fn a_key_goes_to_its_own_provider_only() {
    let (place, server) = (Place::new(), Server::start(with_all_classes()));
    let url = server.base_url();
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = place.command(&["generate", "--run", "run", "--target", "5"]);
        command.args(["--budget", "1"]).args(args).envs(variables.iter().copied());
        Ended(command.output().unwrap())
    };
    // The model says whose it is, and neither OpenAI's key nor its address has to do with it.
    let openai = [("OPENAI_API_KEY", KEY)];
    run(&["--model", "claude-haiku-4-5"], &openai).assert_code(2).assert_says("ANTHROPIC_API_KEY");
    run(&["--model", "gemini-2.5-flash"], &openai).assert_code(2).assert_says("GEMINI_API_KEY");
    run(&["--model", "m", "--provider", "azure"], &openai)
        .assert_code(2)
        .assert_says("AZURE_OPENAI_ENDPOINT");
    let both = [("OPENAI_BASE_URL", url.as_str()), ("ANTHROPIC_API_KEY", KEY)];
    let elsewhere =
        ["--model", "m", "--provider", "anthropic", "--price-in", "0", "--price-out", "0"];
    let blocked = [&elsewhere[..], &["--base-url", "http://127.0.0.1:1/v1", "--max-attempts", "1"]];
    run(&blocked.concat(), &both).assert_code(1);
    assert_eq!(server.bill().requests, 0);
}
