//! The routes.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{
    ConnectInfo, DefaultBodyLimit, FromRequest, FromRequestParts, Path, Request, State,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde_json::{Value, json};

use super::batch;
use super::bill::Bill;
use super::desk::{Desk, Dropped, Incoming};
use super::line::Cutter;
use super::refusal::Refusal;
use super::reply;
use super::settings::SimulatorSettings;
use super::wire::{
    Api, AzureChat, Chat, Completions, Embeddings, GenerateContent, Messages, Responses,
};
use crate::chat::SIMULATED_HEADER;

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

    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    pub(super) fn router(&self) -> Router {
        Router::new()
            .route("/v1/chat/completions", completion(&Chat))
            .route("/v1/completions", completion(&Completions))
            .route("/v1/responses", completion(&Responses))
            .route("/v1/messages", completion(&Messages))
            .route("/v1/embeddings", completion(&Embeddings))
            .route("/v1beta/models/{call}", post(gemini))
            .route("/openai/deployments/{deployment}/chat/completions", post(azure))
            .route("/v1/models", get(models))
            .route("/health", get(|| async { "ok" }))
            .route("/simulator/bill", get(bill))
            .route("/simulator/journal", get(journal))
            .fallback(async || reply::refused(&Chat, Refusal::no_route()))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .merge(batch::openai_router())
            .merge(batch::anthropic_router())
            .with_state(self.clone())
            .layer(map_response(marked))
    }
}

/// A client that does not know whom it asks can tell by this that the answers are made up.
async fn marked(mut response: Response) -> Response {
    response.headers_mut().insert(SIMULATED_HEADER, HeaderValue::from_static("1"));
    response
}

/// Serves an API whose path is always the same.
fn completion(api: &'static dyn Api) -> MethodRouter<Server> {
    post(async move |State(server): State<Server>, request: Received| {
        request.answer(&server, api, None).await
    })
}

/// The path's last part is `MODEL:generateContent`.
async fn gemini(
    State(server): State<Server>,
    Path(call): Path<String>,
    request: Received,
) -> Response {
    match call.strip_suffix(":generateContent") {
        Some(model) => request.answer(&server, &GenerateContent, Some(model)).await,
        None => reply::refused(&GenerateContent, Refusal::no_route()),
    }
}

async fn azure(
    State(server): State<Server>,
    Path(deployment): Path<String>,
    request: Received,
) -> Response {
    request.answer(&server, &AzureChat, Some(&deployment)).await
}

/// A request that came in whole.
pub(super) struct Received {
    cutter: Cutter,
    pub(super) headers: HeaderMap,
    query: String,
    pub(super) body: Bytes,
}

impl FromRequest<Server> for Received {
    type Rejection = Response;

    async fn from_request(request: Request, server: &Server) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let cutter = ConnectInfo::<Cutter>::from_request_parts(&mut parts, server).await;
        let ConnectInfo(cutter) = cutter.map_err(IntoResponse::into_response)?;
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let headers = parts.headers.clone();
        let request = Request::from_parts(parts, body);
        let body =
            Bytes::from_request(request, server).await.map_err(IntoResponse::into_response)?;
        Ok(Self { cutter, headers, query, body })
    }
}

impl Received {
    /// Answers by hand, or closes the connection.
    pub(super) fn reply(
        &self,
        answer: impl FnOnce(&Self) -> Result<Response, Dropped>,
    ) -> Response {
        answer(self).unwrap_or_else(|_dropped| {
            self.cutter.cut();
            Response::default()
        })
    }

    /// A parameter of the query, which has no characters that need an escape.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }

    async fn answer(self, server: &Server, api: &dyn Api, model: Option<&str>) -> Response {
        let Self { cutter, headers, query, body } = &self;
        let incoming = Incoming { model, headers, query, body };
        server.desk.serve(api, incoming).await.unwrap_or_else(|_dropped| {
            cutter.cut();
            // A handler has to return something; no byte of it leaves.
            Response::default()
        })
    }
}

async fn models(State(server): State<Server>, headers: HeaderMap) -> Response {
    match server.desk.check_key(&Chat, &headers) {
        Ok(()) => {
            let model = json!({"id": server.desk.model(), "object": "model"});
            json_response(&json!({"object": "list", "data": [model]}))
        }
        Err(refusal) => reply::refused(&Chat, refusal),
    }
}

async fn bill(State(server): State<Server>) -> Response {
    json_response(&server.bill().to_json())
}

async fn journal(State(server): State<Server>) -> Response {
    json_response(&server.desk.journal())
}

pub(super) fn json_response(value: &Value) -> Response {
    reply::json(StatusCode::OK, HeaderMap::new(), value.to_string().into_bytes())
}
