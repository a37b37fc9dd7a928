//! What a server and a model do not take of the request: known from the facts about the model, or
//! learnt from a refusal.

use super::error::ApiError;
use super::objection::{LEVEL, Objection};
use crate::chat::{CompletionRequest, ModelTraits, ReasoningEffort};

/// The parts of a request on which servers and models differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a server")]
pub struct Quirks {
    /// The output limit is named `max_completion_tokens` (OpenAI's reasoning models) instead of
    /// `max_tokens` (everybody else).
    pub max_completion_tokens: bool,
    /// `temperature` and `top_p` are accepted.
    pub sampling: bool,
    /// A JSON schema of the answer is accepted.
    pub response_schema: bool,
    /// Stop texts are accepted.
    pub stop: bool,
    /// System messages are accepted; their text goes into the user's turn otherwise.
    pub system_messages: bool,
    /// A reasoning effort is accepted.
    pub reasoning_effort: bool,
    /// The reasoning effort is given as a number of tokens (Gemini before version 3).
    pub thinking_budget: bool,
    /// A name for the cached part of the prompt is accepted (`OpenAI`'s `prompt_cache_key`).
    pub prompt_cache_key: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self::COMMON
    }
}

/// The quirks of OpenAI's own models.
///
/// Those that reason name the output limit differently, and take no temperature unless they are
/// told, or tell themselves, not to reason.
pub(super) fn of_openai(model: &ModelTraits, effort: Option<ReasoningEffort>) -> Quirks {
    let reasons = model.reasoning == Some(true);
    let silent = effort.or(model.default_effort) == Some(ReasoningEffort::None);
    Quirks {
        max_completion_tokens: reasons,
        sampling: model.sampling.unwrap_or(!reasons || silent),
        ..Quirks::COMMON.with(model)
    }
}

impl Quirks {
    /// What nearly every server takes.
    pub const COMMON: Self = Self {
        max_completion_tokens: false,
        sampling: true,
        response_schema: true,
        stop: true,
        system_messages: true,
        reasoning_effort: true,
        thinking_budget: false,
        prompt_cache_key: false,
    };

    /// Without what the model is known not to take.
    pub(super) fn with(self, model: &ModelTraits) -> Self {
        Self {
            sampling: self.sampling && model.sampling != Some(false),
            response_schema: self.response_schema && model.response_schema != Some(false),
            system_messages: self.system_messages && model.system_messages != Some(false),
            ..self
        }
    }

    /// The name of the cached part, where one is accepted.
    pub(super) fn cache_key(self, request: &CompletionRequest) -> Option<&str> {
        request.cache_key.as_deref().filter(|_| self.prompt_cache_key)
    }

    /// The effort that a request asks for, where one is accepted.
    pub(super) fn effort(self, request: &CompletionRequest) -> Option<ReasoningEffort> {
        request.reasoning_effort.filter(|_| self.reasoning_effort)
    }

    /// Adjusts itself to a 400 or 422 that names a parameter this server does not take, and says
    /// what changed.
    ///
    /// `None` when the refusal is about something else, or when the parameter was already left out:
    /// a request can be sent again after `Some` without ever looping, because each answer is given
    /// at most once.
    pub fn learn(&mut self, error: &ApiError) -> Option<&'static str> {
        if !matches!(error.status, 400 | 422) {
            return None;
        }
        let objection = Objection::new(error);
        if !self.max_completion_tokens && objection.wants_max_completion_tokens() {
            self.max_completion_tokens = true;
            return Some("the output limit is sent as max_completion_tokens");
        }
        if objection.names_effort() {
            return if objection.unsupported { self.learn_effort(&objection) } else { None };
        }
        if self.response_schema && objection.is_about_response_format() {
            self.response_schema = false;
            return Some("the answer's JSON schema is left out");
        }
        if !objection.unsupported {
            return None;
        }
        if self.sampling && objection.names(&["temperature", "top_p"]) {
            self.sampling = false;
            return Some("temperature and top_p are left out");
        }
        if self.stop && objection.names_stop() {
            self.stop = false;
            return Some("stop texts are left out");
        }
        if self.system_messages && objection.names_system() {
            self.system_messages = false;
            return Some("the system message goes into the user's turn");
        }
        if self.prompt_cache_key && objection.names(&["prompt_cache_key"]) {
            self.prompt_cache_key = false;
            return Some("the name of the cached part is left out");
        }
        None
    }

    /// Gemini's models take a level or a number of tokens, and say so when it is the other.
    fn learn_effort(&mut self, objection: &Objection) -> Option<&'static str> {
        if !self.reasoning_effort {
            return None;
        }
        if objection.names(LEVEL) && !self.thinking_budget {
            self.thinking_budget = true;
            return Some("the reasoning effort is sent as a number of tokens");
        }
        self.reasoning_effort = false;
        Some("the reasoning effort is left out")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(param: Option<&str>, message: &str) -> ApiError {
        let mut error = ApiError::from_message(400, message, None);
        error.param = param.map(str::to_owned);
        error
    }

    /// Each of these is taken once and refused the second time.
    fn assert_learnt_once(cases: &[(Option<&str>, &str, Quirks)]) {
        for (param, message, expected) in cases {
            let mut quirks = Quirks::default();
            let error = refusal(*param, message);
            assert!(quirks.learn(&error).is_some(), "{message}");
            assert_eq!(quirks, *expected, "{message}");
            assert_eq!(quirks.learn(&error), None, "{message}");
        }
    }

    #[test]
    fn unsupported_parameters_are_learnt_once() {
        let base = Quirks::default();
        let cases = [
            (
                Some("max_tokens"),
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                Quirks { max_completion_tokens: true, ..base },
            ),
            (
                Some("temperature"),
                "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.",
                Quirks { sampling: false, ..base },
            ),
            (
                None,
                "`temperature` and `top_p` cannot both be specified for this model.",
                Quirks { sampling: false, ..base },
            ),
            (
                None,
                "This model does not support response format `json_schema`.",
                Quirks { response_schema: false, ..base },
            ),
            (
                Some("response_format"),
                "Invalid parameter",
                Quirks { response_schema: false, ..base },
            ),
            (
                None,
                "This response_format type is unavailable now",
                Quirks { response_schema: false, ..base },
            ),
            (
                None,
                "body.response_format: Extra inputs are not permitted",
                Quirks { response_schema: false, ..base },
            ),
            (
                Some("stop"),
                "Unsupported parameter: 'stop' is not supported with this model.",
                Quirks { stop: false, ..base },
            ),
            (None, "body.stop: Extra inputs are not permitted", Quirks { stop: false, ..base }),
        ];
        assert_learnt_once(&cases);
    }

    #[test]
    fn the_words_of_other_apis_are_learnt_too() {
        let base = Quirks::default();
        let cases = [
            (
                None,
                "output_config.format: Extra inputs are not permitted",
                Quirks { response_schema: false, ..base },
            ),
            (
                None,
                "Invalid JSON payload received. Unknown name \"responseJsonSchema\" at 'generation_config': Cannot find field.",
                Quirks { response_schema: false, ..base },
            ),
            (
                None,
                "JSON mode is not enabled for models/gemma-3-27b-it",
                Quirks { response_schema: false, ..base },
            ),
            (
                Some("text.format"),
                "Invalid parameter: 'text.format' of type 'json_schema' is not supported with this model.",
                Quirks { response_schema: false, ..base },
            ),
            (
                Some("messages[0].role"),
                "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
                Quirks { system_messages: false, ..base },
            ),
            (
                None,
                "Developer instruction is not enabled for models/gemma-3-27b-it",
                Quirks { system_messages: false, ..base },
            ),
            (
                Some("reasoning_effort"),
                "Unsupported parameter: 'reasoning_effort' is not supported with this model.",
                Quirks { reasoning_effort: false, ..base },
            ),
            (
                None,
                "This model does not support the effort parameter.",
                Quirks { reasoning_effort: false, ..base },
            ),
            (
                None,
                "output_config.effort: Extra inputs are not permitted",
                Quirks { reasoning_effort: false, ..base },
            ),
        ];
        assert_learnt_once(&cases);
    }

    #[test]
    fn a_level_becomes_a_number_of_tokens_before_it_is_left_out() {
        let mut quirks = Quirks::default();
        let level = refusal(None, "Thinking level is not supported for this model.");
        assert!(quirks.learn(&level).is_some());
        assert!(quirks.thinking_budget && quirks.reasoning_effort);
        let budget = refusal(None, "Thinking budget is not supported for this model.");
        assert!(quirks.learn(&budget).is_some());
        assert!(!quirks.reasoning_effort);
        assert_eq!(quirks.learn(&budget), None);
    }

    #[test]
    fn models_of_openai_that_reason_take_no_temperature_unless_they_are_silent() {
        use ReasoningEffort::{High, Low, None as Silent};
        let of = |reasoning, default_effort, effort| {
            let model = ModelTraits { reasoning, default_effort, ..ModelTraits::default() };
            let quirks = of_openai(&model, effort);
            (quirks.max_completion_tokens, quirks.sampling)
        };
        assert_eq!(of(None, None, None), (false, true));
        assert_eq!(of(Some(false), None, None), (false, true));
        assert_eq!(of(Some(true), None, None), (true, false));
        assert_eq!(of(Some(true), Some(Silent), None), (true, true));
        assert_eq!(of(Some(true), Some(Silent), Some(Low)), (true, false));
        assert_eq!(of(Some(true), Some(High), Some(Silent)), (true, true));
        let model = ModelTraits { sampling: Some(false), ..ModelTraits::default() };
        assert!(!of_openai(&model, None).sampling);
    }

    #[test]
    fn other_refusals_change_nothing() {
        let cases = [
            (
                Some("max_tokens"),
                "max_tokens is too large: 5000. This model supports at most 4096 completion tokens.",
            ),
            (
                None,
                "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 tokens.",
            ),
            (Some("temperature"), "3 is greater than the maximum of 2 - 'temperature'"),
            (
                Some("stop"),
                "Invalid 'stop': array too long. Expected an array with maximum length 4.",
            ),
            (None, "the server must stop; unsupported model"),
            (None, "model `x` is unknown"),
        ];
        for (param, message) in cases {
            let mut quirks = Quirks::default();
            assert_eq!(quirks.learn(&refusal(param, message)), None, "{message}");
            assert_eq!(quirks, Quirks::default(), "{message}");
        }
        let mut other_status = refusal(Some("stop"), "'stop' is not supported");
        other_status.status = 500;
        assert_eq!(Quirks::default().learn(&other_status), None);
    }
}
