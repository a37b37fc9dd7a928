//! How an attempt ended.

use bytes::Bytes;

use super::error::ApiError;
use super::failure::{Failure, FailureKind};
use super::headers::ResponseHeaders;

/// How an attempt ended, in terms of what it may have cost (design, invariant 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A whole 2xx response: settle at the usage in the body, or at the worst case without one. The
    /// body must be durable before anything reads it.
    Answered {
        /// The status, 200 to 299.
        status: u16,
        /// What the headers say.
        headers: ResponseHeaders,
        /// The raw body after decompression. The key, should the server echo it, is redacted.
        body: Bytes,
    },
    /// Any other status: no charge. The status decides, even when the body broke off.
    Refused {
        /// The status, 300 or more.
        status: u16,
        /// What the headers say, above all how long to wait.
        headers: ResponseHeaders,
        /// What the body says.
        error: ApiError,
    },
    /// No connection was made, so that no request left: no charge.
    NotSent {
        /// What went wrong, with its causes.
        message: String,
        /// Where it went wrong.
        kind: FailureKind,
    },
    /// The request left, or may have, and no whole answer came: it may be billed. Count it as
    /// unconfirmed, at its worst case.
    Unknown {
        /// What went wrong, with its causes.
        message: String,
        /// Where it went wrong.
        kind: FailureKind,
    },
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        let Failure { kind, message, may_have_been_sent } = failure;
        if may_have_been_sent {
            Self::Unknown { message, kind }
        } else {
            Self::NotSent { message, kind }
        }
    }
}
