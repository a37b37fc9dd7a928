//! What went wrong when no whole answer came, and whether the request had left by then.

use std::error::Error;
use std::io;
use std::iter::successors;

use super::error::presentable;
use super::key::ApiKey;

/// Where an attempt without an answer broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The host name could not be resolved.
    Dns,
    /// No connection to the server or the proxy.
    Connect,
    /// The TLS handshake failed: the certificate, or the server does not speak TLS.
    Tls,
    /// A time limit ran out.
    Timeout,
    /// The connection broke, or what came was no HTTP.
    Connection,
    /// The body broke off or could not be decompressed.
    Body,
    /// The body is longer than allowed.
    TooLarge,
    /// The request could not be built.
    Request,
}

impl FailureKind {
    /// The name used in the store and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Body => "body",
            Self::TooLarge => "too_large",
            Self::Request => "request",
        }
    }

    /// What a person can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Dns => "the host name does not resolve: check --base-url and the network",
            Self::Connect => {
                "no connection: check that the server runs, and the host and port of --base-url"
            }
            Self::Tls => {
                "TLS failed: the server's certificate is not trusted here (SSL_CERT_FILE adds \
                 one), or the server speaks plain http://"
            }
            Self::Timeout => {
                "the server took too long: raise the time limits, or lower --concurrency"
            }
            Self::Connection => {
                "the connection broke, or the server does not speak HTTP: check --base-url"
            }
            Self::Body => "the answer broke off on its way",
            Self::TooLarge => "the answer is longer than any completion: check --base-url",
            Self::Request => "the request could not be built: check --base-url",
        }
    }
}

/// A failed attempt.
#[derive(Debug)]
pub struct Failure {
    /// Where it broke.
    pub kind: FailureKind,
    /// What went wrong, with its causes.
    pub message: String,
    /// Whether the request may have reached the server.
    pub may_have_been_sent: bool,
}

impl Failure {
    /// Judges an error of the HTTP library. When in doubt the request counts as sent.
    pub(super) fn of(error: reqwest::Error, key: Option<&ApiKey>) -> Self {
        let error = error.without_url();
        let may_have_been_sent = !(error.is_builder() || error.is_connect());
        Self {
            kind: kind(&error),
            message: presentable(&chain_text(&error), key),
            may_have_been_sent,
        }
    }

    /// A status that is neither an answer nor a refusal.
    pub(super) fn no_answer(status: u16) -> Self {
        let message = format!("the server sent status {status} in place of an answer");
        Self { kind: FailureKind::Connection, message, may_have_been_sent: true }
    }

    /// Bodies that are longer than `limit` bytes together.
    pub(super) fn too_large_together(limit: usize) -> Self {
        let message = format!(
            "the bodies under way are longer than {limit} bytes; the connection was closed"
        );
        Self { kind: FailureKind::TooLarge, message, may_have_been_sent: true }
    }

    /// A body longer than `limit` bytes.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("the body is longer than {limit} bytes; the connection was closed");
        Self { kind: FailureKind::TooLarge, message, may_have_been_sent: true }
    }
}

fn kind(error: &reqwest::Error) -> FailureKind {
    if error.is_builder() {
        FailureKind::Request
    } else if error.is_connect() && (error.is_dns() || chain_text(error).contains("dns error")) {
        FailureKind::Dns
    } else if error.is_connect() && levels(error).any(is_tls) {
        FailureKind::Tls
    } else if error.is_timeout() {
        FailureKind::Timeout
    } else if error.is_connect() {
        FailureKind::Connect
    } else if error.is_body() || error.is_decode() {
        FailureKind::Body
    } else {
        FailureKind::Connection
    }
}

/// The error and its sources, outermost first.
fn levels<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |&level| level.source())
}

/// Whether this level is, or wraps, an error of the TLS library. The source of an `io::Error` is the
/// source of what it wraps, so the wrapped error itself needs a look; it may be another `io::Error`.
fn is_tls(level: &(dyn Error + 'static)) -> bool {
    let wrapped = level.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    level.is::<rustls::Error>() || wrapped.is_some_and(|inner| is_tls(inner))
}

/// The messages of all levels; those that only name a layer of the HTTP library are left out unless
/// nothing else is there.
fn chain_text(error: &(dyn Error + 'static)) -> String {
    let mut messages: Vec<String> = levels(error).map(ToString::to_string).collect();
    let telling = |message: &String| {
        !message.is_empty()
            && ![
                "error sending request",
                "client error (",
                "error decoding response body",
                "request or response body error",
            ]
            .iter()
            .any(|opening| message.starts_with(opening))
    };
    if messages.iter().any(telling) {
        messages.retain(telling);
    }
    messages.dedup();
    messages.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::http::install_crypto;

    #[tokio::test]
    async fn an_unknown_host_is_a_dns_failure_before_the_send() {
        install_crypto();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        // Empty labels are refused by the resolver itself, so this test asks no name server.
        let error = client.get("http://no..such..host/").send().await.unwrap_err();
        let failure = Failure::of(error, None);
        assert_eq!((failure.kind, failure.may_have_been_sent), (FailureKind::Dns, false));
        assert!(failure.message.starts_with("dns error: "), "{}", failure.message);
    }

    #[test]
    fn a_tls_error_is_found_inside_an_io_error() {
        let inner = rustls::Error::General("no".to_owned());
        let once = io::Error::new(io::ErrorKind::InvalidData, inner);
        assert!(is_tls(&once));
        assert!(is_tls(&io::Error::other(once)));
        assert!(!is_tls(&io::Error::other("certificate")));
    }
}
