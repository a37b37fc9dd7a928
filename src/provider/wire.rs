//! The OpenAI wire format: the structs of a reply, shared by chat and legacy completions.
//!
//! A reply was paid for, so nothing in it that this program does not know, or that has another type
//! than documented, may lose the rest: every field is read on its own.

use serde::Deserialize;
use serde::de::SeqAccess;
use serde_json::Value;

use super::DecodeError;
use super::lenient::{First, FromAny, Lenient, from_object, list};
use super::reply;
use super::usage::Counts;
use crate::chat::{Completion, FinishReason, TokenUsage};

/// A reply of `chat/completions` or `completions`.
#[derive(Debug, Deserialize)]
struct Reply {
    #[serde(default)]
    choices: Lenient<First<Choice>>,
    #[serde(default)]
    usage: Lenient<Usage>,
}

/// One of the answers of a reply: `message` from chat, `text` from legacy completions.
#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    message: Lenient<Message>,
    #[serde(default)]
    text: Lenient<String>,
    #[serde(default)]
    finish_reason: Value,
}

/// What the model says.
#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    content: Lenient<Content>,
    #[serde(default)]
    refusal: Lenient<String>,
}

/// A text, or a list of parts of which those with a text count.
#[derive(Debug)]
enum Content {
    Text(String),
    Parts(Vec<Value>),
}

/// The token counts of a reply, as servers report them.
#[derive(Debug, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Lenient<u64>,
    #[serde(default)]
    completion_tokens: Lenient<u64>,
    #[serde(default)]
    total_tokens: Lenient<u64>,
    #[serde(default)]
    prompt_tokens_details: Lenient<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Lenient<CompletionDetails>,
    /// `DeepSeek`'s name for cached tokens.
    #[serde(default)]
    prompt_cache_hit_tokens: Lenient<u64>,
}

#[derive(Debug, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Lenient<u64>,
    /// `OpenRouter`'s name for tokens written to a cache.
    #[serde(default)]
    cache_write_tokens: Lenient<u64>,
}

#[derive(Debug, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Lenient<u64>,
}

from_object!(Reply, Choice, Message, Usage, PromptDetails, CompletionDetails);

impl FromAny for Content {
    fn from_text(text: &str) -> Option<Self> {
        Some(Self::Text(text.to_owned()))
    }

    fn from_list<'de, A: SeqAccess<'de>>(parts: A) -> Result<Option<Self>, A::Error> {
        list(parts).map(Self::Parts).map(Some)
    }
}

impl reply::Reply for Reply {
    /// The first choice with the reply's usage.
    fn completion(self) -> Option<Completion> {
        let First(choice) = self.choices.0?;
        let finish_reason = finish_reason(&choice.finish_reason);
        let text = choice.message.0.map(message_text).or(choice.text.0).unwrap_or_default();
        let usage = self.usage.0.as_ref().and_then(token_usage);
        Some(Completion { text, finish_reason, usage })
    }
}

/// Decodes a reply of either kind.
pub(super) fn decode_reply(body: &[u8]) -> Result<Completion, DecodeError> {
    reply::decode::<Reply>(body)
}

/// The content of a message, or the model's refusal where it gave no content.
fn message_text(message: Message) -> String {
    let content = match message.content.0 {
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => parts.iter().filter_map(part_text).collect(),
        None => String::new(),
    };
    if content.is_empty() { message.refusal.0.unwrap_or_default() } else { content }
}

/// The text of one part: `{"type": "text", "text": ...}`, a refusal part, or a bare string. Parts of
/// hidden reasoning have other keys and do not count.
fn part_text(part: &Value) -> Option<&str> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
    match kind {
        "text" | "output_text" => {
            part.get("text").and_then(Value::as_str).or_else(|| part.as_str())
        }
        "refusal" => part.get("refusal").and_then(Value::as_str),
        _ => None,
    }
}

fn finish_reason(value: &Value) -> FinishReason {
    let Some(reason) = value.as_str() else {
        return if value.is_null() {
            FinishReason::Missing
        } else {
            FinishReason::Other(value.to_string())
        };
    };
    match reason.to_ascii_lowercase().as_str() {
        "" => FinishReason::Missing,
        // The last three are Hugging Face's and Anthropic's words, seen through gateways.
        "stop" | "eos_token" | "stop_sequence" | "end_turn" => FinishReason::Stop,
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other(reason.to_owned()),
    }
}

/// The counts by price class; `None` when the two that make the bill are not both known.
///
/// Some servers leave hidden reasoning out of `completion_tokens` and count it in `total_tokens`
/// only, yet bill it as output. So output is never less than the total without the prompt.
fn token_usage(usage: &Usage) -> Option<TokenUsage> {
    let prompt = usage.prompt_tokens.0?;
    let beyond_prompt = usage.total_tokens.0.and_then(|total| total.checked_sub(prompt));
    let output = match (usage.completion_tokens.0, beyond_prompt) {
        (Some(completion), Some(rest)) => completion.max(rest),
        // Legacy completions leave the field out when the model said nothing.
        (completion, rest) => completion.or(rest)?,
    };
    let details = usage.prompt_tokens_details.0.as_ref();
    let cached = details.and_then(|details| details.cached_tokens.0);
    let cached_input = cached.or(usage.prompt_cache_hit_tokens.0).unwrap_or(0);
    let cache_write = details.and_then(|details| details.cache_write_tokens.0).unwrap_or(0);
    let details = usage.completion_tokens_details.0.as_ref();
    let reasoning = details.and_then(|details| details.reasoning_tokens.0).unwrap_or(0);
    Some(Counts { prompt, cached_input, cache_write, output, reasoning }.usage())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn decode(value: &Value) -> Completion {
        decode_reply(value.to_string().as_bytes()).unwrap()
    }

    fn usage(usage: &Value) -> Option<TokenUsage> {
        decode(&json!({"choices": [{"text": "x"}], "usage": usage})).usage
    }

    #[test]
    fn only_a_usage_that_can_be_believed_counts() {
        let plain = Some(TokenUsage { input: 10, output: 5, ..TokenUsage::default() });
        for good in [
            json!({"prompt_tokens": 10, "completion_tokens": 5}),
            json!({"prompt_tokens": 10.0, "completion_tokens": "5", "total_tokens": -3}),
            json!({"prompt_tokens": 10, "total_tokens": 15}),
            json!({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 15}),
            json!({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": 7, "completion_tokens_details": {"reasoning_tokens": -1}}),
        ] {
            assert_eq!(usage(&good), plain, "{good}");
        }
        for bad in [
            json!(null),
            json!({}),
            json!([10, 5]),
            json!({"prompt_tokens": 10}),
            json!({"completion_tokens": 5}),
            json!({"prompt_tokens": -10, "completion_tokens": 5}),
            json!({"prompt_tokens": 10, "completion_tokens": 5.5}),
            json!({"prompt_tokens": "ten", "completion_tokens": 5}),
            json!({"prompt_tokens": 1e300, "completion_tokens": 5}),
            json!({"prompt_tokens": 10, "completion_tokens": 0}),
        ] {
            assert_eq!(usage(&bad), None, "{bad}");
        }
        let largest = usage(&json!({"prompt_tokens": u64::MAX, "completion_tokens": u64::MAX}));
        assert_eq!(largest.map(|usage| usage.total()), Some(u64::MAX));
    }

    #[test]
    fn cached_written_and_reasoning_tokens_are_told_apart() {
        let found = usage(&json!({
            "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
            "completion_tokens_details": {"reasoning_tokens": 20}
        }));
        let expected =
            TokenUsage { input: 10, cached_input: 60, cache_write: 30, output: 50, reasoning: 20 };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_choice_is_read_whatever_surrounds_it() {
        let chat = |message: Value| decode(&json!({"choices": [{"message": message}]})).text;
        assert_eq!(chat(json!({"content": null, "refusal": "I can't"})), "I can't");
        assert_eq!(chat(json!({"content": 5})), "");
        assert_eq!(chat(json!("text")), "");
        assert_eq!(
            chat(
                json!({"content": [{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "a"}, "b", 7]})
            ),
            "ab"
        );
        let second = json!({"choices": [null, {"text": "only", "finish_reason": 3}], "error": {"message": "late"}});
        assert_eq!(decode(&second).text, "only");
        assert_eq!(decode(&second).finish_reason, FinishReason::Other("3".to_owned()));
    }

    /// Their trees would take gigabytes.
    #[test]
    fn replies_of_millions_of_parts_are_not_read() {
        let parts = "0,".repeat(2_000_000);
        for body in [
            format!("{{\"choices\":[{{\"message\":{{\"content\":[{parts}0]}}}}]}}"),
            format!("{{\"choices\":[{{\"finish_reason\":[{parts}0]}}]}}"),
            format!("{{\"a\":[{parts}]"),
        ] {
            assert_eq!(decode_reply(body.as_bytes()), Err(DecodeError::NoChoices));
        }
        let text = format!("{{\"choices\":[{{\"text\":\"\\\"{parts}\"}}]}}");
        assert_eq!(decode_reply(text.as_bytes()).unwrap().text.len(), parts.len() + 1);
    }

    #[test]
    fn a_repeated_key_does_not_lose_the_answer() {
        let body = br#"{"choices": [], "choices": [{"text": "kept", "text": "last"}]}"#;
        assert_eq!(decode_reply(body).unwrap().text, "last");
    }

    #[test]
    fn bodies_without_an_answer_say_what_they_are() {
        let message = |body: &str| decode_reply(body.as_bytes()).unwrap_err().to_string();
        insta::assert_snapshot!(message(""), @"the answer is not JSON: (an empty body)");
        insta::assert_snapshot!(message("<html><title>Login</title>"), @"the answer is not JSON: Login");
        insta::assert_snapshot!(message("data: {\"id\":1}"), @r#"the answer is not JSON: data: {"id":1}"#);
        insta::assert_snapshot!(message("{}"), @"the answer is JSON without any choices");
        insta::assert_snapshot!(message(r#"{"choices":[],"error":null}"#), @"the answer is JSON without any choices");
        insta::assert_snapshot!(message(r#"{"choices":[null]}"#), @"the answer is JSON without any choices");
        insta::assert_snapshot!(message(r#"{"error":{"message":"busy","code":503}}"#), @"the answer is an error: HTTP 200: busy");
        insta::assert_snapshot!(message(r#"[{"error":"busy"}]"#), @"the answer is an error: HTTP 200: busy");
    }

    /// Values of every type under keys that matter, a list or an object in place of each other.
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3..30_i64).prop_map(Value::from),
            prop::sample::select(vec![7.0, 2.5, -1.0, 1e300]).prop_map(Value::from),
            "[a-c\\\\\"é\n]{0,6}|12|stop|text".prop_map(Value::from),
        ];
        let keys = prop::sample::select(vec![
            "choices",
            "usage",
            "message",
            "text",
            "content",
            "refusal",
            "finish_reason",
            "type",
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "prompt_tokens_details",
            "cached_tokens",
            "completion_tokens_details",
            "reasoning_tokens",
            "other",
        ]);
        leaf.prop_recursive(5, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((keys.clone(), inner), 0..8).prop_map(|fields| fields
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v))
                    .collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_bytes_and_the_tree_say_the_same(
            choice in any_value(), usage in any_value(), whole in any_value(),
        ) {
            for reply in [json!({"choices": [choice, {"text": "b"}], "usage": usage}), whole] {
                let bytes = reply.to_string();
                let of = reply::completion_of::<Reply>;
                let from_bytes = serde_json::from_str(&bytes).map(of).unwrap();
                prop_assert_eq!(from_bytes, Lenient::deserialize(&reply).map(of).unwrap());
            }
        }
    }
}
