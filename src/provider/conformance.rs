//! What every provider must hold to, run over its recorded replies (`testdata/`), which are written
//! for these tests after the documented shapes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{PROVIDERS, Provider, Quirks, by_name};
use crate::chat::{CompletionRequest, Message, Prompt, ReasoningEffort, ResponseSchema, Role};

/// The folders of recorded replies, one a wire format.
const FOLDERS: [&str; 4] = ["openai", "openai-responses", "anthropic", "gemini"];

/// The folder of a provider: those without one of their own speak OpenAI chat completions.
fn folder(provider: &dyn Provider) -> &'static str {
    FOLDERS.into_iter().find(|folder| *folder == provider.name()).unwrap_or("openai")
}

/// The recorded replies of a folder as (file name, body), in the order of their names.
fn replies(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/testdata").join(folder);
    let mut replies: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (path.file_stem().unwrap().display().to_string(), fs::read(&path).unwrap()))
        .collect();
    replies.sort();
    replies
}

fn request(prompt: Prompt) -> CompletionRequest {
    CompletionRequest {
        model: "some-model".to_owned(),
        prompt,
        max_output_tokens: 512,
        temperature: Some(0.7),
        top_p: Some(0.9),
        stop: vec!["\n20.".to_owned()],
        response_schema: Some(Arc::new(ResponseSchema {
            name: "tasks",
            schema: json!({"type": "object"}),
        })),
        reasoning_effort: Some(ReasoningEffort::Low),
        cache_key: None,
    }
}

fn conversation() -> Prompt {
    let turn = |role, content: &str| Message { role, content: content.to_owned() };
    Prompt::Messages(vec![turn(Role::System, "Be brief."), turn(Role::User, "Say \"hi\"\n")])
}

fn encoded(provider: &dyn Provider, request: &CompletionRequest, quirks: Quirks) -> Value {
    serde_json::from_slice(&provider.encode(request, &quirks)).unwrap()
}

/// Every pointer to a value in `body`, so that a name is found wherever an API puts it.
fn find<'a>(body: &'a Value, names: &[&str]) -> Option<&'a Value> {
    match body {
        Value::Object(fields) => {
            let own = fields.iter().find(|(name, _)| names.contains(&name.as_str()));
            own.map(|(_, value)| value).or_else(|| fields.values().find_map(|v| find(v, names)))
        }
        Value::Array(items) => items.iter().find_map(|item| find(item, names)),
        _ => None,
    }
}

const LIMITS: &[&str] =
    &["max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens"];
const STOPS: &[&str] = &["stop", "stop_sequences", "stopSequences"];
const SCHEMAS: &[&str] = &["response_format", "format", "responseJsonSchema"];
const EFFORTS: &[&str] = &["reasoning_effort", "effort", "thinkingLevel", "thinkingBudget"];
const SAMPLING: &[&str] = &["temperature", "top_p", "topP"];

#[test]
fn names_are_distinct_and_lead_to_their_provider() {
    let names: BTreeSet<_> = PROVIDERS.iter().map(|provider| provider.name()).collect();
    assert_eq!(names.len(), PROVIDERS.len());
    for provider in PROVIDERS {
        let found = by_name(provider.name()).unwrap();
        assert_eq!(found.path("m"), provider.path("m"));
        assert!(!provider.path("m").starts_with('/') && !provider.about().is_empty());
        let access = provider.access();
        assert!(access.base_url.is_some() || access.base_url_env.is_some());
        assert!(access.api_key_env.ends_with("_API_KEY"));
        if let Some(url) = access.base_url {
            crate::provider::check_base_url(url).unwrap();
            let secret = url.starts_with("https://") && access.table_name.is_some();
            let own = access.self_hosted && crate::provider::is_loopback(url);
            assert!(secret != own, "{url}");
        }
    }
    assert!(by_name("no such provider").is_none());
}

#[test]
fn every_request_is_json_that_names_the_model_and_bounds_the_output() {
    let none = Quirks {
        max_completion_tokens: true,
        sampling: false,
        response_schema: false,
        stop: false,
        system_messages: false,
        reasoning_effort: false,
        thinking_budget: true,
        prompt_cache_key: false,
    };
    for provider in PROVIDERS {
        for prompt in [conversation(), Prompt::Text("1. Instruction:".to_owned())] {
            let request = request(prompt);
            let full = encoded(*provider, &request, Quirks::default());
            assert!(full["model"] == "some-model" || provider.path("m").contains("models/m"));
            assert_eq!(find(&full, LIMITS), Some(&json!(512)));
            assert_eq!(find(&full, &["temperature"]), Some(&json!(0.7)));
            assert_eq!(find(&full, &["top_p", "topP"]), Some(&json!(0.9)));
            let bare = encoded(*provider, &request, none);
            assert_eq!(find(&bare, LIMITS), Some(&json!(512)));
            for names in [STOPS, SCHEMAS, EFFORTS, SAMPLING, &["n", "stream", "system"]] {
                assert_eq!(find(&bare, names), None, "{} {names:?}", provider.name());
            }
        }
    }
}

#[test]
fn what_is_worth_caching_is_marked_in_the_words_of_each_api() {
    let cached = CompletionRequest { cache_key: Some("key".to_owned()), ..request(conversation()) };
    let named = Quirks { prompt_cache_key: true, ..Quirks::default() };
    for provider in PROVIDERS {
        let plain = encoded(*provider, &request(conversation()), named);
        assert_eq!(find(&plain, &["cache_control", "prompt_cache_key"]), None);
        let body = encoded(*provider, &cached, named);
        if provider.name() == "anthropic" {
            let block = &body["system"][0];
            assert_eq!(block["cache_control"], json!({"type": "ephemeral"}));
            assert_eq!(block["text"], plain["system"]);
        }
        if ["openai", "openai-responses"].contains(&provider.name()) {
            assert_eq!(body["prompt_cache_key"], "key");
        }
        let bare = encoded(*provider, &cached, Quirks::default());
        assert_eq!(find(&bare, &["prompt_cache_key"]), None, "{}", provider.name());
    }
}

#[test]
fn values_that_json_cannot_hold_are_left_out() {
    let mut request = request(conversation());
    request.temperature = Some(f64::NAN);
    request.top_p = Some(f64::INFINITY);
    for provider in PROVIDERS {
        let body = encoded(*provider, &request, Quirks::default());
        assert_eq!(find(&body, SAMPLING), None);
    }
}

/// The body of a provider's request for the conversation, and of one for a text.
fn bodies(name: &str) -> String {
    let body = |prompt| {
        let body = by_name(name).unwrap().encode(&request(prompt), &Quirks::default());
        String::from_utf8(body).unwrap()
    };
    format!("{}\n{}", body(conversation()), body(Prompt::Text("Continue".to_owned())))
}

#[test]
fn the_bodies_of_the_openai_apis_are_as_documented() {
    insta::assert_snapshot!(bodies("openai"), @r#"
    {"model":"some-model","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Say \"hi\"\n"}],"max_tokens":512,"temperature":0.7,"top_p":0.9,"stop":["\n20."],"response_format":{"type":"json_schema","json_schema":{"name":"tasks","strict":true,"schema":{"type":"object"}}},"reasoning_effort":"low"}
    {"model":"some-model","messages":[{"role":"user","content":"Continue"}],"max_tokens":512,"temperature":0.7,"top_p":0.9,"stop":["\n20."],"response_format":{"type":"json_schema","json_schema":{"name":"tasks","strict":true,"schema":{"type":"object"}}},"reasoning_effort":"low"}
    "#);
    insta::assert_snapshot!(bodies("openai-responses"), @r#"
    {"model":"some-model","instructions":"Be brief.","input":[{"role":"user","content":"Say \"hi\"\n"}],"max_output_tokens":512,"temperature":0.7,"top_p":0.9,"text":{"format":{"type":"json_schema","name":"tasks","strict":true,"schema":{"type":"object"}}},"reasoning":{"effort":"low"},"store":false}
    {"model":"some-model","input":[{"role":"user","content":"Continue"}],"max_output_tokens":512,"temperature":0.7,"top_p":0.9,"text":{"format":{"type":"json_schema","name":"tasks","strict":true,"schema":{"type":"object"}}},"reasoning":{"effort":"low"},"store":false}
    "#);
    insta::assert_snapshot!(bodies("openai-completions"), @r#"
    {"model":"some-model","prompt":"Be brief.\n\nSay \"hi\"\n","max_tokens":512,"temperature":0.7,"top_p":0.9,"stop":["\n20."]}
    {"model":"some-model","prompt":"Continue","max_tokens":512,"temperature":0.7,"top_p":0.9,"stop":["\n20."]}
    "#);
    assert_eq!(bodies("azure"), bodies("openai"));
    assert_eq!(bodies("ollama"), bodies("openai"));
}

#[test]
fn the_bodies_of_anthropic_and_gemini_are_as_documented() {
    insta::assert_snapshot!(bodies("anthropic"), @r#"
    {"model":"some-model","max_tokens":512,"system":"Be brief.","messages":[{"role":"user","content":"Say \"hi\"\n"}],"temperature":0.7,"top_p":0.9,"stop_sequences":["\n20."],"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}},"effort":"low"}}
    {"model":"some-model","max_tokens":512,"messages":[{"role":"user","content":"Continue"}],"temperature":0.7,"top_p":0.9,"stop_sequences":["\n20."],"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}},"effort":"low"}}
    "#);
    insta::assert_snapshot!(bodies("gemini"), @r#"
    {"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Say \"hi\"\n"}]}],"generationConfig":{"maxOutputTokens":512,"temperature":0.7,"topP":0.9,"stopSequences":["\n20."],"responseMimeType":"application/json","responseJsonSchema":{"type":"object"},"thinkingConfig":{"thinkingLevel":"low"}}}
    {"contents":[{"role":"user","parts":[{"text":"Continue"}]}],"generationConfig":{"maxOutputTokens":512,"temperature":0.7,"topP":0.9,"stopSequences":["\n20."],"responseMimeType":"application/json","responseJsonSchema":{"type":"object"},"thinkingConfig":{"thinkingLevel":"low"}}}
    "#);
    let budget = Quirks { thinking_budget: true, ..Quirks::default() };
    let body = encoded(by_name("gemini").unwrap(), &request(conversation()), budget);
    assert_eq!(body["generationConfig"]["thinkingConfig"], json!({"thinkingBudget": 1024}));
}

#[test]
fn anthropic_is_sent_one_of_temperature_and_nucleus_mass_where_one_says_nothing() {
    let sent = |temperature, top_p| {
        let request = CompletionRequest {
            temperature: Some(temperature),
            top_p: Some(top_p),
            ..request(conversation())
        };
        let body = encoded(by_name("anthropic").unwrap(), &request, Quirks::default());
        (body["temperature"].as_f64(), body["top_p"].as_f64())
    };
    assert_eq!(sent(1.0, 1.0), (Some(1.0), None));
    assert_eq!(sent(0.7, 1.0), (Some(0.7), None));
    assert_eq!(sent(1.0, 0.9), (None, Some(0.9)));
    assert_eq!(sent(0.7, 0.9), (Some(0.7), Some(0.9)));
}

#[test]
fn the_model_is_in_the_path_where_the_api_wants_it() {
    let path = |name: &str, model: &str| by_name(name).unwrap().path(model);
    assert_eq!(path("gemini", "gemini-2.5-flash"), "models/gemini-2.5-flash:generateContent");
    assert_eq!(path("gemini", "models/g"), "models/g:generateContent");
    assert_eq!(path("azure", "my dep/x"), "openai/deployments/my%20dep%2fx/chat/completions");
}

/// One line a reply: what it says, or why it says nothing.
fn read(provider: &dyn Provider) -> String {
    let line = |(name, body): &(String, Vec<u8>)| match provider.decode(body) {
        Ok(completion) => {
            let usage = completion.usage.map_or_else(
                || "no usage".to_owned(),
                |u| {
                    let written = u.cache_write;
                    format!(
                        "in {} cached {} written {written} out {} reasoning {}",
                        u.input, u.cached_input, u.output, u.reasoning
                    )
                },
            );
            let lost = if completion.lost_to_reasoning().is_some() { " | lost" } else { "" };
            format!(
                "{name}: {:?} | {:?} | {usage}{lost}",
                completion.text, completion.finish_reason
            )
        }
        Err(error) => format!("{name}: {error}"),
    };
    replies(folder(provider)).iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn recorded_replies_decode_to_what_they_say() {
    insta::assert_snapshot!(read(by_name("openai").unwrap()), @r#"
    cached_and_reasoning: "Thought through." | Stop | in 86 cached 1920 written 0 out 300 reasoning 256
    deepseek: "Hello." | Stop | in 36 cached 64 written 0 out 3 reasoning 0
    error_in_200: the answer is an error: HTTP 200: Provider returned error
    error_llama_cpp: the answer is an error: HTTP 200 exceed_context_size_error: the request exceeds the available context size
    error_vllm: the answer is an error: HTTP 200 NotFoundError: The model `missing` does not exist.
    float_usage: "Floats." | Stop | in 5 cached 0 written 0 out 2 reasoning 0
    length: "[{\"instruction\": \"Explain how a" | Length | in 120 cached 0 written 0 out 8 reasoning 0
    llama_cpp: "Small model." | Stop | in 9 cached 0 written 0 out 4 reasoning 0
    lost_to_reasoning: "" | Length | in 120 cached 0 written 0 out 512 reasoning 512 | lost
    nan_usage: "Half an emoji: �" | Stop | no usage
    negative_usage: "Negative." | Stop | no usage
    no_usage: "No counts." | Missing | no usage
    null_content: "" | ContentFilter | in 12 cached 0 written 0 out 0 reasoning 0
    ok: "[{\"instruction\": \"Name three fruits.\", \"input\": \"\", \"output\": \"Apple, pear, plum.\"}]" | Stop | in 120 cached 0 written 0 out 30 reasoning 0
    ok_completions: " Name three fruits.\n2. Input:\n<noinput>" | Stop | in 1000 cached 0 written 0 out 14 reasoning 0
    parts: "Two parts." | Stop | in 12 cached 0 written 0 out 40 reasoning 0
    reasoning_only_in_total: "Short." | Stop | in 100 cached 0 written 0 out 310 reasoning 300
    refusal: "I can't help with that." | Stop | in 12 cached 0 written 0 out 7 reasoning 0
    unknown_finish_reason: "Odd." | Other("insufficient_system_resource") | in 5 cached 0 written 0 out 2 reasoning 0
    vllm: "From a local server." | Stop | in 20 cached 0 written 0 out 5 reasoning 0
    wrong_json: the answer is JSON without any choices
    "#);
    insta::assert_snapshot!(read(by_name("openai-responses").unwrap()), @r#"
    cached_and_reasoning: "Thought through." | Stop | in 86 cached 1920 written 0 out 300 reasoning 256
    content_filter: "" | ContentFilter | in 12 cached 0 written 0 out 3 reasoning 0
    error_in_200: the answer is an error: HTTP 200: Provider returned error
    failed: the answer is an error: HTTP 200 server_error: The model produced invalid content.
    length: "[{\"instruction\": \"Explain how a" | Length | in 120 cached 0 written 0 out 8 reasoning 0
    lost_to_reasoning: "" | Length | in 120 cached 0 written 0 out 512 reasoning 512 | lost
    nan_usage: "Half an emoji: �" | Stop | no usage
    negative_usage: "Negative." | Stop | no usage
    no_output_counted: "Uncounted." | Stop | no usage
    no_usage: "No counts." | Stop | no usage
    null_usage: "No counts." | Stop | no usage
    ok: "[{\"instruction\": \"Name three fruits.\", \"input\": \"\", \"output\": \"Apple, pear, plum.\"}]" | Stop | in 120 cached 0 written 0 out 30 reasoning 0
    other_status: "Odd." | Other("cancelled") | in 5 cached 0 written 0 out 2 reasoning 0
    parts: "Two parts." | Stop | in 12 cached 0 written 0 out 40 reasoning 0
    refusal: "I can't help with that." | Stop | in 12 cached 0 written 0 out 7 reasoning 0
    wrong_json: the answer is JSON without any choices
    "#);
    insta::assert_snapshot!(read(by_name("anthropic").unwrap()), @r#"
    cached: "From the cache." | Stop | in 86 cached 1920 written 64 out 300 reasoning 0
    error_in_200: the answer is an error: HTTP 200 overloaded_error: Overloaded
    length: "[{\"instruction\": \"Explain how a" | Length | in 120 cached 0 written 0 out 8 reasoning 0
    lost_to_reasoning: "" | Length | in 120 cached 0 written 0 out 512 reasoning 512 | lost
    minimal: "A local server." | Missing | in 20 cached 0 written 0 out 5 reasoning 0
    nan_usage: "Half an emoji: �" | Stop | no usage
    negative_usage: "Negative." | Stop | no usage
    no_output_counted: "Uncounted." | Stop | no usage
    no_usage: "No counts." | Stop | no usage
    ok: "[{\"instruction\": \"Name three fruits.\", \"input\": \"\", \"output\": \"Apple, pear, plum.\"}]" | Stop | in 120 cached 0 written 0 out 30 reasoning 0
    refusal: "" | ContentFilter | in 12 cached 0 written 0 out 0 reasoning 0
    stop_sequence: "Stopped." | Stop | in 12 cached 0 written 0 out 3 reasoning 0
    thinking: "Two parts." | Stop | in 50 cached 0 written 0 out 300 reasoning 0
    thinking_counted: "Counted." | Stop | in 50 cached 0 written 0 out 300 reasoning 256
    unknown_stop_reason: "Odd." | Other("pause_turn") | in 5 cached 0 written 0 out 2 reasoning 0
    wrong_json: the answer is JSON without any choices
    "#);
    insta::assert_snapshot!(read(by_name("gemini").unwrap()), @r#"
    cached_and_reasoning: "Thought through." | Stop | in 86 cached 1920 written 0 out 300 reasoning 256
    error_in_200: the answer is an error: HTTP 200 UNAVAILABLE: The model is overloaded.
    length: "[{\"instruction\": \"Explain how a" | Length | in 120 cached 0 written 0 out 8 reasoning 0
    lost_to_reasoning: "" | Length | in 120 cached 0 written 0 out 509 reasoning 509 | lost
    nan_usage: "Half an emoji: �" | Stop | no usage
    negative_usage: "Negative." | Stop | no usage
    no_output_counted: "Uncounted." | Stop | no usage
    no_usage: "No counts." | Stop | no usage
    ok: "[{\"instruction\": \"Name three fruits.\", \"input\": \"\", \"output\": \"Apple, pear, plum.\"}]" | Stop | in 120 cached 0 written 0 out 30 reasoning 0
    prompt_blocked: "" | ContentFilter | in 12 cached 0 written 0 out 0 reasoning 0
    recitation: "Cut." | ContentFilter | in 12 cached 0 written 0 out 3 reasoning 0
    safety: "" | ContentFilter | in 12 cached 0 written 0 out 0 reasoning 0
    thoughts_only_in_total: "Short." | Stop | in 100 cached 0 written 0 out 310 reasoning 0
    unknown_finish_reason: "Odd." | Other("MODEL_ARMOR") | in 5 cached 0 written 0 out 2 reasoning 0
    wrong_json: the answer is JSON without any choices
    "#);
    for provider in PROVIDERS {
        let format = by_name(folder(*provider)).unwrap();
        assert_eq!(read(*provider), read(format), "{}", provider.name());
    }
}

#[test]
fn no_cut_reply_panics_or_passes_for_a_whole_one() {
    for (name, body) in FOLDERS.into_iter().flat_map(replies) {
        let whole = body.trim_ascii_end().len();
        for end in 0..whole {
            for provider in FOLDERS.map(|folder| by_name(folder).unwrap()) {
                let cut = provider.decode(&body[..end]);
                assert!(cut.is_err(), "{name} cut at {end}: {cut:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn decode_never_panics_on_bytes(body in prop::collection::vec(any::<u8>(), 0..300)) {
        for provider in PROVIDERS {
            prop_assert!(provider.decode(&body).is_err());
        }
    }

    #[test]
    fn decode_never_panics_on_a_damaged_reply(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let replies: Vec<_> = FOLDERS.into_iter().flat_map(replies).collect();
        let mut body = which.get(&replies).1.clone();
        for (place, byte) in damage {
            let place = place.index(body.len());
            body[place] = byte;
        }
        for provider in PROVIDERS {
            if let Ok(completion) = provider.decode(&body) {
                prop_assert!(completion.text.len() <= body.len() * 3);
            }
        }
    }
}
