//! What carries requests in place of sockets, for simulations.

use std::fmt;
use std::pin::Pin;

use reqwest::{Request, Response};

use super::failure::Failure;

/// A response that is on its way.
pub type Delivery<'a> = Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'a>>;

/// What carries requests in place of sockets. All else is the same: what a client adds to a request,
/// how much it reads of a body, what it makes of status and headers. The time limits are the socket
/// library's own, so that whoever replaces it keeps to them, too.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends a request; the answer has its head, and its body may still be coming.
    ///
    /// Dropping the future gives the request up.
    fn deliver(&self, request: Request) -> Delivery<'_>;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::http;

    use super::*;
    use crate::provider::{FailureKind, HttpClient, HttpSettings, Outcome};

    /// Answers with the status that the path names; loses requests to anything else.
    #[derive(Debug)]
    struct Echo;

    impl Transport for Echo {
        fn deliver(&self, request: Request) -> Delivery<'_> {
            let path = request.url().path().rsplit('/').next().unwrap_or_default().to_owned();
            Box::pin(async move {
                let Ok(status) = path.parse::<u16>() else {
                    let message = "lost".to_owned();
                    let kind = FailureKind::Connection;
                    return Err(Failure { kind, message, may_have_been_sent: path == "sent" });
                };
                let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
                let response = http::Response::builder().status(status).body(body.to_vec());
                Ok(response.expect("a status").into())
            })
        }
    }

    #[tokio::test]
    async fn what_a_transport_brings_is_sorted_as_what_comes_by_a_socket() {
        let patience = Duration::from_secs(1);
        let settings = HttpSettings {
            base_url: "http://127.0.0.1:9/v1".to_owned(),
            access: crate::provider::access::OPENAI,
            api_version: None,
            api_key: None,
            connect_timeout: patience,
            read_timeout: patience,
            total_timeout: patience,
            max_body_bytes: 8,
            concurrency: 1,
        };
        let client = HttpClient::over(settings, Some(Arc::new(Echo))).unwrap();
        let answered = client.post("200", "body", "1").await;
        assert!(matches!(&answered, Outcome::Answered { body, .. } if body == "body"));
        let long = client.post("200", "too long a body", "2").await;
        assert!(matches!(long, Outcome::Unknown { kind: FailureKind::TooLarge, .. }));
        let refused = client.post("429", "no", "3").await;
        assert!(matches!(refused, Outcome::Refused { status: 429, .. }));
        assert!(matches!(client.post("kept", "", "4").await, Outcome::NotSent { .. }));
        assert!(matches!(client.post("sent", "", "5").await, Outcome::Unknown { .. }));
    }
}
