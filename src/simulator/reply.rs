//! Responses: whole, mislabelled or broken.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream;

use super::faults::Fault;
use super::limits::milliseconds;
use super::refusal::Refusal;
use super::wire::Api;

/// A response in JSON.
pub(super) fn json(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Response {
    typed("application/json", status, headers, Body::from(body))
}

/// A refusal as a response of an API.
pub(super) fn refused(api: &dyn Api, refusal: Refusal) -> Response {
    let (status, body) = api.refusal(&refusal);
    let mut headers = refusal.headers;
    if let Some(wait) = refusal.wait.filter(|_| api.names_wait()).map(milliseconds) {
        number_header(&mut headers, "retry-after", wait.div_ceil(1_000));
        number_header(&mut headers, "retry-after-ms", wait);
    }
    json(status, headers, body.to_string().into_bytes())
}

/// A billed answer, with the fault of its way.
pub(super) fn answer(fault: Option<Fault>, headers: HeaderMap, mut body: Vec<u8>) -> Response {
    let half = body.len() / 2;
    match fault {
        Some(Fault::Cut) => cut(headers, body),
        Some(Fault::Garbage) => {
            body.truncate(half);
            json(StatusCode::OK, headers, body)
        }
        Some(Fault::Html) => {
            let page = "<!DOCTYPE html><title>simulated</title><p>Bad gateway";
            typed("text/html", StatusCode::OK, headers, Body::from(page))
        }
        Some(Fault::ContentType) => typed("text/plain", StatusCode::OK, headers, Body::from(body)),
        _ => json(StatusCode::OK, headers, body),
    }
}

/// The first half of a body whose whole length is announced; then the connection breaks.
fn cut(mut headers: HeaderMap, mut body: Vec<u8>) -> Response {
    number_header(&mut headers, "content-length", body.len() as u128);
    body.truncate(body.len() / 2);
    let pieces = stream::unfold(Some(body), async |first| {
        if let Some(half) = first {
            return Some((Ok(Bytes::from(half)), None));
        }
        // The server writes what it has when a body makes it wait, and drops it at an error.
        tokio::task::yield_now().await;
        Some((Err(std::io::Error::other("simulated fault")), None))
    });
    typed("application/json", StatusCode::OK, headers, Body::from_stream(pieces))
}

fn typed(
    content_type: &'static str,
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

/// Sets a header to a number.
pub(super) fn number_header(headers: &mut HeaderMap, name: &str, number: u128) {
    text_header(headers, name, &number.to_string());
}

/// Sets a header. Names and values are our own ASCII; anything else is left out.
pub(super) fn text_header(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}
