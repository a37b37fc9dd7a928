//! Anthropic's Message Batches: created from one body, with results in one stream.
//!
//! Reference: <https://platform.claude.com/docs/en/build-with-claude/batch-processing>,
//! <https://platform.claude.com/docs/en/api/messages/batches/create>. A batch has at most 100,000
//! requests or 256 MB; its results can be had for 29 days. Requests with an error, cancelled ones and
//! those that expired are not billed. A batch carries nothing that a client could know it by, but the
//! sum of its counts is the number of its requests, and its results name them.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{
    BatchApi, BatchLimits, BatchStage, CustomId, LineResult, Package, RemoteBatch, ResultLine, Tag,
    count, identifier, label,
};
use crate::provider::error::ApiError;

/// `POST messages/batches`.
#[derive(Debug, Clone, Copy)]
pub struct AnthropicBatches;

const COUNTS: [&str; 5] = ["processing", "succeeded", "errored", "canceled", "expired"];

impl BatchApi for AnthropicBatches {
    fn limits(&self) -> BatchLimits {
        BatchLimits { requests: 100_000, bytes: 256_000_000 }
    }

    fn overhead_bytes(&self) -> usize {
        100
    }

    fn pack(&self, _tag: &Tag, requests: &[(CustomId, Bytes)]) -> Package {
        let bytes: usize = requests.iter().map(|(_, body)| body.len() + 100).sum();
        let mut body = Vec::with_capacity(bytes + 100);
        body.extend_from_slice(b"{\"requests\":[");
        for (index, (custom_id, request)) in requests.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let head = format!("{comma}{{\"custom_id\":\"{custom_id}\",\"params\":");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(request);
            body.push(b'}');
        }
        body.extend_from_slice(b"]}");
        Package::Inline(body.into())
    }

    fn path(&self) -> &'static str {
        "messages/batches"
    }

    /// Nothing is uploaded.
    fn creation(&self, _file_id: &str, _tag: &Tag) -> Vec<u8> {
        Vec::new()
    }

    fn paging(&self) -> (&'static str, u32) {
        ("after_id", 1_000)
    }

    fn keeps_tags(&self) -> bool {
        false
    }

    fn read(&self, batch: &Value) -> Option<RemoteBatch> {
        let id = identifier(batch.get("id"))?;
        let counts = batch.get("request_counts");
        let of = |name| count(counts, name);
        let label = label(batch.get("processing_status"));
        let created_at = batch.get("created_at").and_then(Value::as_str);
        let created_at = created_at.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        // An archived batch has no results any more.
        let is_archived = batch.get("archived_at").is_some_and(|at| !at.is_null());
        let results = format!("messages/batches/{id}/results");
        Some(RemoteBatch {
            stage: if label == "ended" { BatchStage::Ended } else { BatchStage::Open },
            label,
            requests: counts.map(|_| COUNTS.map(of).iter().sum()),
            completed: of("succeeded"),
            failed: of("errored") + of("canceled") + of("expired"),
            tag: None,
            created_at_ms: created_at.map(jiff::Timestamp::as_millisecond),
            results: if is_archived { Vec::new() } else { vec![results] },
            errors: Vec::new(),
            // What had no turn is in the results too.
            is_cut_short: false,
            id,
        })
    }

    fn read_result(&self, line: &[u8]) -> Option<ResultLine> {
        let line: Line<'_> = serde_json::from_slice(line).ok()?;
        let result = match (&*line.result.r#type, line.result.message, line.result.error) {
            ("succeeded", Some(body), _) => {
                LineResult::Answered { status: 200, body: body.get().to_owned().into() }
            }
            ("errored", _, Some(error)) => LineResult::Refused(error_of(&error)),
            ("canceled", ..) => LineResult::Lapsed("the batch was cancelled before its turn"),
            ("expired", ..) => LineResult::Lapsed("the batch expired before its turn"),
            _ => return None,
        };
        Some(ResultLine { custom_id: line.custom_id, result })
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    custom_id: String,
    #[serde(borrow)]
    result: Outcome<'a>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    r#type: String,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
}

/// The error with the status that the API has for its type
/// (<https://platform.claude.com/docs/en/api/errors>).
fn error_of(error: &Value) -> ApiError {
    let inner = error.get("error").unwrap_or(error);
    let status = match inner.get("type").and_then(Value::as_str).unwrap_or_default() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "overloaded_error" => 529,
        _ => 500,
    };
    ApiError::from_body(status, inner.to_string().as_bytes(), None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_body_has_all_requests() {
        let tag = Tag { run: "ab".to_owned(), batch: 3 };
        let requests: Vec<_> = (1..3)
            .map(|attempt| {
                (CustomId { tag: tag.clone(), attempt }, Bytes::from("{\"model\":\"m\"}"))
            })
            .collect();
        let Package::Inline(body) = AnthropicBatches.pack(&tag, &requests) else {
            panic!("nothing is uploaded");
        };
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            body,
            json!({"requests": [
                {"custom_id": "ab-3-1", "params": {"model": "m"}},
                {"custom_id": "ab-3-2", "params": {"model": "m"}},
            ]})
        );
    }

    #[test]
    fn a_batch_is_read_with_all_its_requests_counted() {
        let batch = json!({
            "id": "msgbatch_1", "type": "message_batch", "processing_status": "ended",
            "created_at": "2024-08-20T18:37:24.100435Z", "archived_at": null,
            "request_counts": {
                "processing": 0, "succeeded": 50, "errored": 30, "canceled": 10, "expired": 10,
            },
            "results_url": "https://elsewhere.example/results",
        });
        let read = AnthropicBatches.read(&batch).unwrap();
        assert_eq!((read.stage, read.requests), (BatchStage::Ended, Some(100)));
        assert_eq!((read.completed, read.failed), (50, 50));
        // The key goes to the base URL only.
        assert_eq!(read.results, ["messages/batches/msgbatch_1/results"]);
        assert_eq!(read.created_at_ms, Some(1_724_179_044_100));
    }

    #[test]
    fn results_are_answers_refusals_or_lapsed() {
        let read = |line: Value| {
            AnthropicBatches.read_result(line.to_string().as_bytes()).map(|l| l.result)
        };
        let line = |result: Value| json!({"custom_id": "a", "result": result});
        let answered = line(json!({"type": "succeeded", "message": {"content": []}}));
        assert_eq!(
            read(answered),
            Some(LineResult::Answered { status: 200, body: Bytes::from("{\"content\":[]}") })
        );
        let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "x"}});
        let Some(LineResult::Refused(error)) =
            read(line(json!({"type": "errored", "error": error})))
        else {
            panic!("a refusal");
        };
        assert_eq!((error.status, error.kind.as_deref()), (529, Some("overloaded_error")));
        for lapsed in ["canceled", "expired"] {
            assert!(matches!(read(line(json!({"type": lapsed}))), Some(LineResult::Lapsed(_))));
        }
        assert_eq!(read(line(json!({"type": "succeeded"}))), None);
        assert_eq!(read(json!({"custom_id": "a"})), None);
    }
}
