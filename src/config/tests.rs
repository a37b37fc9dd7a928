//! What a configuration becomes, and how mistakes are answered.

use super::*;

fn resolve_with(settings: Settings, key: Option<&str>) -> Result<RunConfig, ConfigError> {
    let get = |name: &str| key.filter(|_| name == "OPENAI_API_KEY").map(str::to_owned);
    RunConfig::resolve(settings, Environment { get: &get })
}

fn resolve(settings: Settings) -> Result<RunConfig, ConfigError> {
    resolve_with(settings, None)
}

fn money(text: &str) -> Option<Money> {
    text.parse().ok()
}

fn real() -> Settings {
    Settings { model: Some("gpt-4o-mini".into()), budget: money("5"), ..Settings::default() }
}

#[test]
fn without_a_key_or_a_model_the_run_is_simulated() {
    let config = resolve(Settings::default()).unwrap();
    assert!(config.source.is_simulated());
    assert_eq!(config.budget, Some("5".parse().unwrap()));
    assert_eq!(
        (config.target, config.rules.duplicates.to_string()),
        (100, "rouge-l above 0.7".into())
    );
    assert_eq!(config.request.template.name(), "json");
}

#[test]
fn every_setting_is_given_once_resolved() {
    let config = resolve_with(real(), Some("sk-test-0123456789")).unwrap();
    assert_eq!(config.source.name(), "openai");
    assert_eq!(config.price.output, Usd::from_pico(600_000));
    let stored = config.settings.to_json();
    for key in ["provider", "model", "template", "num_examples", "similarity", "threshold", "seed"]
    {
        assert!(stored.get(key).is_some(), "{key}");
    }
    assert!(!stored.to_string().contains("sk-test"));
    assert!(!format!("{config:?}").contains("sk-test-0123456789"));
}

#[test]
fn a_model_of_reasoning_takes_no_temperature() {
    let settings = Settings { model: Some("gpt-5-mini".into()), ..real() };
    let config = resolve_with(settings, Some("sk-test-0123456789")).unwrap();
    assert!(config.request.quirks.max_completion_tokens && !config.request.quirks.sampling);
}

/// The messages that people read; each names the flag and the mend.
#[test]
fn mistakes_are_answered_before_anything_is_sent() {
    let key = Some("sk-test-0123456789");
    let error = |settings: Settings| resolve_with(settings, key).unwrap_err().to_string();
    insta::assert_snapshot!(
        resolve(real()).unwrap_err(),
        @"no API key: set the environment variable OPENAI_API_KEY, or name another with --api-key-env"
    );
    insta::assert_snapshot!(
        error(Settings::default()),
        @"no model is named: give --model NAME (or --provider simulated for a rehearsal)"
    );
    insta::assert_snapshot!(
        error(Settings { budget: None, ..real() }),
        @"--budget is required: `gpt-4o-mini` costs money. Give the most that may be spent, in USD"
    );
    insta::assert_snapshot!(
        error(Settings { budget: money("0"), ..real() }),
        @"--budget: a budget of 0 buys nothing: give an amount in USD"
    );
    insta::assert_snapshot!(
        error(Settings { model: Some("gpt-4o-minni".into()), ..real() }),
        @"the price of `gpt-4o-minni` is not known: give --price-in and --price-out in USD per million tokens (0 for a server of your own), the table's name of it with --price-model, or a newer table with --prices. The table has gpt-4o-mini, gpt-4.1-mini, gpt-5.4-mini"
    );
    insta::assert_snapshot!(
        error(Settings { threshold: Some(f64::NAN), ..real() }),
        @"--threshold: `NaN` is no threshold for `rouge-l`: give a number above 0 and at most 1, as in rouge-l@0.7"
    );
    insta::assert_snapshot!(
        error(Settings { price_in: money("1"), ..real() }),
        @"--price-out: needed beside --price-in, in USD per million tokens"
    );
    insta::assert_snapshot!(
        error(Settings { rpm: Some(0), ..real() }),
        @"--rpm: 0 would send nothing: leave it out for no limit"
    );
    insta::assert_snapshot!(
        error(Settings { target: Some(0), ..real() }),
        @"--target: must be at least 1"
    );
    insta::assert_snapshot!(
        error(Settings { provider: Some("opanai".into()), ..real() }),
        @"--provider: `opanai` is not known: did you mean `openai`?"
    );
    insta::assert_snapshot!(
        error(Settings { base_url: Some("api.openai.com".into()), ..real() }),
        @"--base-url: the base URL must start with http:// or https://, as in https://api.openai.com/v1"
    );
}

#[test]
fn a_server_on_this_machine_needs_no_key_but_a_price() {
    let settings = Settings {
        model: Some("smollm2".into()),
        base_url: Some("http://127.0.0.1:8091/v1".into()),
        ..Settings::default()
    };
    assert!(matches!(resolve(settings.clone()), Err(ConfigError::UnknownPrice { .. })));
    let free = Settings { price_in: money("0"), price_out: money("0"), ..settings };
    let config = resolve(free).unwrap();
    assert_eq!(config.budget, None);
    assert!(config.price.is_free());
}

/// What a configuration is asked of with these variables set.
fn with_variables(settings: Settings, set: &[(&str, &str)]) -> Result<RunConfig, ConfigError> {
    let get = |name: &str| {
        set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    RunConfig::resolve(settings, Environment { get: &get })
}

#[test]
fn a_model_of_the_table_says_whose_it_is() {
    let keys = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "DEEPSEEK_API_KEY"];
    let keys = keys.map(|name| (name, "sk-test-0123456789"));
    let of = |model: &str| {
        let settings = Settings { model: Some(model.into()), ..real() };
        let config = with_variables(settings, &keys).unwrap();
        (config.source.name(), config.model)
    };
    assert_eq!(of("gpt-4o-mini"), ("openai", "gpt-4o-mini".into()));
    assert_eq!(of("o1-pro"), ("openai-responses", "o1-pro".into()));
    assert_eq!(of("babbage-002"), ("openai-completions", "babbage-002".into()));
    assert_eq!(of("claude-haiku-4-5"), ("anthropic", "claude-haiku-4-5".into()));
    assert_eq!(of("gemini-2.5-flash"), ("gemini", "gemini-2.5-flash".into()));
    assert_eq!(of("gemini/gemini-2.5-flash"), ("gemini", "gemini-2.5-flash".into()));
    assert_eq!(of("deepseek-chat"), ("deepseek", "deepseek-chat".into()));
}

#[test]
fn whose_a_model_is_must_be_clear() {
    let error = |settings: Settings, set: &[(&str, &str)]| {
        with_variables(settings, set).unwrap_err().to_string()
    };
    let model = |name: &str| Settings { model: Some(name.into()), ..real() };
    let provider = |name: &str, model: &str| Settings {
        provider: Some(name.into()),
        model: Some(model.into()),
        ..real()
    };
    insta::assert_snapshot!(error(model("gpt-oss-120b"), &[]), @"`gpt-oss-120b` is served by cerebras, groq, together: name one with --provider");
    insta::assert_snapshot!(error(provider("azure", "mine"), &[]), @"no address is known: give --base-url, or set AZURE_OPENAI_ENDPOINT");
    let key = [("GROQ_API_KEY", "gsk-0123456789"), ("GEMINI_API_KEY", "AIza-0123456789")];
    insta::assert_snapshot!(error(provider("groq", "gpt-4o-mini"), &key), @"the price of `gpt-4o-mini` is not known: give --price-in and --price-out in USD per million tokens (0 for a server of your own), the table's name of it with --price-model, or a newer table with --prices");
    insta::assert_snapshot!(error(provider("gemini", "gemini-exp-1206"), &key), @"the bundled price table (LiteLLM 1.109.1, November 2026) says that `gemini-exp-1206` costs nothing, which is also what it says of models whose price is not known: give --price-in and --price-out in USD per million tokens (0 if it is free indeed)");
    let absurd = Settings { price_in: money("0.00000015"), price_out: money("1"), ..real() };
    insta::assert_snapshot!(error(absurd, &[("OPENAI_API_KEY", "sk-0123456789")]), @"--price-in: 0.00000015 USD per million tokens is far below any model that is sold: give the price of a million tokens, not of one token or of a thousand (0 for what is free)");
}

#[test]
fn a_deployment_is_priced_as_its_model() {
    let settings = Settings {
        provider: Some("azure".into()),
        model: Some("my-deployment".into()),
        price_model: Some("azure/gpt-4o-mini".into()),
        ..real()
    };
    let set = [
        ("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/"),
        ("AZURE_OPENAI_API_KEY", "0123456789abcdef"),
    ];
    let config = with_variables(settings, &set).unwrap();
    let known = crate::ledger::PriceTable::bundled().lookup("azure/gpt-4o-mini").unwrap().unwrap();
    assert_eq!((config.price, config.model), (known.price, "my-deployment".to_owned()));
}

#[test]
fn a_server_of_ones_own_is_free_on_this_machine_only() {
    let at = |url: Option<&str>| {
        with_variables(
            Settings {
                provider: Some("ollama".into()),
                model: Some("llama3.2".into()),
                base_url: url.map(str::to_owned),
                ..Settings::default()
            },
            &[],
        )
    };
    let config = at(None).unwrap();
    assert!(config.price.is_free() && config.budget.is_none());
    let elsewhere = at(Some("http://10.0.0.7:11434/v1"));
    assert!(matches!(elsewhere, Err(ConfigError::UnknownPrice { .. })), "{elsewhere:?}");
}

#[test]
fn what_is_known_of_a_model_can_be_overruled() {
    let settings = Settings { model: Some("gpt-5-mini".into()), ..real() };
    let quirks =
        |settings| resolve_with(settings, Some("sk-test-0123456789")).unwrap().request.quirks;
    let known = quirks(settings.clone());
    assert!(known.max_completion_tokens && !known.sampling && known.system_messages);
    let said = quirks(Settings {
        sampling: Some(true),
        system_messages: Some(false),
        max_completion_tokens: Some(false),
        response_schema: Some(false),
        ..settings
    });
    assert!(said.sampling && !said.system_messages);
    assert!(!said.max_completion_tokens && !said.response_schema);
}

fn two_phases(table: PhaseSettings) -> Settings {
    let phases = Some(TWO_PHASES.to_owned());
    Settings { phases, responses: Some(table), ..real() }
}

#[test]
fn two_phases_of_one_model_share_a_lane_and_its_limits() {
    let key = Some("sk-test-0123456789");
    let config = resolve_with(two_phases(PhaseSettings::default()), key).unwrap();
    let responses = config.responses.as_ref().unwrap();
    assert!(responses.same_lane);
    assert_eq!((responses.tasks_per_request, responses.max_output_tokens), (1, 2_000));
    assert_eq!((config.request.tasks_per_request, config.request.max_output_tokens), (20, 4_000));

    let apart = PhaseSettings { rpm: Some(10), ..PhaseSettings::default() };
    let config = resolve_with(two_phases(apart), key).unwrap();
    assert!(!config.responses.as_ref().unwrap().same_lane);
    assert_eq!(config.pace.limits.requests_per_minute, None);
}

#[test]
fn a_stronger_model_writes_the_outputs_at_its_own_price() {
    let key = Some("sk-test-0123456789");
    let strong = PhaseSettings { model: Some("gpt-4o".into()), ..PhaseSettings::default() };
    let config = resolve_with(two_phases(strong), key).unwrap();
    assert_eq!((config.model.as_str(), config.output_model()), ("gpt-4o-mini", "gpt-4o"));
    assert!(config.api(Phase::Responses).price.output > config.price.output);
    assert_eq!(config.api(Phase::Instructions).price.output, config.price.output);
}

/// What a run stores leads to the same configuration when it goes on.
#[test]
fn two_phases_resolve_to_themselves() {
    let key = Some("sk-test-0123456789");
    let table = PhaseSettings {
        model: Some("gpt-4o".into()),
        system: Some("Be brief.".into()),
        ..PhaseSettings::default()
    };
    let instructions = PhaseSettings { temperature: Some(1.2), ..PhaseSettings::default() };
    let said = Settings { instructions: Some(instructions), ..two_phases(table) };
    let first = resolve_with(said.clone(), key).unwrap();
    let again = resolve_with(said.or(first.settings.clone()), key).unwrap();
    assert_eq!(again.settings, first.settings);
    assert_eq!(again.settings.changes_since(&first.settings), []);
    let alone = resolve_with(first.settings.clone(), key).unwrap();
    assert_eq!(alone.settings, first.settings);
    assert!((alone.request.temperature - 1.2).abs() < 1e-9);
    assert_eq!(first.settings.temperature, None);
}

#[test]
fn long_runs_buy_outputs_apart_where_that_is_cheaper() {
    let key = Some("sk-test-0123456789");
    let phases = |change: fn(&mut Settings)| {
        let mut settings = Settings { target: Some(5_000), ..real() };
        change(&mut settings);
        resolve_with(settings, key).unwrap().settings.phases.unwrap()
    };
    assert_eq!(phases(|_| {}), TWO_PHASES);
    assert_eq!(phases(|s| s.target = Some(4_999)), "tasks");
    assert_eq!(phases(|s| s.template = Some("alpaca".into())), "tasks");
    assert_eq!(phases(|s| s.provider = Some("openai-completions".into())), "tasks");
    assert_eq!(phases(|s| s.compare = Some("all".into())), "tasks");
    assert_eq!(phases(|s| (s.price_in, s.price_out) = (money("0"), money("0"))), "tasks");
    assert_eq!(phases(|s| s.phases = Some("tasks".into())), "tasks");
    let said = |s: &mut Settings| {
        s.target = Some(10);
        s.responses = Some(PhaseSettings::default());
    };
    assert_eq!(phases(said), TWO_PHASES);
}

#[test]
fn tables_of_phases_that_a_run_does_not_have_are_refused() {
    let key = Some("sk-test-0123456789");
    let table = PhaseSettings {
        model: Some("gpt-4o".into()),
        system: Some("Be brief.".into()),
        ..PhaseSettings::default()
    };
    let tasks = Settings { phases: Some("tasks".into()), ..two_phases(table) };
    insta::assert_snapshot!(
        resolve_with(tasks.clone(), key).unwrap_err(),
        @"--phases: a run of `tasks` asks for whole tasks, and responses.system, responses.model would have no effect: leave it out, or take instructions+responses"
    );
    let instructions = Some(PhaseSettings::default());
    let empty = Settings { instructions, responses: None, ..tasks };
    let error = resolve_with(empty, key).unwrap_err().to_string();
    assert!(error.contains("[instructions] would have no effect"), "{error}");
}

#[test]
fn standing_instructions_of_ones_own_are_those_of_what_is_asked_first() {
    let key = Some("sk-test-0123456789");
    let system = |text: &str| Some(text.to_owned());
    let one = Settings { system: system("Bicycles."), ..real() };
    assert_eq!(resolve_with(one, key).unwrap().request.system, system("Bicycles."));
    let two = Settings { system: system("Bicycles."), ..two_phases(PhaseSettings::default()) };
    let config = resolve_with(two.clone(), key).unwrap();
    assert_eq!(config.request.system, system("Bicycles."));
    assert_eq!(config.responses.unwrap().system, None);
    assert_eq!(config.settings.system, system("Bicycles."));
    let table = PhaseSettings { system: system("Bells."), ..PhaseSettings::default() };
    let own = Settings { instructions: Some(table), ..two };
    assert_eq!(resolve_with(own, key).unwrap().request.system, system("Bells."));
    let empty = Settings { system: system(" "), ..real() };
    assert!(resolve_with(empty, key).unwrap_err().to_string().contains("--system: is empty"));
}

#[test]
fn mistakes_in_a_table_name_it() {
    let key = Some("sk-test-0123456789");
    let error = |table| resolve_with(two_phases(table), key).unwrap_err().to_string();
    insta::assert_snapshot!(
        error(PhaseSettings { max_output_tokens: Some(5), ..PhaseSettings::default() }),
        @"in [responses]: --max-output-tokens: 5 is not between 16 and 16384"
    );
    insta::assert_snapshot!(
        error(PhaseSettings { tasks_per_request: Some(100), ..PhaseSettings::default() }),
        @"in [responses]: --tasks-per-request: 100 outputs of 2000 tokens are more than the 16384 that the model writes in one answer"
    );
}

#[cfg(feature = "tokenizer")]
#[test]
fn a_vocabulary_is_taken_from_its_makers_own_api_or_by_name() {
    let key = Some("sk-test-0123456789");
    let with = |bound: &str, model: &str, base_url: Option<&str>| Settings {
        token_bound: Some(bound.into()),
        model: Some(model.into()),
        base_url: base_url.map(str::to_owned),
        price_in: money("1"),
        price_out: money("2"),
        ..real()
    };
    let encoding = |settings| resolve_with(settings, key).unwrap().encoding;
    assert_eq!(resolve_with(real(), key).unwrap().encoding, None);
    assert_eq!(encoding(with("bytes", "gpt-4o-mini", None)), None);
    assert_eq!(encoding(with("auto", "gpt-4o-mini", None)), Some(Encoding::O200kBase));
    assert_eq!(encoding(with("auto", "gpt-4-turbo", None)), Some(Encoding::Cl100kBase));
    let gateway = Some("https://gateway.example/v1");
    assert_eq!(encoding(with("o200k_base", "mine", gateway)), Some(Encoding::O200kBase));
    let error = |settings| resolve_with(settings, key).unwrap_err().to_string();
    for settings in [with("auto", "gpt-4o-mini", gateway), with("auto", "gpt-9", None)] {
        let error = error(settings);
        assert!(error.contains("no vocabulary is published for"), "{error}");
    }
    insta::assert_snapshot!(
        error(with("p50k_base", "gpt-4o-mini", None)),
        @"--token-bound: `p50k_base` is not known: did you mean `o200k_base`?"
    );
}

/// Another model of the second phase has its own vocabulary, or none.
#[cfg(feature = "tokenizer")]
#[test]
fn a_named_vocabulary_is_not_taken_for_that_of_another_model() {
    let two = |bound: &str, model: &str| {
        let responses = PhaseSettings { model: Some(model.into()), ..PhaseSettings::default() };
        let settings = Settings {
            token_bound: Some(bound.into()),
            phases: Some(TWO_PHASES.into()),
            responses: Some(responses),
            ..real()
        };
        let config = resolve_with(settings, Some("sk-test-0123456789")).unwrap();
        (config.encoding, config.responses.unwrap().encoding)
    };
    let (new, old) = (Some(Encoding::O200kBase), Some(Encoding::Cl100kBase));
    assert_eq!(two("auto", "gpt-4-turbo"), (new, old));
    assert_eq!(two("o200k_base", "gpt-4-turbo"), (new, None));
}
