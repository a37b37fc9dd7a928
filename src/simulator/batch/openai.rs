//! OpenAI's Files and Batches.

use std::collections::HashSet;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::dialect::{Dialect, cancel, list, retrieve, shown};
use super::multipart::part;
use super::results::{Results, Turn, file};
use super::{Batch, BatchRequest, Objection, Status, call, cut, download};
use crate::simulator::desk::{Desk, lock};
use crate::simulator::faults::Fault;
use crate::simulator::refusal::Refusal;
use crate::simulator::reply;
use crate::simulator::server::{Received, Server, json_response};
use crate::simulator::wire::{self, Api, Call, Chat, Completions, Responses};

/// Bytes of a file, at most, and a little for its form.
const MAX_FILE: usize = 200_000_000 + 100_000;
const MAX_REQUESTS: usize = 50_000;

pub(in crate::simulator) fn router() -> Router<Server> {
    Router::new()
        .route("/v1/files", post(upload))
        .route("/v1/files/{id}", get(describe))
        .route("/v1/files/{id}/content", get(content))
        .route("/v1/batches", post(create).get(list::<OpenAi>))
        .route("/v1/batches/{id}", get(retrieve::<OpenAi>))
        .route("/v1/batches/{id}/cancel", post(cancel::<OpenAi>))
        .layer(DefaultBodyLimit::max(MAX_FILE))
}

async fn upload(State(server): State<Server>, request: Received) -> Response {
    let desk = server.desk();
    call(desk, &Chat, &request, |fault| {
        cut(fault, &[Fault::UploadCut])?;
        let content_type = request.headers.get("content-type").and_then(|it| it.to_str().ok());
        let content_type = content_type.unwrap_or_default();
        let is_batch = part(content_type, &request.body, "purpose") == Some(b"batch");
        let Some(content) = part(content_type, &request.body, "file").filter(|_| is_batch) else {
            return Ok(refused("'file' and the purpose 'batch' are required"));
        };
        let mut batches = lock(&desk.batches);
        let id = format!("file-{}", batches.number());
        let bytes = content.len();
        batches.files.insert(id.clone(), content.to_vec());
        drop(batches);
        Ok(json_response(&file_json(&id, bytes)))
    })
}

fn file_json(id: &str, bytes: usize) -> Value {
    json!({"id": id, "object": "file", "bytes": bytes, "purpose": "batch", "status": "processed"})
}

async fn describe(
    State(server): State<Server>,
    Path(id): Path<String>,
    request: Received,
) -> Response {
    let desk = server.desk();
    call(desk, &Chat, &request, |_fault| {
        let bytes = lock(&desk.batches).files.get(&id).map(Vec::len);
        Ok(bytes.map_or_else(OpenAi::no_such, |bytes| json_response(&file_json(&id, bytes))))
    })
}

async fn content(
    State(server): State<Server>,
    Path(id): Path<String>,
    request: Received,
) -> Response {
    let desk = server.desk();
    call(desk, &Chat, &request, |fault| {
        let batches = lock(&desk.batches);
        let Some((kind, batch)) = id.split_once('-') else { return Ok(OpenAi::no_such()) };
        let batch = batches.all.iter().find(|it| it.id == batch);
        let is_odd = fault == Some(Fault::ResultsOdd);
        let content = match (kind, batch.and_then(|batch| batch.results.as_ref())) {
            ("output", Some(results)) => output_file(results, is_odd),
            ("error", Some(results)) => error_file(results, is_odd),
            _ => match batches.files.get(&id) {
                Some(content) => content.clone(),
                None => return Ok(OpenAi::no_such()),
            },
        };
        drop(batches);
        Ok(download(content, fault))
    })
}

async fn create(State(server): State<Server>, request: Received) -> Response {
    let desk = server.desk();
    call(desk, &Chat, &request, |fault| {
        let Ok(asked) = wire::object(&request.body) else {
            return Ok(refused("the body must be JSON"));
        };
        let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
        let api: &'static dyn Api = match text("endpoint") {
            "/v1/chat/completions" => &Chat,
            "/v1/completions" => &Completions,
            "/v1/responses" => &Responses,
            _ => return Ok(refused("this endpoint has no batches")),
        };
        let input = lock(&desk.batches).files.get(text("input_file_id")).cloned();
        let Some(input) = input else { return Ok(OpenAi::no_such()) };
        let (requests, tokens, objection) = read_file(api, text("endpoint"), &input);
        let objection = objection.or_else(|| desk.objection(fault, tokens));
        let id = desk.open_batch(
            Batch {
                id: "batch".to_owned(),
                api,
                requests,
                prompt_tokens: tokens,
                created: Instant::now(),
                created_at: jiff::Timestamp::now(),
                expires: fault == Some(Fault::BatchExpired),
                kept: Value::Object(asked.clone()),
                status: Status::Open,
                results: None,
            },
            objection.as_ref(),
        );
        cut(fault, &[Fault::CreateLost, Fault::Drop])?;
        Ok(shown::<OpenAi>(desk, id.as_str().unwrap_or_default()))
    })
}

impl Desk {
    /// What is said against a batch of so many prompt tokens.
    fn objection(&self, fault: Option<Fault>, tokens: u64) -> Option<Objection> {
        let open = lock(&self.batches).open_tokens();
        if fault == Some(Fault::BatchFailed) {
            return Some(("simulated_failure", "simulated fault".to_owned()));
        }
        let most = self.settings.batch_tokens.filter(|most| open + tokens > *most)?;
        let message = format!("Enqueued token limit reached. Limit: {most} enqueued tokens.");
        Some(("token_limit_exceeded", message))
    }
}

/// The requests of a file and their prompt tokens, or what is wrong with it.
fn read_file(
    api: &dyn Api,
    endpoint: &str,
    content: &[u8],
) -> (Vec<BatchRequest>, u64, Option<Objection>) {
    let (mut requests, mut names, mut tokens) = (Vec::new(), HashSet::new(), 0);
    let wrong = |message: &str| Some(("invalid_request", message.to_owned()));
    for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(mut line) = wire::object(line) else {
            return (requests, tokens, wrong("This line is not parseable as valid JSON."));
        };
        let custom_id =
            line.get("custom_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        if line.get("url").and_then(Value::as_str) != Some(endpoint) {
            return (requests, tokens, wrong("The URL provided does not match the endpoint."));
        }
        if custom_id.is_empty() || custom_id.len() > 64 || !names.insert(custom_id.clone()) {
            return (requests, tokens, wrong("The custom_id is missing, too long or not unique."));
        }
        let Some(Value::Object(body)) = line.remove("body") else {
            return (requests, tokens, wrong("The body must be an object."));
        };
        let headers = axum::http::HeaderMap::new();
        let call = Call { model: None, headers: &headers, query: "", body: &body };
        tokens += api.read(&call).map_or(0, |request| request.prompt_tokens());
        requests.push(BatchRequest { custom_id, body });
    }
    let objection = match requests.len() {
        0 => wrong("The file is empty."),
        number if number > MAX_REQUESTS => wrong("The file has too many requests."),
        _ => None,
    };
    (requests, tokens, objection)
}

/// OpenAI's batches.
pub(super) struct OpenAi;

impl Dialect for OpenAi {
    const API: &'static dyn Api = &Chat;
    const NAME: &'static str = "batch_";
    const AFTER: &'static str = "after";
    const MOST: usize = 100;

    fn batch(batch: &Batch) -> Value {
        let status = match batch.status {
            Status::Open => "in_progress",
            Status::Completed => "completed",
            Status::Expired => "expired",
            Status::Cancelled => "cancelled",
            Status::Failed => "failed",
        };
        let counts = batch.results.as_ref().map(Results::counts).unwrap_or_default();
        let file = |kind: &str, count: usize| {
            (batch.results.is_some() && count > 0).then(|| format!("{kind}-{}", batch.id))
        };
        let errors = batch.kept.get("objection").map(|objection| {
            json!({"object": "list", "data": [
                {"code": objection[0], "message": objection[1], "param": null, "line": null},
            ]})
        });
        let failed = counts.refused + counts.expired;
        json!({
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.kept["endpoint"],
            "errors": errors,
            "input_file_id": batch.kept["input_file_id"],
            "completion_window": "24h",
            "status": status,
            "output_file_id": file("output", counts.answered),
            "error_file_id": file("error", failed),
            "created_at": batch.created_at.as_second(),
            "request_counts": {
                "total": batch.requests.len(),
                "completed": counts.answered,
                "failed": failed,
            },
            "metadata": batch.kept.get("metadata"),
        })
    }

    fn list(batches: Vec<Value>, has_more: bool) -> Value {
        let last = batches.last().map(|batch| batch["id"].clone());
        json!({"object": "list", "data": batches, "last_id": last, "has_more": has_more})
    }

    fn no_such() -> Response {
        let error = json!({"message": "No such object", "type": "invalid_request_error"});
        let body = json!({"error": error}).to_string().into_bytes();
        reply::json(StatusCode::NOT_FOUND, axum::http::HeaderMap::new(), body)
    }
}

fn line(id: &str, response: &Value, error: &Value) -> Value {
    json!({"id": format!("batch_req_{id}"), "custom_id": id, "response": response, "error": error})
}

fn output_file(results: &Results, is_odd: bool) -> Vec<u8> {
    let answered = |id: &str, turn: &Turn| match turn {
        Turn::Answered(body) | Turn::Broken(body) => {
            let response = json!({"status_code": 200, "request_id": id, "body": body});
            Some(line(id, &response, &Value::Null))
        }
        _ => None,
    };
    let foreign = json!({"status_code": 200, "request_id": "r", "body": {"choices": []}});
    file(results.lines(answered), is_odd, &line("somebody-else-1", &foreign, &Value::Null))
}

fn error_file(results: &Results, is_odd: bool) -> Vec<u8> {
    let failed = |id: &str, turn: &Turn| match turn {
        Turn::Refused(status, body) => {
            let response = json!({"status_code": status, "request_id": id, "body": body});
            Some(line(id, &response, &Value::Null))
        }
        Turn::Expired => {
            let error = json!({"code": "batch_expired", "message": "simulated"});
            Some(line(id, &Value::Null, &error))
        }
        _ => None,
    };
    let foreign = json!({"code": "batch_expired", "message": "simulated"});
    file(results.lines(failed), is_odd, &line("somebody-else-1", &Value::Null, &foreign))
}

fn refused(message: &'static str) -> Response {
    reply::refused(&Chat, Refusal::unreadable(message))
}
