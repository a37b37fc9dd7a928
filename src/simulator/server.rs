//! The routes, and one request from admission to answer.
//!
//! What a request costs is booked before its answer leaves and before any latency: a client that
//! goes away is billed all the same, as real providers bill it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;
use tokio::time::Instant;

use super::SimulatorSettings;
use super::bill::{Bill, Books, Entry};
use super::faults::Fault;
use super::limits::{Minute, Standing};
use super::random::{Salt, stream};
use super::wire::{self, Answer, Endpoint, Request};
use super::writer::{Ask, Writer};
use crate::usd::Usd;

/// How often an answer that no schema binds comes in a code fence or after polite words.
const LOOSE_SHARE: f64 = 0.2;
/// The longest that a request with the fault `timeout` is held.
const HELD: Duration = Duration::from_secs(600);
const MAX_BODY: usize = 16 * 1024 * 1024;

/// The server's state; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: SimulatorSettings,
    writer: Writer,
    books: Mutex<Books>,
    minute: Mutex<Minute>,
}

/// Counts a request as under way until it is dropped.
struct UnderWay<'a>(&'a Inner);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.0.books).leave();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    pub(super) fn new(settings: SimulatorSettings) -> Self {
        let inner = Inner {
            settings,
            writer: Writer::new(),
            books: Mutex::default(),
            minute: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(super) fn bill(&self) -> Bill {
        lock(&self.inner.books).bill.clone()
    }

    pub(super) fn router(&self) -> Router {
        Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/completions", post(completions))
            .route("/v1/models", get(models))
            .route("/health", get(|| async { "ok" }))
            .route("/simulator/bill", get(bill))
            .route("/simulator/journal", get(journal))
            .fallback(async || {
                let body = wire::error("invalid_request_error", "unknown_url", None, "Unknown URL");
                json_response(StatusCode::NOT_FOUND, HeaderMap::new(), body)
            })
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self.clone())
    }
}

async fn chat(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    server.inner.serve(Endpoint::Chat, &headers, &body).await
}

async fn completions(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    server.inner.serve(Endpoint::Completions, &headers, &body).await
}

async fn models(State(server): State<Server>) -> Response {
    let id = server.inner.settings.model.clone().unwrap_or_else(|| "simulated".to_owned());
    let list = json!({"object": "list", "data": [{"id": id, "object": "model"}]});
    json_response(StatusCode::OK, HeaderMap::new(), list.to_string().into_bytes())
}

async fn bill(State(server): State<Server>) -> Response {
    let bill = server.bill().to_json().to_string().into_bytes();
    json_response(StatusCode::OK, HeaderMap::new(), bill)
}

async fn journal(State(server): State<Server>) -> Response {
    let journal = lock(&server.inner.books).journal().to_string().into_bytes();
    json_response(StatusCode::OK, HeaderMap::new(), journal)
}

fn json_response(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// A request that is let in, with the fault that it meets and its name.
type Admitted = (Request, Option<(Fault, &'static str)>);

/// A request that is refused without charge.
struct Refused {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    fault: &'static str,
}

impl Refused {
    fn new(status: StatusCode, kind: &str, code: &str, message: &str) -> Self {
        let body = wire::error(kind, code, None, message);
        Self { status, headers: HeaderMap::new(), body, fault: "" }
    }
}

impl Inner {
    async fn serve(&self, endpoint: Endpoint, headers: &HeaderMap, body: &[u8]) -> Response {
        let number = lock(&self.books).open();
        let _under_way = UnderWay(self);
        let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let entry = Entry {
            number,
            path: match endpoint {
                Endpoint::Chat => "/v1/chat/completions",
                Endpoint::Completions => "/v1/completions",
            },
            idempotency_key: key.unwrap_or_default().to_owned(),
            ..Entry::default()
        };
        match self.admit(endpoint, number, headers, body) {
            Ok((request, fault)) => self.answer(endpoint, &request, fault, entry).await,
            Err(refused) => {
                let status = refused.status.as_u16();
                let entry = Entry { status, fault: refused.fault, ..entry };
                lock(&self.books).enter(entry, true);
                json_response(refused.status, refused.headers, refused.body)
            }
        }
    }

    /// Everything that can refuse a request, in the order of a real API.
    fn admit(
        &self,
        endpoint: Endpoint,
        number: u64,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Admitted, Refused> {
        self.check_key(headers)?;
        let request = wire::read(endpoint, body).map_err(|message| {
            Refused::new(StatusCode::BAD_REQUEST, "invalid_request_error", "invalid", message)
        })?;
        self.check_request(&request)?;
        let fault = self.settings.faults.draw(self.settings.seed, number);
        if let Some((kind, name)) = fault
            && let Some(refused) = refuse_by_fault(kind)
        {
            return Err(Refused { fault: name, ..refused });
        }
        self.check_limits(&request)?;
        Ok((request, fault))
    }

    fn check_key(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let Some(key) = &self.settings.api_key else { return Ok(()) };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given.and_then(|value| value.strip_prefix("Bearer ")) == Some(key) {
            return Ok(());
        }
        let message = "Incorrect API key provided.";
        let kind = "invalid_request_error";
        Err(Refused::new(StatusCode::UNAUTHORIZED, kind, "invalid_api_key", message))
    }

    fn check_request(&self, request: &Request) -> Result<(), Refused> {
        let kind = "invalid_request_error";
        if self.settings.model.as_ref().is_some_and(|model| *model != request.model) {
            let message = format!("The model `{}` does not exist.", request.model);
            return Err(Refused::new(StatusCode::NOT_FOUND, kind, "model_not_found", &message));
        }
        let unsupported =
            self.settings.reject_params.iter().find(|name| request.parameters.contains(name));
        if let Some(name) = unsupported {
            let instead =
                if name == "max_tokens" { " Use 'max_completion_tokens' instead." } else { "" };
            let message = format!(
                "Unsupported parameter: '{name}' is not supported with this model.{instead}"
            );
            let body = wire::error(kind, "unsupported_parameter", Some(name), &message);
            let status = StatusCode::BAD_REQUEST;
            return Err(Refused { status, headers: HeaderMap::new(), body, fault: "" });
        }
        let billed = lock(&self.books).bill.cost;
        if self.settings.quota.is_some_and(|quota| billed >= quota) {
            let message = "You exceeded your current quota, please check your plan.";
            let (kind, code) = ("insufficient_quota", "insufficient_quota");
            return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, kind, code, message));
        }
        Ok(())
    }

    fn check_limits(&self, request: &Request) -> Result<(), Refused> {
        let tokens = request.prompt_tokens() + request.max_tokens;
        let settings = &self.settings;
        let now = Instant::now();
        let mut minute = lock(&self.minute);
        let admitted = minute.admit(now, tokens, settings.rpm, settings.tpm);
        let (requests, counted) = (minute.requests(), minute.tokens());
        drop(minute);
        let Err(wait) = admitted else {
            let bill = &mut lock(&self.books).bill;
            bill.peak_requests_per_minute = bill.peak_requests_per_minute.max(requests);
            bill.peak_tokens_per_minute = bill.peak_tokens_per_minute.max(counted);
            return Ok(());
        };
        let message = "Rate limit reached. Please try again later.";
        let refused =
            Refused::new(StatusCode::TOO_MANY_REQUESTS, "requests", "rate_limit_exceeded", message);
        let mut headers = self.limit_headers(now);
        number_header(&mut headers, "retry-after", wait.as_millis().div_ceil(1_000));
        number_header(&mut headers, "retry-after-ms", wait.as_millis().max(1));
        Err(Refused { headers, ..refused })
    }

    fn limit_headers(&self, now: Instant) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let minute = lock(&self.minute);
        let standings = [
            ("requests", self.settings.rpm, minute.requests()),
            ("tokens", self.settings.tpm, minute.tokens()),
        ];
        for (what, limit, used) in standings {
            let Some(limit) = limit else { continue };
            let Standing { limit, remaining, reset } = minute.standing(now, limit, used);
            number_header(&mut headers, &format!("x-ratelimit-limit-{what}"), limit.into());
            number_header(&mut headers, &format!("x-ratelimit-remaining-{what}"), remaining.into());
            let reset = format!("{}ms", reset.as_millis());
            text_header(&mut headers, &format!("x-ratelimit-reset-{what}"), &reset);
        }
        headers
    }

    async fn answer(
        &self,
        endpoint: Endpoint,
        request: &Request,
        fault: Option<(Fault, &'static str)>,
        entry: Entry,
    ) -> Response {
        let number = entry.number;
        let kind = fault.map(|(kind, _)| kind);
        let fault = fault.map_or("", |(_, name)| name);
        if kind == Some(Fault::DropBefore) {
            lock(&self.books).enter(Entry { fault, ..entry }, true);
            return broken_response(HeaderMap::new(), Vec::new(), 1);
        }
        if kind == Some(Fault::Error200) {
            lock(&self.books).enter(Entry { fault, status: 200, ..entry }, true);
            let body = wire::error("server_error", "overloaded", None, "The server is overloaded.");
            return json_response(StatusCode::OK, HeaderMap::new(), body);
        }
        let (text, finish_reason) = self.text(request, kind, number);
        let (prompt, completion) = (request.prompt_tokens(), wire::tokens(text.len()));
        let cost = self.cost(prompt, completion);
        let booked = Entry {
            status: 200,
            billed: true,
            prompt_tokens: prompt,
            completion_tokens: completion,
            cost,
            fault,
            ..entry
        };
        lock(&self.books).enter(booked, kind.is_none_or(Fault::is_whole));
        self.wait(number, kind).await;
        let usage = match kind {
            Some(Fault::NoUsage) => serde_json::Value::Null,
            Some(Fault::NegativeUsage) => json!({"prompt_tokens": -1, "completion_tokens": -1}),
            _ => wire::usage(prompt, completion),
        };
        let model = &request.model;
        let answer = Answer { number, model, text: &text, finish_reason, usage };
        self.send(kind, number, answer.to_json(endpoint))
    }

    fn text(&self, request: &Request, kind: Option<Fault>, number: u64) -> (String, &'static str) {
        let written = match kind {
            Some(Fault::Empty) => String::new(),
            Some(Fault::Refusal) => "I'm sorry, but I can't help with that. (simulated)".to_owned(),
            _ => {
                let texts: Vec<&str> = request.texts.iter().map(String::as_str).collect();
                let ask = Ask::read(&texts, request.strict);
                self.writer.write(ask, self.settings.seed, number, LOOSE_SHARE)
            }
        };
        let (mut text, reason) = wire::limit_text(written, &request.stop, request.max_tokens);
        if kind == Some(Fault::Length) {
            let half = text.len() / 2;
            wire::cut(&mut text, half);
            return (text, "length");
        }
        (text, reason)
    }

    fn cost(&self, prompt: u64, completion: u64) -> Usd {
        let output = self.settings.price_out.saturating_mul(completion);
        self.settings.price_in.saturating_mul(prompt).saturating_add(output)
    }

    async fn wait(&self, number: u64, kind: Option<Fault>) {
        if kind == Some(Fault::Timeout) {
            tokio::time::sleep(HELD).await;
        }
        if self.settings.latency_ms > 0 {
            let spread = 0.7 + 0.6 * stream(self.settings.seed, Salt::Latency, number).f64();
            let mean = Duration::from_millis(self.settings.latency_ms);
            tokio::time::sleep(mean.mul_f64(spread)).await;
        }
    }

    fn send(&self, kind: Option<Fault>, number: u64, body: Vec<u8>) -> Response {
        let mut headers = self.limit_headers(Instant::now());
        text_header(&mut headers, "x-request-id", &format!("simulated-{number}"));
        match kind {
            Some(Fault::Drop) => broken_response(headers, Vec::new(), body.len()),
            Some(Fault::Cut) => {
                let length = body.len();
                let half = body.into_iter().take(length / 2).collect();
                broken_response(headers, half, length)
            }
            Some(Fault::Garbage) => {
                let half = body.iter().take(body.len() / 2).copied().collect();
                json_response(StatusCode::OK, headers, half)
            }
            Some(Fault::Html) => {
                let page = b"<!DOCTYPE html><title>simulated</title><p>Bad gateway".to_vec();
                typed(json_response(StatusCode::OK, headers, page), "text/html")
            }
            Some(Fault::ContentType) => {
                typed(json_response(StatusCode::OK, headers, body), "text/plain")
            }
            _ => json_response(StatusCode::OK, headers, body),
        }
    }
}

fn refuse_by_fault(kind: Fault) -> Option<Refused> {
    let refused =
        |status, code| Some(Refused::new(status, "server_error", code, "simulated fault"));
    match kind {
        Fault::RateLimited => {
            let mut refused = refused(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded")?;
            number_header(&mut refused.headers, "retry-after-ms", 100);
            Some(refused)
        }
        Fault::ServerError => refused(StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        Fault::Unavailable => refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        _ => None,
    }
}

/// An answer whose connection breaks after `sent` of `length` announced bytes.
fn broken_response(headers: HeaderMap, sent: Vec<u8>, length: usize) -> Response {
    let lost = std::io::Error::other("simulated fault");
    let chunks = [Ok(Bytes::from(sent)), Err(lost)];
    let stream = futures_util::stream::iter(chunks);
    let mut response = Response::new(Body::from_stream(stream));
    *response.headers_mut() = headers;
    number_header(response.headers_mut(), "content-length", length as u128);
    response
}

fn typed(mut response: Response, content_type: &'static str) -> Response {
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

fn number_header(headers: &mut HeaderMap, name: &str, number: u128) {
    text_header(headers, name, &number.to_string());
}

/// Names and values here are our own ASCII; anything else is left out.
fn text_header(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}
