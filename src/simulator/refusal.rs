//! Refusals, free of charge, in the words and codes of the OpenAI API; the other APIs translate them.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};

use super::faults::Fault;
use super::limits::{Limit, NotAdmitted, header_duration};

/// A request that is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) kind: &'static str,
    pub(super) code: &'static str,
    /// The parameter that is at fault.
    pub(super) parameter: Option<String>,
    pub(super) message: String,
    /// How long to wait, when that helps.
    pub(super) wait: Option<Duration>,
    /// The fault that it is due to, if any.
    pub(super) fault: &'static str,
}

const INVALID: &str = "invalid_request_error";
const RATE_LIMITED: &str = "rate_limit_exceeded";

impl Refusal {
    fn new(
        status: StatusCode,
        kind: &'static str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            kind,
            code,
            parameter: None,
            message: message.into(),
            wait: None,
            fault: "",
        }
    }

    pub(super) fn unreadable(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, "invalid", message)
    }

    pub(super) fn wrong_key() -> Self {
        let message = "Incorrect API key provided.";
        Self::new(StatusCode::UNAUTHORIZED, INVALID, "invalid_api_key", message)
    }

    pub(super) fn no_model(model: &str) -> Self {
        let message = format!("The model `{model}` does not exist.");
        Self::new(StatusCode::NOT_FOUND, INVALID, "model_not_found", message)
    }

    pub(super) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, INVALID, "unknown_url", "Unknown URL")
    }

    pub(super) fn unsupported(parameter: &str) -> Self {
        let instead = match parameter {
            "max_tokens" => " Use 'max_completion_tokens' instead.",
            _ => "",
        };
        let message = format!(
            "Unsupported parameter: '{parameter}' is not supported with this model.{instead}"
        );
        let code = "unsupported_parameter";
        let refusal = Self::new(StatusCode::BAD_REQUEST, INVALID, code, message);
        Self { parameter: Some(parameter.to_owned()), ..refusal }
    }

    pub(super) fn no_credit() -> Self {
        let message = "You exceeded your current quota, please check your plan.";
        let name = "insufficient_quota";
        Self::new(StatusCode::TOO_MANY_REQUESTS, name, name, message)
    }

    /// A limit is met. `headers` say where the client stands; a wait is added when one helps.
    pub(super) fn over_limit(
        model: &str,
        requested: u64,
        reason: NotAdmitted,
        headers: HeaderMap,
    ) -> Self {
        let (limit, wait) = match reason {
            NotAdmitted::Yet { limit, wait } => (limit, Some(wait)),
            NotAdmitted::Ever { limit } => (limit, None),
        };
        let (kind, rate) = match limit {
            Limit::Requests(most) => {
                ("requests", format!("requests per min (RPM): Limit {most}, Requested 1."))
            }
            Limit::Tokens(most) => {
                ("tokens", format!("tokens per min (TPM): Limit {most}, Requested {requested}."))
            }
        };
        let message = match wait {
            Some(wait) => format!(
                "Rate limit reached for {model} on {rate} Please try again in {}.",
                header_duration(wait)
            ),
            None => format!("Request too large for {model} on {rate} Waiting does not help."),
        };
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, kind, RATE_LIMITED, message);
        Self { headers, wait, ..refusal }
    }

    /// What a fault that keeps a request from the model answers with.
    pub(super) fn by_fault(kind: Fault, name: &'static str) -> Option<Self> {
        let (status, code) = match kind {
            Fault::RateLimited => (StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED),
            Fault::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
            Fault::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Fault::Error200 => (StatusCode::OK, "overloaded"),
            _ => return None,
        };
        let wait = (kind == Fault::RateLimited).then_some(Duration::from_millis(100));
        let refusal = Self::new(status, "server_error", code, "simulated fault");
        Some(Self { fault: name, wait, ..refusal })
    }
}
