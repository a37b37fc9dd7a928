//! What a refusal objects to, in the words of many servers.

use super::error::ApiError;

/// Words by which servers say that they do not know a parameter, as opposed to its value being out
/// of range.
const UNSUPPORTED: &[&str] = &[
    "unsupported",
    "not support", // "not supported", "does not support"
    "n't support",
    "only the default",
    "not permitted",
    "not allowed",
    "unrecognized",
    "unknown",
    "unexpected",
    "deprecated",
    "cannot both",
    "unavailable",
    "not enabled",
    "cannot find field",
];

/// Names of Gemini's levels of thinking.
pub(super) const LEVEL: &[&str] = &["thinking level", "thinking_level", "thinkinglevel"];

/// A refusal, reduced to what it objects to.
pub(super) struct Objection {
    param: String,
    message: String,
    /// It says that it does not know the parameter, as opposed to its value being out of range.
    pub(super) unsupported: bool,
}

impl Objection {
    pub(super) fn new(error: &ApiError) -> Self {
        let message = error.message.to_lowercase();
        let labels = [&error.code, &error.kind];
        let unsupported = labels.into_iter().flatten().any(|label| label.contains("unsupported"))
            || UNSUPPORTED.iter().any(|words| message.contains(words));
        Self { param: error.param.clone().unwrap_or_default().to_lowercase(), message, unsupported }
    }

    pub(super) fn names(&self, params: &[&str]) -> bool {
        params.iter().any(|param| self.param == *param || self.message.contains(param))
    }

    /// vLLM names both parameters when the limit is too large; that is not a wish for the other.
    pub(super) fn wants_max_completion_tokens(&self) -> bool {
        self.names(&["max_tokens"])
            && self.message.contains("max_completion_tokens")
            && (self.unsupported || self.message.contains("instead"))
            && !self.message.contains("too large")
    }

    pub(super) fn is_about_response_format(&self) -> bool {
        let by_param = ["response_format", "text.format", "output_config"]
            .iter()
            .any(|param| self.param.starts_with(param))
            || self.param.contains("json_schema");
        let words = [
            "response_format",
            "response format",
            "json_schema",
            "structured output",
            "guided decoding",
            "text.format",
            "output_config",
            "responsejsonschema",
            "response_json_schema",
            "responsemimetype",
            "json mode",
        ];
        by_param || words.iter().any(|words| self.message.contains(words))
    }

    /// "stop" is also an ordinary word: only a quoted or dotted one names the parameter.
    pub(super) fn names_stop(&self) -> bool {
        let quoted =
            ["'stop'", "\"stop\"", "`stop`", "body.stop", "parameter: stop", "stop sequence"];
        self.param == "stop"
            || quoted.iter().any(|words| self.message.contains(words))
            || self.names(&["stop_sequences", "stopsequences"])
    }

    /// OpenAI names the role, Google its instruction.
    pub(super) fn names_system(&self) -> bool {
        let words = ["'system'", "system role", "system message", "developer instruction"];
        words.iter().any(|words| self.message.contains(words))
            || self.names(&["system_instruction", "systeminstruction"])
    }

    pub(super) fn names_effort(&self) -> bool {
        let words = ["reasoning_effort", "reasoning.effort", "output_config.effort"];
        let others = ["effort parameter", "thinking_config", "thinkingconfig", "thinking budget"];
        self.names(&words) || self.names(&others) || self.names(LEVEL)
    }
}
