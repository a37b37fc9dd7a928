//! Anthropic's Message Batches.

use std::collections::HashSet;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::dialect::{Dialect, cancel, list, retrieve, shown};
use super::results::{Results, Turn, file};
use super::{Batch, BatchRequest, Status, call, cut, download};
use crate::simulator::desk::lock;
use crate::simulator::faults::Fault;
use crate::simulator::refusal::Refusal;
use crate::simulator::reply;
use crate::simulator::server::{Received, Server};
use crate::simulator::wire::{self, Api, Messages};

const MAX_BYTES: usize = 256_000_000;
const MAX_REQUESTS: usize = 100_000;

pub(in crate::simulator) fn router() -> Router<Server> {
    Router::new()
        .route("/v1/messages/batches", post(create).get(list::<Anthropic>))
        .route("/v1/messages/batches/{id}", get(retrieve::<Anthropic>))
        .route("/v1/messages/batches/{id}/results", get(results))
        .route("/v1/messages/batches/{id}/cancel", post(cancel::<Anthropic>))
        .layer(DefaultBodyLimit::max(MAX_BYTES))
}

async fn create(State(server): State<Server>, request: Received) -> Response {
    let desk = server.desk();
    call(desk, &Messages, &request, |fault| {
        cut(fault, &[Fault::UploadCut])?;
        let asked = wire::object(&request.body).unwrap_or_default();
        let Some(requests) = requests(&asked).filter(|_| fault != Some(Fault::BatchFailed)) else {
            let message = "requests: from 1 to 100000 objects with custom_id and params";
            return Ok(reply::refused(&Messages, Refusal::unreadable(message)));
        };
        let id = desk.open_batch(
            Batch {
                id: "msgbatch".to_owned(),
                api: &Messages,
                requests,
                prompt_tokens: 0,
                created: Instant::now(),
                created_at: jiff::Timestamp::now(),
                expires: fault == Some(Fault::BatchExpired),
                kept: Value::Null,
                status: Status::Open,
                results: None,
            },
            None,
        );
        cut(fault, &[Fault::CreateLost, Fault::Drop])?;
        Ok(shown::<Anthropic>(desk, id.as_str().unwrap_or_default()))
    })
}

/// The requests of a batch, unless one has no unique name or no parameters.
fn requests(asked: &Map<String, Value>) -> Option<Vec<BatchRequest>> {
    let mut names = HashSet::new();
    let mut request = |request: &Value| {
        let custom_id = request.get("custom_id")?.as_str()?.to_owned();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let is_name = (1..=64).contains(&custom_id.len()) && custom_id.chars().all(fits);
        let body = request.get("params")?.as_object()?.clone();
        (is_name && names.insert(custom_id.clone())).then_some(BatchRequest { custom_id, body })
    };
    let all = asked.get("requests")?.as_array()?;
    let requests: Option<Vec<_>> = all.iter().map(&mut request).collect();
    requests.filter(|requests| (1..=MAX_REQUESTS).contains(&requests.len()))
}

async fn results(
    State(server): State<Server>,
    Path(id): Path<String>,
    request: Received,
) -> Response {
    let desk = server.desk();
    call(desk, &Messages, &request, |fault| {
        let mut batches = lock(&desk.batches);
        let results = batches.find(&id).and_then(|batch| batch.results.as_ref());
        let is_odd = fault == Some(Fault::ResultsOdd);
        let content = results.map(|results| results_file(results, is_odd));
        drop(batches);
        Ok(content.map_or_else(Anthropic::no_such, |content| download(content, fault)))
    })
}

fn results_file(results: &Results, is_odd: bool) -> Vec<u8> {
    let line = |id: &str, turn: &Turn| {
        let result = match turn {
            Turn::Answered(body) | Turn::Broken(body) => {
                json!({"type": "succeeded", "message": body})
            }
            Turn::Refused(_, body) => json!({"type": "errored", "error": body}),
            Turn::Expired => json!({"type": "expired"}),
            Turn::Cancelled => json!({"type": "canceled"}),
            Turn::Silent => return None,
        };
        Some(json!({"custom_id": id, "result": result}))
    };
    let foreign = json!({"custom_id": "somebody-else-1", "result": {"type": "expired"}});
    file(results.lines(line), is_odd, &foreign)
}

/// Anthropic's batches.
pub(super) struct Anthropic;

impl Dialect for Anthropic {
    const API: &'static dyn Api = &Messages;
    const NAME: &'static str = "msgbatch_";
    const AFTER: &'static str = "after_id";
    const MOST: usize = 1_000;

    fn batch(batch: &Batch) -> Value {
        let counts = batch.results.as_ref().map(Results::counts).unwrap_or_default();
        let is_open = batch.results.is_none();
        json!({
            "id": batch.id,
            "type": "message_batch",
            "processing_status": if is_open { "in_progress" } else { "ended" },
            "request_counts": {
                "processing": if is_open { batch.requests.len() } else { 0 },
                "succeeded": counts.answered,
                "errored": counts.refused,
                "canceled": counts.cancelled,
                "expired": counts.expired,
            },
            "created_at": batch.created_at.to_string(),
            "archived_at": null,
            "results_url": null,
        })
    }

    fn list(batches: Vec<Value>, has_more: bool) -> Value {
        let first = batches.first().map(|batch| batch["id"].clone());
        let last = batches.last().map(|batch| batch["id"].clone());
        json!({"data": batches, "first_id": first, "last_id": last, "has_more": has_more})
    }

    fn no_such() -> Response {
        let error = json!({"type": "not_found_error", "message": "No such batch"});
        let body = json!({"type": "error", "error": error}).to_string().into_bytes();
        reply::json(StatusCode::NOT_FOUND, HeaderMap::new(), body)
    }
}
