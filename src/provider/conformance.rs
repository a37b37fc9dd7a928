//! What every provider must hold to, run over its recorded replies (`testdata/`), which are written
//! for these tests after the documented shapes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{PROVIDERS, Provider, Quirks, by_name};
use crate::chat::{CompletionRequest, Message, Prompt, ResponseSchema, Role};

/// The recorded replies as (file name, body), in the order of their names. The OpenAI dialects share
/// one folder.
fn replies() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/testdata/openai");
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
        response_schema: Some(ResponseSchema { name: "tasks", schema: json!({"type": "object"}) }),
    }
}

fn conversation() -> Prompt {
    let turn = |role, content: &str| Message { role, content: content.to_owned() };
    Prompt::Messages(vec![turn(Role::System, "Be brief."), turn(Role::User, "Say \"hi\"\n")])
}

fn encoded(provider: &dyn Provider, request: &CompletionRequest, quirks: Quirks) -> Value {
    serde_json::from_slice(&provider.encode(request, &quirks)).unwrap()
}

#[test]
fn names_are_distinct_and_lead_to_their_provider() {
    let names: BTreeSet<_> = PROVIDERS.iter().map(|provider| provider.name()).collect();
    assert_eq!(names.len(), PROVIDERS.len());
    for provider in PROVIDERS {
        assert_eq!(by_name(provider.name()).map(Provider::path), Some(provider.path()));
        assert!(provider.default_base_url().starts_with("https://"));
        assert!(!provider.path().starts_with('/') && !provider.about().is_empty());
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
    };
    for provider in PROVIDERS {
        for prompt in [conversation(), Prompt::Text("1. Instruction:".to_owned())] {
            let request = request(prompt);
            let full = encoded(*provider, &request, Quirks::default());
            assert_eq!((&full["model"], &full["max_tokens"]), (&json!("some-model"), &json!(512)));
            assert_eq!((&full["temperature"], &full["top_p"]), (&json!(0.7), &json!(0.9)));
            assert_eq!(full["stop"], json!(["\n20."]));
            let bare = encoded(*provider, &request, none);
            assert_eq!(bare["max_completion_tokens"], 512);
            for absent in
                ["max_tokens", "temperature", "top_p", "stop", "response_format", "n", "stream"]
            {
                assert!(bare.get(absent).is_none(), "{absent}");
            }
        }
    }
}

#[test]
fn values_that_json_cannot_hold_are_left_out() {
    let mut request = request(conversation());
    request.temperature = Some(f64::NAN);
    request.top_p = Some(f64::INFINITY);
    for provider in PROVIDERS {
        let body = encoded(*provider, &request, Quirks::default());
        assert!(body.get("temperature").is_none() && body.get("top_p").is_none());
    }
}

#[test]
fn chat_and_completions_bodies_are_as_documented() {
    let body = |name: &str, prompt| {
        let body = by_name(name).unwrap().encode(&request(prompt), &Quirks::default());
        String::from_utf8(body).unwrap()
    };
    insta::assert_snapshot!(body("openai", conversation()), @r#"{"model":"some-model","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Say \"hi\"\n"}],"max_tokens":512,"temperature":0.7,"top_p":0.9,"stop":["\n20."],"response_format":{"type":"json_schema","json_schema":{"name":"tasks","strict":true,"schema":{"type":"object"}}}}"#);
    insta::assert_snapshot!(body("openai-completions", conversation()), @r#"{"model":"some-model","prompt":"Be brief.\n\nSay \"hi\"\n","max_tokens":512,"temperature":0.7,"top_p":0.9,"stop":["\n20."]}"#);
    let text = || Prompt::Text("Continue".to_owned());
    let chat: Value = serde_json::from_str(&body("openai", text())).unwrap();
    assert_eq!(chat["messages"], json!([{"role": "user", "content": "Continue"}]));
    let legacy: Value = serde_json::from_str(&body("openai-completions", text())).unwrap();
    assert_eq!(legacy["prompt"], "Continue");
}

#[test]
fn recorded_replies_decode_to_what_they_say() {
    for provider in PROVIDERS {
        let lines: Vec<String> = replies()
            .iter()
            .map(|(name, body)| match provider.decode(body) {
                Ok(completion) => {
                    let usage = completion.usage.map_or_else(
                        || "no usage".to_owned(),
                        |u| {
                            format!(
                                "in {} cached {} out {} reasoning {}",
                                u.input, u.cached_input, u.output, u.reasoning
                            )
                        },
                    );
                    format!(
                        "{name}: {:?} | {:?} | {usage}",
                        completion.text, completion.finish_reason
                    )
                }
                Err(error) => format!("{name}: {error}"),
            })
            .collect();
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines.join("\n"), @r#"
            cached_and_reasoning: "Thought through." | Stop | in 86 cached 1920 out 300 reasoning 256
            deepseek: "Hello." | Stop | in 36 cached 64 out 3 reasoning 0
            error_in_200: the answer is an error: HTTP 200: Provider returned error
            error_llama_cpp: the answer is an error: HTTP 200 exceed_context_size_error: the request exceeds the available context size
            error_vllm: the answer is an error: HTTP 200 NotFoundError: The model `missing` does not exist.
            float_usage: "Floats." | Stop | in 5 cached 0 out 2 reasoning 0
            length: "[{\"instruction\": \"Explain how a" | Length | in 120 cached 0 out 8 reasoning 0
            llama_cpp: "Small model." | Stop | in 9 cached 0 out 4 reasoning 0
            nan_usage: "Half an emoji: �" | Stop | no usage
            negative_usage: "Negative." | Stop | no usage
            no_usage: "No counts." | Missing | no usage
            null_content: "" | ContentFilter | in 12 cached 0 out 0 reasoning 0
            ok: "[{\"instruction\": \"Name three fruits.\", \"input\": \"\", \"output\": \"Apple, pear, plum.\"}]" | Stop | in 120 cached 0 out 30 reasoning 0
            ok_completions: " Name three fruits.\n2. Input:\n<noinput>" | Stop | in 1000 cached 0 out 14 reasoning 0
            parts: "Two parts." | Stop | in 12 cached 0 out 40 reasoning 0
            reasoning_only_in_total: "Short." | Stop | in 100 cached 0 out 310 reasoning 300
            refusal: "I can't help with that." | Stop | in 12 cached 0 out 7 reasoning 0
            unknown_finish_reason: "Odd." | Other("insufficient_system_resource") | in 5 cached 0 out 2 reasoning 0
            vllm: "From a local server." | Stop | in 20 cached 0 out 5 reasoning 0
            "#);
        }
    }
}

#[test]
fn no_cut_reply_panics_or_passes_for_a_whole_one() {
    for (name, body) in replies() {
        let whole = body.trim_ascii_end().len();
        for end in 0..whole {
            for provider in PROVIDERS {
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
        let replies = replies();
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
