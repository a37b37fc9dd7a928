//! The routes.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::bill::Bill;
use super::desk::Desk;
use super::line::Cutter;
use super::refusal::Refusal;
use super::reply;
use super::settings::SimulatorSettings;
use super::wire::Endpoint;

const MAX_BODY: usize = 16 * 1024 * 1024;

/// The server's state; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    desk: Arc<Desk>,
}

impl Server {
    pub(super) fn new(settings: SimulatorSettings) -> Self {
        Self { desk: Arc::new(Desk::new(settings)) }
    }

    pub(super) fn bill(&self) -> Bill {
        self.desk.bill()
    }

    pub(super) fn router(&self) -> Router {
        Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/completions", post(completions))
            .route("/v1/models", get(models))
            .route("/health", get(|| async { "ok" }))
            .route("/simulator/bill", get(bill))
            .route("/simulator/journal", get(journal))
            .fallback(async || reply::refused(Refusal::no_route()))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self.clone())
    }
}

async fn chat(
    State(server): State<Server>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    complete(&server, Endpoint::Chat, &cutter, &headers, &body).await
}

async fn completions(
    State(server): State<Server>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    complete(&server, Endpoint::Completions, &cutter, &headers, &body).await
}

async fn complete(
    server: &Server,
    endpoint: Endpoint,
    cutter: &Cutter,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let answer = server.desk.serve(endpoint, headers, body).await;
    answer.unwrap_or_else(|_dropped| {
        cutter.cut();
        // A handler has to return something; no byte of it leaves.
        Response::default()
    })
}

async fn models(State(server): State<Server>, headers: HeaderMap) -> Response {
    match server.desk.check_key(&headers) {
        Ok(()) => {
            let model = json!({"id": server.desk.model(), "object": "model"});
            json_response(&json!({"object": "list", "data": [model]}))
        }
        Err(refusal) => reply::refused(refusal),
    }
}

async fn bill(State(server): State<Server>) -> Response {
    json_response(&server.bill().to_json())
}

async fn journal(State(server): State<Server>) -> Response {
    json_response(&server.desk.journal())
}

fn json_response(value: &Value) -> Response {
    reply::json(StatusCode::OK, HeaderMap::new(), value.to_string().into_bytes())
}
