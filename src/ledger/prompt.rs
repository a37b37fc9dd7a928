//! Bounds on prompt tokens: by bytes, or by the vocabulary of the model.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Encoding;
use super::bound::{SERVER_PROMPT_TOKENS, prompt_token_bound};
use crate::chat::{CompletionRequest, Prompt};

/// One token in so many is added to a count, rounded up.
const MARGIN_DIVISOR: u64 = 20;

/// Bounds the prompt tokens of the requests to one model.
///
/// By bytes, a token a byte of the body, it rests on nothing but what tokenizers are. By an encoding it
/// rests on `OpenAI`'s word that the model has that one: the texts of the messages are counted, with 5 %
/// more, and everything else in the body (the response schema, whose rendering is not published, the
/// marks around messages) has a token a byte as before. It is never above the bound by bytes. A prompt
/// that was billed above its bound ends the counting: [`refute`](Self::refute).
#[derive(Debug)]
pub struct PromptBound {
    encoding: Option<Encoding>,
    /// Whether a bill has shown that the encoding is not the model's.
    is_refuted: AtomicBool,
    /// The first message that was counted last, and its tokens: the standing instructions are the
    /// same in every request.
    first: Mutex<(String, u64)>,
}

impl PromptBound {
    /// By this encoding, or by bytes.
    pub fn new(encoding: Option<Encoding>) -> Self {
        Self { encoding, is_refuted: AtomicBool::new(false), first: Mutex::default() }
    }

    /// The encoding by which it counts; `None` where it goes by bytes, now or from the beginning.
    pub fn encoding(&self) -> Option<Encoding> {
        self.encoding.filter(|_| !self.is_refuted.load(Ordering::Relaxed))
    }

    /// An upper bound on the prompt tokens of a request whose body has so many bytes.
    pub fn of(&self, request: &CompletionRequest, body_bytes: usize) -> u64 {
        let by_bytes = prompt_token_bound(body_bytes);
        let counted = self.encoding().and_then(|encoding| self.count(encoding, &request.prompt));
        counted.map_or(by_bytes, |(tokens, text_bytes)| {
            let frame = as_u64(body_bytes).saturating_sub(text_bytes);
            let margin = tokens.div_ceil(MARGIN_DIVISOR);
            let parts = [tokens, margin, frame, SERVER_PROMPT_TOKENS];
            parts.into_iter().fold(0, u64::saturating_add).min(by_bytes)
        })
    }

    /// Takes a bill for a prompt with this bound; true when it is the first that shows the encoding not
    /// to be the model's. From then on bytes are counted.
    pub fn refute(&self, prompt_tokens: u64, bound: u64) -> bool {
        let is_above = self.encoding.is_some() && prompt_tokens > bound;
        is_above && !self.is_refuted.swap(true, Ordering::Relaxed)
    }

    /// The tokens of the texts, and the bytes that they have in the body.
    fn count(&self, encoding: Encoding, prompt: &Prompt) -> Option<(u64, u64)> {
        let (mut tokens, mut bytes) = (0_u64, 0_u64);
        let mut add = |text: &str, of_text: u64| {
            tokens = tokens.saturating_add(of_text);
            bytes = bytes.saturating_add(json_bytes(text));
        };
        match prompt {
            Prompt::Text(text) => add(text, encoding.count(text)?),
            Prompt::Messages(messages) => {
                let (first, rest) = messages.split_first()?;
                add(&first.content, self.count_first(encoding, &first.content)?);
                for message in rest {
                    add(&message.content, encoding.count(&message.content)?);
                }
            }
        }
        Some((tokens, bytes))
    }

    fn count_first(&self, encoding: Encoding, text: &str) -> Option<u64> {
        // A panic cannot leave half a pair here, so a poisoned lock guards a sound one.
        let mut last = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != text {
            *last = (text.to_owned(), encoding.count(text)?);
        }
        Some(last.1)
    }
}

/// The bytes of a text in JSON, the quotes around it aside.
fn json_bytes(text: &str) -> u64 {
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        // As in \u001f.
        0..0x20 => 5,
        _ => 0_u64,
    });
    escapes.fold(as_u64(text.len()), u64::saturating_add)
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::chat::{Message, ResponseSchema, Role};

    fn request(texts: &[String]) -> CompletionRequest {
        let role = |place| if place == 0 { Role::System } else { Role::User };
        let message = |(place, content): (usize, &String)| Message {
            role: role(place),
            content: content.clone(),
        };
        let schema = serde_json::json!({"type": "object", "required": ["tasks"]});
        CompletionRequest {
            model: "gpt-4o-mini".to_owned(),
            prompt: Prompt::Messages(texts.iter().enumerate().map(message).collect()),
            max_output_tokens: 100,
            temperature: Some(1.0),
            top_p: None,
            stop: Vec::new(),
            response_schema: Some(Arc::new(ResponseSchema { name: "tasks", schema })),
            reasoning_effort: None,
            cache_key: None,
        }
    }

    /// As chat completions have it, with the fewest bytes.
    fn body(request: &CompletionRequest) -> usize {
        let Prompt::Messages(messages) = &request.prompt else { return 0 };
        let message =
            |m: &Message| serde_json::json!({"role": m.role.as_str(), "content": m.content});
        let messages: Vec<_> = messages.iter().map(message).collect();
        let schema = request.response_schema.as_ref().map(|schema| schema.schema.clone());
        let body = serde_json::json!({
            "model": "gpt-4o-mini", "messages": messages, "max_tokens": 100,
            "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
        });
        body.to_string().len()
    }

    #[test]
    fn a_bill_above_a_bound_ends_the_counting_once() {
        let bound = PromptBound::new(Some(Encoding::O200kBase));
        assert!(!bound.refute(100, 100));
        assert_eq!(bound.encoding(), Some(Encoding::O200kBase));
        assert!(bound.refute(101, 100));
        assert_eq!(bound.encoding(), None);
        assert!(!bound.refute(101, 100));
        let request = request(&["word ".repeat(500)]);
        assert_eq!(bound.of(&request, body(&request)), prompt_token_bound(body(&request)));
        assert!(!PromptBound::new(None).refute(101, 100));
    }

    proptest! {
        #[test]
        fn the_length_in_json_is_exact(text in ".{0,40}|[\u{0}-\u{ff}]{0,40}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(json_bytes(&text).saturating_add(2), as_u64(json.len()));
        }
    }

    /// `OpenAI`'s own count: 3 tokens a message and its role, and 3 for the answer's beginning
    /// (the cookbook's `num_tokens_from_messages`), with the schema as if it were a text.
    #[cfg(feature = "tokenizer")]
    fn documented(encoding: Encoding, request: &CompletionRequest) -> u64 {
        let Prompt::Messages(messages) = &request.prompt else { return 0 };
        let of = |message: &Message| {
            let texts = [message.role.as_str(), &message.content];
            texts.map(|text| encoding.count(text).unwrap()).into_iter().fold(3, u64::saturating_add)
        };
        let schema = request.response_schema.as_ref().unwrap().schema.to_string();
        let schema = encoding.count(&schema).unwrap();
        messages.iter().map(of).fold(schema.saturating_add(3), u64::saturating_add)
    }

    #[cfg(feature = "tokenizer")]
    proptest! {
        /// Texts of words, of any characters, of control characters and of what is cut badly.
        #[test]
        fn never_below_the_documented_count_nor_above_the_bytes(
            texts in proptest::collection::vec(
                prop_oneof![
                    "([a-z]{1,12}[ ,.\n]){0,200}",
                    ".{0,200}",
                    "[\u{0}-\u{1f}\"\\\\]{0,200}",
                    "[一-龥，。]{0,100}",
                    "[0-9 +=({\\[]{0,100}",
                ],
                1..4,
            ),
            new in any::<bool>(),
        ) {
            let encoding = if new { Encoding::O200kBase } else { Encoding::Cl100kBase };
            let request = request(&texts);
            let bytes = body(&request);
            let counter = PromptBound::new(Some(encoding));
            let bound = counter.of(&request, bytes);
            prop_assert!(bound >= documented(encoding, &request));
            prop_assert!(bound <= prompt_token_bound(bytes));
            // What was counted before is remembered for the same text only.
            prop_assert_eq!(counter.of(&request, bytes), bound);
            let other = self::request(&[format!("{} and more", texts[0])]);
            let fresh = PromptBound::new(Some(encoding)).of(&other, body(&other));
            prop_assert_eq!(counter.of(&other, body(&other)), fresh);
        }
    }

    #[cfg(feature = "tokenizer")]
    #[test]
    fn prose_is_bounded_far_below_its_bytes() {
        let text = "Write a short note to the neighbours about the fence. ".repeat(100);
        let request = request(&[text]);
        let bound = PromptBound::new(Some(Encoding::O200kBase)).of(&request, body(&request));
        assert!(bound * 3 < prompt_token_bound(body(&request)), "{bound}");
    }
}
