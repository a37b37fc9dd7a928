//! Prompts with a long constant part: cached where it pays, billed by class, equal to the bill.

use instructmill::simulator::SimulatorSettings;
use serde_json::{Value, json};

use super::secrets::KEY;
use super::support::{Ended, Place, Server, money, settings, usd};

/// A write costs a quarter more than a token, a read a tenth of it.
fn caching_server() -> Server {
    Server::start(SimulatorSettings {
        price_cached: Some(usd("0.0000001")),
        price_cache_write: Some(usd("0.00000125")),
        ..settings()
    })
}

fn generate(place: &Place, server: &Server, provider: &str, more: &str, args: &[&str]) -> Ended {
    let system = "Write tasks about the harbour of an old town and its people. ".repeat(100);
    place.write(
        "mill.toml",
        format!(
            "provider = \"{provider}\"\nmodel = \"m\"\nphases = \"instructions+responses\"\n{more}\n\
             [instructions]\nsystem = \"{system}\"\n[responses]\nsystem = \"{system}\"\n"
        ),
    );
    let entry = |table_name: &str| {
        json!({
            "litellm_provider": table_name,
            "mode": "chat",
            "input_cost_per_token": 1e-6,
            "output_cost_per_token": 2e-6,
            "cache_read_input_token_cost": 1e-7,
            "cache_creation_input_token_cost": 1.25e-6,
        })
    };
    let table = json!({"openai/m": entry("openai"), "anthropic/m": entry("anthropic")});
    place.write("prices.json", table.to_string());
    let base = ["generate", "--run", "run", "--config", "mill.toml", "--prices", "prices.json"];
    let mut command = place.command(&base);
    command.args(["--budget", "5", "--target", "60", "--base-url", &server.base_url()]).args(args);
    Ended(command.env("OPENAI_API_KEY", KEY).env("ANTHROPIC_API_KEY", KEY).output().unwrap())
}

fn tokens(status: &Value, class: &str) -> u64 {
    status["tokens"][class].as_u64().unwrap()
}

#[test]
fn cached_and_written_tokens_are_settled_as_they_are_billed() {
    for (provider, writes) in [("anthropic", true), ("openai", false), ("openai-responses", false)]
    {
        let (place, server) = (Place::new(), caching_server());
        generate(&place, &server, provider, "", &[]).assert_code(0);
        let status = place.status();
        assert_eq!(money(&status, "spent_usd"), server.bill().cost, "{provider}");
        assert!(status["cached_share"].as_f64().unwrap() > 0.5, "{provider}: {status}");
        assert_eq!(tokens(&status, "cache_write") > 0, writes, "{provider}: {status}");
        // The first request of each phase writes, and whatever left before its answer came.
        assert!(tokens(&status, "cache_write") < 4 * 2_000, "{provider}: {status}");
        let shown = place.run(&["status", "--run", "run"]).stdout();
        assert!(shown.contains("of the prompts from the cache"), "{shown}");
    }
}

#[test]
fn nothing_is_marked_when_it_is_switched_off_or_a_price_is_not_known() {
    let (place, server) = (Place::new(), caching_server());
    generate(&place, &server, "anthropic", "prompt_cache = \"off\"", &[]).assert_code(0);
    let status = place.status();
    assert_eq!((tokens(&status, "cache_write"), tokens(&status, "cached_input")), (0, 0));
    assert_eq!(money(&status, "spent_usd"), server.bill().cost);
    let (place, server) = (Place::new(), caching_server());
    let prices = ["--price-in", "1", "--price-out", "2"];
    generate(&place, &server, "anthropic", "", &prices).assert_code(0);
    assert_eq!(tokens(&place.status(), "cache_write"), 0);
    assert_eq!(money(&place.status(), "spent_usd"), server.bill().cost);
}
