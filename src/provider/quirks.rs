//! What a server does not accept of the OpenAI API, learnt from its refusals.

use super::error::ApiError;

/// The parts of the OpenAI API on which servers and models differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts about a server")]
pub struct Quirks {
    /// The output limit is named `max_completion_tokens` (OpenAI's reasoning models) instead of
    /// `max_tokens` (everybody else).
    pub max_completion_tokens: bool,
    /// `temperature` and `top_p` are accepted.
    pub sampling: bool,
    /// `response_format` with a JSON schema is accepted.
    pub response_schema: bool,
    /// `stop` is accepted.
    pub stop: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self { max_completion_tokens: false, sampling: true, response_schema: true, stop: true }
    }
}

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
];

impl Quirks {
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
        None
    }
}

/// A refusal, reduced to what it objects to.
struct Objection {
    param: String,
    message: String,
    unsupported: bool,
}

impl Objection {
    fn new(error: &ApiError) -> Self {
        let message = error.message.to_lowercase();
        let labels = [&error.code, &error.kind];
        let unsupported = labels.into_iter().flatten().any(|label| label.contains("unsupported"))
            || UNSUPPORTED.iter().any(|words| message.contains(words));
        Self { param: error.param.clone().unwrap_or_default().to_lowercase(), message, unsupported }
    }

    fn names(&self, params: &[&str]) -> bool {
        params.iter().any(|param| self.param == *param || self.message.contains(param))
    }

    /// vLLM names both parameters when the limit is too large; that is not a wish for the other.
    fn wants_max_completion_tokens(&self) -> bool {
        self.names(&["max_tokens"])
            && self.message.contains("max_completion_tokens")
            && (self.unsupported || self.message.contains("instead"))
            && !self.message.contains("too large")
    }

    fn is_about_response_format(&self) -> bool {
        let by_param =
            self.param.starts_with("response_format") || self.param.contains("json_schema");
        let words = [
            "response_format",
            "response format",
            "json_schema",
            "structured output",
            "guided decoding",
        ];
        by_param || words.iter().any(|words| self.message.contains(words))
    }

    /// "stop" is also an ordinary word: only a quoted or dotted one names the parameter.
    fn names_stop(&self) -> bool {
        let quoted =
            ["'stop'", "\"stop\"", "`stop`", "body.stop", "parameter: stop", "stop sequence"];
        self.param == "stop" || quoted.iter().any(|words| self.message.contains(words))
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
        for (param, message, expected) in cases {
            let mut quirks = base;
            let error = refusal(param, message);
            assert!(quirks.learn(&error).is_some(), "{message}");
            assert_eq!(quirks, expected, "{message}");
            assert_eq!(quirks.learn(&error), None, "{message}");
        }
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
