//! OpenAI's Batch API: a file of requests is uploaded, a batch is created from it, and its results
//! are files again, one of answers and one of errors.
//!
//! Reference: <https://platform.openai.com/docs/guides/batch>,
//! <https://platform.openai.com/docs/api-reference/batch>. A batch has at most 50,000 requests and
//! 200 MB, all to one model. Requests that were answered before a batch expired or was cancelled are
//! in the output file, and billed; the others stand in the error file with `batch_expired` or
//! `batch_cancelled`. An error of a request has `error` null and the API's error as the body of
//! `response` (<https://github.com/openai/openai-openapi/issues/302>).

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{
    BatchApi, BatchLimits, BatchStage, CustomId, LineResult, Package, RemoteBatch, ResultLine, Tag,
    count, identifier, label,
};
use crate::provider::error::ApiError;

/// The metadata by which a batch is found again.
const RUN_KEY: &str = "instructmill_run";
const BATCH_KEY: &str = "instructmill_batch";

/// Batches of requests to one endpoint.
#[derive(Debug, Clone, Copy)]
pub struct OpenAiBatches {
    /// The endpoint, such as `/v1/chat/completions`.
    pub endpoint: &'static str,
}

impl BatchApi for OpenAiBatches {
    fn limits(&self) -> BatchLimits {
        BatchLimits { requests: 50_000, bytes: 200_000_000 }
    }

    fn overhead_bytes(&self) -> usize {
        // The names of the fields, the method, the endpoint and the name of the request.
        200
    }

    fn pack(&self, tag: &Tag, requests: &[(CustomId, Bytes)]) -> Package {
        let Tag { run, batch } = tag;
        // JSON has no carriage return in it, so that no boundary can.
        let boundary = format!("instructmill-{run}-{batch}");
        let bytes: usize = requests.iter().map(|(_, body)| body.len() + 200).sum();
        let mut body = Vec::with_capacity(bytes + 1_000);
        body.extend_from_slice(
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
                 --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; \
                 filename=\"instructmill-{run}-{batch}.jsonl\"\r\n\
                 Content-Type: application/jsonl\r\n\r\n"
            )
            .as_bytes(),
        );
        for (custom_id, request) in requests {
            let head = format!(
                "{{\"custom_id\":\"{custom_id}\",\"method\":\"POST\",\"url\":\"{}\",\"body\":",
                self.endpoint
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(request);
            body.extend_from_slice(b"}\n");
        }
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        Package::File { path: "files", content_type, body: body.into() }
    }

    fn path(&self) -> &'static str {
        "batches"
    }

    fn creation(&self, file_id: &str, tag: &Tag) -> Vec<u8> {
        let body = json!({
            "input_file_id": file_id,
            "endpoint": self.endpoint,
            "completion_window": "24h",
            "metadata": {RUN_KEY: tag.run, BATCH_KEY: tag.batch.to_string()},
        });
        body.to_string().into_bytes()
    }

    fn paging(&self) -> (&'static str, u32) {
        ("after", 100)
    }

    fn keeps_tags(&self) -> bool {
        true
    }

    fn read(&self, batch: &Value) -> Option<RemoteBatch> {
        let counts = batch.get("request_counts");
        let file = |name: &str| identifier(batch.get(name)).map(|id| format!("files/{id}/content"));
        let results = ["output_file_id", "error_file_id"].into_iter().filter_map(file);
        let label = label(batch.get("status"));
        Some(RemoteBatch {
            id: identifier(batch.get("id"))?,
            stage: match &*label {
                "completed" | "expired" | "cancelled" => BatchStage::Ended,
                "failed" => BatchStage::Failed,
                _ => BatchStage::Open,
            },
            is_cut_short: matches!(&*label, "expired" | "cancelled"),
            label,
            requests: Some(count(counts, "total")).filter(|total| *total > 0),
            completed: count(counts, "completed"),
            failed: count(counts, "failed"),
            tag: batch.get("metadata").and_then(tag),
            created_at_ms: batch
                .get("created_at")
                .and_then(Value::as_i64)
                .and_then(|seconds| seconds.checked_mul(1_000)),
            results: results.collect(),
            errors: errors(batch),
        })
    }

    fn read_result(&self, line: &[u8]) -> Option<ResultLine> {
        let line: Line<'_> = serde_json::from_slice(line).ok()?;
        let result = match (line.response, line.error) {
            (Some(Response { status_code: status @ 200..=299, body: Some(body) }), _) => {
                LineResult::Answered { status, body: body.get().to_owned().into() }
            }
            (_, Some(error)) if !error.is_null() => refusal(&error),
            (Some(Response { status_code, body }), _) if status_code >= 300 => {
                let body = body.map_or("", RawValue::get);
                LineResult::Refused(ApiError::from_body(status_code, body.as_bytes(), None))
            }
            _ => return None,
        };
        Some(ResultLine { custom_id: line.custom_id, result })
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    custom_id: String,
    #[serde(borrow, default)]
    response: Option<Response<'a>>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Response<'a> {
    status_code: u16,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

/// An error that is none of the request's own.
fn refusal(error: &Value) -> LineResult {
    match error.get("code").and_then(Value::as_str) {
        Some("batch_expired") => LineResult::Lapsed("the batch expired before its turn"),
        Some("batch_cancelled" | "batch_canceled") => {
            LineResult::Lapsed("the batch was cancelled before its turn")
        }
        // Without a status: nothing that the request did.
        _ => LineResult::Refused(ApiError::from_body(500, error.to_string().as_bytes(), None)),
    }
}

fn tag(metadata: &Value) -> Option<Tag> {
    let text = |key: &str| metadata.get(key).and_then(Value::as_str);
    Some(Tag { run: text(RUN_KEY)?.to_owned(), batch: text(BATCH_KEY)?.parse().ok()? })
}

fn errors(batch: &Value) -> Vec<ApiError> {
    let data = batch.get("errors").and_then(|errors| errors.get("data"));
    let errors = data.and_then(Value::as_array).into_iter().flatten();
    errors.take(10).map(|e| ApiError::from_body(400, e.to_string().as_bytes(), None)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: OpenAiBatches = OpenAiBatches { endpoint: "/v1/chat/completions" };

    fn tag() -> Tag {
        Tag { run: "ab".to_owned(), batch: 3 }
    }

    #[test]
    fn a_file_has_a_line_for_each_request() {
        let requests: Vec<_> = (1..3)
            .map(|attempt| (CustomId { tag: tag(), attempt }, Bytes::from("{\"model\":\"m\"}")))
            .collect();
        let Package::File { content_type, body, .. } = API.pack(&tag(), &requests) else {
            panic!("files are uploaded");
        };
        assert_eq!(content_type, "multipart/form-data; boundary=instructmill-ab-3");
        let body = String::from_utf8(body.to_vec()).unwrap().replace('\r', "");
        insta::assert_snapshot!(body.trim_end(), @r#"
        --instructmill-ab-3
        Content-Disposition: form-data; name="purpose"

        batch
        --instructmill-ab-3
        Content-Disposition: form-data; name="file"; filename="instructmill-ab-3.jsonl"
        Content-Type: application/jsonl

        {"custom_id":"ab-3-1","method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}
        {"custom_id":"ab-3-2","method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}

        --instructmill-ab-3--
        "#);
        let longest =
            CustomId { tag: Tag { run: "f".repeat(16), batch: u64::MAX }, attempt: u64::MAX };
        let Package::File { body, .. } = API.pack(&tag(), &[(longest, Bytes::new())]) else {
            panic!("files are uploaded");
        };
        let line = body.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"{")).unwrap();
        assert!(line.len() < API.overhead_bytes(), "{}", line.len());
    }

    #[test]
    fn a_batch_is_read_with_its_tag_and_its_files() {
        let batch = json!({
            "id": "batch_1", "status": "expired", "created_at": 1_700_000_000,
            "input_file_id": "file-in", "output_file_id": "file-1", "error_file_id": "file-2",
            "request_counts": {"total": 5, "completed": 3, "failed": 2},
            "metadata": {RUN_KEY: "ab", BATCH_KEY: "3", "other": "x"},
        });
        let read = API.read(&batch).unwrap();
        assert_eq!((read.stage, read.tag), (BatchStage::Ended, Some(tag())));
        assert_eq!((read.requests, read.completed, read.failed), (Some(5), 3, 2));
        assert_eq!(read.results, ["files/file-1/content", "files/file-2/content"]);
        assert_eq!(read.created_at_ms, Some(1_700_000_000_000));
        let failed = json!({
            "id": "batch_2", "status": "failed", "metadata": null,
            "errors": {"object": "list", "data": [
                {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"},
            ]},
        });
        let read = API.read(&failed).unwrap();
        assert_eq!((read.stage, read.results.len()), (BatchStage::Failed, 0));
        assert!(read.errors[0].is_named(&["token_limit_exceeded"]), "{:?}", read.errors);
        // An address must not be led elsewhere.
        assert_eq!(API.read(&json!({"id": "../files", "status": "completed"})), None);
        let strange = json!({"id": "b", "status": "completed", "output_file_id": "a/b?c"});
        assert!(API.read(&strange).unwrap().results.is_empty());
    }

    #[test]
    fn results_are_answers_refusals_or_lapsed() {
        let read = |line: &str| API.read_result(line.as_bytes()).map(|line| line.result);
        let answered = r#"{"custom_id":"a","response":{"status_code":200,"request_id":"r","body":{"choices": []}},"error":null}"#;
        assert_eq!(
            read(answered),
            Some(LineResult::Answered { status: 200, body: Bytes::from("{\"choices\": []}") })
        );
        let refused = r#"{"custom_id":"a","response":{"status_code":400,"body":{"error":{"message":"no","param":"messages","code":"context_length_exceeded"}}},"error":null}"#;
        let Some(LineResult::Refused(error)) = read(refused) else { panic!("a refusal") };
        assert_eq!((error.status, error.code.as_deref()), (400, Some("context_length_exceeded")));
        let expired = r#"{"custom_id":"a","response":null,"error":{"code":"batch_expired","message":"late"}}"#;
        assert!(matches!(read(expired), Some(LineResult::Lapsed(_))));
        let failed = r#"{"custom_id":"a","response":null,"error":{"code":"server_error","message":"sorry"}}"#;
        assert!(matches!(read(failed), Some(LineResult::Refused(error)) if error.status == 500));
        for garbage in ["", "{", "[]", r#"{"custom_id":"a"}"#, r#"{"custom_id":1,"response":{}}"#] {
            assert_eq!(read(garbage), None, "{garbage}");
        }
    }
}
