//! One call about batches, of any method.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, Response};

use crate::clock;
use crate::provider::error::ApiError;
use crate::provider::failure::{Failure, FailureKind};
use crate::provider::headers::ResponseHeaders;
use crate::provider::http::HttpClient;

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The server refused.
    #[error("{error}")]
    Refused {
        /// What it said.
        error: ApiError,
        /// How long it asks to wait.
        wait: Option<Duration>,
    },
    /// No connection was made.
    #[error("{message}")]
    NotSent {
        /// What went wrong, with its causes.
        message: String,
        /// Where it went wrong.
        kind: FailureKind,
    },
    /// The call left, or may have, and no whole answer came.
    #[error("{message}")]
    Unknown {
        /// What went wrong, with its causes.
        message: String,
    },
    /// The answer is none that the API gives.
    #[error("the answer is not that of an API with batches: {message}")]
    Unreadable {
        /// What it is.
        message: String,
    },
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        let Failure { kind, message, may_have_been_sent } = failure;
        if may_have_been_sent { Self::Unknown { message } } else { Self::NotSent { message, kind } }
    }
}

/// A call below the base URL.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'a str, String)],
    /// Media type and bytes.
    pub(super) body: Option<(&'a str, Bytes)>,
    /// Names the call to the server, so that one which is sent again can be told.
    pub(super) request_id: Option<&'a str>,
    /// The longest time to the last byte of the answer.
    pub(super) timeout: Duration,
}

impl HttpClient {
    /// Makes a call; the body of a 2xx answer is still to come.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Response, CallError> {
        let place = self.least_busy();
        let key = self.api_key.as_ref();
        let mut url = self.url(call.path);
        for (name, value) in call.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let mut headers = self.headers.clone();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some((media_type, _)) = &call.body
            && let Ok(value) = HeaderValue::from_str(media_type)
        {
            headers.insert(CONTENT_TYPE, value);
        }
        for name in ["idempotency-key", "x-client-request-id"] {
            if let Some(Ok(id)) = call.request_id.map(HeaderValue::from_str) {
                headers.insert(HeaderName::from_static(name), id);
            }
        }
        let mut request = Request::new(call.method, url);
        *request.headers_mut() = headers;
        *request.timeout_mut() = Some(call.timeout);
        *request.body_mut() = call.body.map(|(_, body)| body.into());
        let response = place.carry(request, key).await?;
        let headers = ResponseHeaders::read(response.headers(), self.limits, clock::now(), key);
        if headers.simulated {
            self.simulated.store(true, Ordering::Relaxed);
        }
        if response.status().is_success() {
            return Ok(response);
        }
        if response.status().is_informational() {
            return Err(Failure::no_answer(response.status().as_u16()).into());
        }
        match self.refusal(response, headers).await {
            crate::provider::Outcome::Refused { headers, error, .. } => {
                Err(CallError::Refused { error, wait: headers.retry_after })
            }
            // A refusal is one whatever its body is.
            other => Err(CallError::Unreadable { message: format!("{other:?}") }),
        }
    }
}
