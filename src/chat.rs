//! Requests to and completions from a language model, independent of any provider's wire format.

use std::sync::Arc;

/// The header by which the simulator says of each of its responses that it is made up.
pub const SIMULATED_HEADER: &str = "x-instructmill-simulated";

/// Who speaks, in chat-completion terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Standing instructions for the model.
    System,
    /// The question.
    User,
    /// The model's own earlier turn.
    Assistant,
}

impl Role {
    /// The wire name: `system`, `user` or `assistant`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// What the model is given: a conversation, or one text to continue.
///
/// A chat provider sends [`Prompt::Text`] as one user message; a completions provider sends
/// [`Prompt::Messages`] as their contents joined by blank lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, oldest turn first.
    Messages(Vec<Message>),
    /// A text that the model continues.
    Text(String),
}

/// A JSON schema that the response must follow, for servers that enforce one.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseSchema {
    /// A short identifier (`[a-zA-Z0-9_-]`), as OpenAI's `response_format.json_schema.name`.
    pub name: &'static str,
    /// The schema. Its root is an object; every object closes `additionalProperties` and lists
    /// all its keys in `required`, as OpenAI's strict mode asks.
    pub schema: serde_json::Value,
}

/// How much hidden reasoning a model is asked to do before it answers. Servers take some of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningEffort {
    /// No reasoning at all.
    None,
    /// As little as the model can do with.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More than `High`.
    XHigh,
    /// All that the model is capable of.
    Max,
}

impl ReasoningEffort {
    /// Every effort, from none to most.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];

    /// The wire name, as OpenAI and its followers write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The effort with this wire name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.as_str() == name)
    }
}

/// What is known of a model's API, whoever serves it; `None` where nothing is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelTraits {
    /// It spends output tokens on hidden reasoning.
    pub reasoning: Option<bool>,
    /// It follows a response schema.
    pub response_schema: Option<bool>,
    /// It takes system messages.
    pub system_messages: Option<bool>,
    /// It takes `temperature` and `top_p`.
    pub sampling: Option<bool>,
    /// How much it reasons when nothing is said.
    pub default_effort: Option<ReasoningEffort>,
}

/// One request to a model, before a provider gives it a wire form.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletionRequest {
    /// The model's name as the server knows it.
    pub model: String,
    /// What the model is given.
    pub prompt: Prompt,
    /// The most output tokens the server may produce (and bill).
    pub max_output_tokens: u32,
    /// Sampling temperature; `None` leaves the server's default.
    pub temperature: Option<f64>,
    /// Nucleus sampling mass; `None` leaves the server's default.
    pub top_p: Option<f64>,
    /// Texts at which the model stops; at most four, as the OpenAI API allows.
    pub stop: Vec<String>,
    /// The schema of the answer, where the template has one and the server takes one.
    pub response_schema: Option<Arc<ResponseSchema>>,
    /// How much the model reasons; `None` leaves the server's default.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// A name for the constant first part of the prompt, its system messages, where a place in the
    /// provider's cache is worth what it costs.
    pub cache_key: Option<String>,
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishReason {
    /// It was done, or met a stop text.
    Stop,
    /// It met `max_output_tokens` or the end of its context.
    Length,
    /// The provider withheld or cut the text.
    ContentFilter,
    /// A value this program does not know, kept as it came.
    Other(String),
    /// The response did not say.
    Missing,
}

/// Tokens of one response by price class, as the provider reported them.
///
/// The classes do not overlap, except `reasoning`, which is a part of `output` and only told apart
/// for reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Prompt tokens billed at the full input price.
    pub input: u64,
    /// Prompt tokens read from the provider's cache.
    pub cached_input: u64,
    /// Prompt tokens written to the provider's cache at a price of their own.
    pub cache_write: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    /// Output tokens spent on hidden reasoning.
    pub reasoning: u64,
}

impl TokenUsage {
    /// All prompt tokens, whatever their price.
    pub fn prompt_total(&self) -> u64 {
        self.input.saturating_add(self.cached_input).saturating_add(self.cache_write)
    }

    /// Adds what another response used; a sum that does not fit stays at the largest number.
    pub fn add(&mut self, more: &Self) {
        self.input = self.input.saturating_add(more.input);
        self.cached_input = self.cached_input.saturating_add(more.cached_input);
        self.cache_write = self.cache_write.saturating_add(more.cache_write);
        self.output = self.output.saturating_add(more.output);
        self.reasoning = self.reasoning.saturating_add(more.reasoning);
    }

    /// Prompt and output tokens together: what a tokens-per-minute limit counts.
    pub fn total(&self) -> u64 {
        self.prompt_total().saturating_add(self.output)
    }
}

/// What a response body says, once decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The model's text; empty when the body had none.
    pub text: String,
    /// Why the model stopped.
    pub finish_reason: FinishReason,
    /// `None` when the body had no usage that can be believed (absent, negative, not a number).
    pub usage: Option<TokenUsage>,
}

impl Completion {
    /// The usage, when hidden reasoning ate the whole output limit: no text, cut at the limit, and
    /// at least half of the output was reasoning.
    pub fn lost_to_reasoning(&self) -> Option<TokenUsage> {
        let cut = self.finish_reason == FinishReason::Length && self.text.trim().is_empty();
        let reasoned = |usage: &TokenUsage| {
            usage.reasoning > 0 && usage.reasoning >= usage.output.saturating_sub(usage.reasoning)
        };
        self.usage.filter(|usage| cut && reasoned(usage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_have_distinct_names() {
        for effort in ReasoningEffort::ALL {
            assert_eq!(ReasoningEffort::by_name(effort.as_str()), Some(effort));
        }
        assert_eq!(ReasoningEffort::by_name("High"), None);
    }

    #[test]
    fn only_an_empty_cut_answer_that_was_mostly_reasoning_is_lost_to_it() {
        let completion = |text: &str, finish_reason, output, reasoning| Completion {
            text: text.to_owned(),
            finish_reason,
            usage: Some(TokenUsage { output, reasoning, ..TokenUsage::default() }),
        };
        let lost = |completion: Completion| completion.lost_to_reasoning().is_some();
        assert!(lost(completion("", FinishReason::Length, 100, 100)));
        assert!(lost(completion(" \n", FinishReason::Length, 100, 50)));
        assert!(!lost(completion("", FinishReason::Length, 100, 49)));
        assert!(!lost(completion("", FinishReason::Length, 0, 0)));
        assert!(!lost(completion("", FinishReason::Stop, 100, 100)));
        assert!(!lost(completion("1.", FinishReason::Length, 100, 100)));
    }
}
