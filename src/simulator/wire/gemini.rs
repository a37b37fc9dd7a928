//! Google Gemini, `generateContent`.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::{Answer, Api, Call, Counts, DEFAULT_MAX_TOKENS, Finish, Request};
use super::{header, limit_in, message_texts, texts};
use crate::simulator::cache::Caching;
use crate::simulator::refusal::Refusal;

/// `POST /v1beta/models/MODEL:generateContent`.
#[derive(Debug)]
pub(in crate::simulator) struct GenerateContent;

impl Api for GenerateContent {
    fn path(&self) -> &'static str {
        "/v1beta/models/*:generateContent"
    }

    fn key<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        header(headers, "x-goog-api-key")
    }

    fn read(&self, call: &Call<'_>) -> Result<Request, &'static str> {
        let contents = call.body.get("contents");
        let turns = contents.and_then(|contents| message_texts(contents, "parts"));
        let system = call.body.get("systemInstruction").and_then(|system| system.get("parts"));
        let mut said = system.map(|parts| vec![texts(parts).concat()]).unwrap_or_default();
        said.extend(turns.ok_or("contents is not specified")?);
        let none = Map::new();
        let config = call.body.get("generationConfig").and_then(Value::as_object).unwrap_or(&none);
        Ok(Request {
            model: call.model()?,
            texts: said,
            max_tokens: limit_in(config, &["maxOutputTokens"]).unwrap_or(DEFAULT_MAX_TOKENS),
            stop: config.get("stopSequences").map(texts).unwrap_or_default(),
            strict: config.contains_key("responseJsonSchema"),
            parameters: call.body.keys().chain(config.keys()).cloned().collect(),
            caching: Caching::Never,
            vectors: None,
        })
    }

    fn answer(&self, answer: &Answer<'_>, usage: Value) -> Value {
        let reason = match answer.finish {
            Finish::Stop => "STOP",
            Finish::Length => "MAX_TOKENS",
        };
        let mut content = json!({"role": "model"});
        if !answer.text.is_empty() {
            content["parts"] = json!([{"text": answer.text}]);
        }
        json!({
            "candidates": [{"content": content, "finishReason": reason, "index": 0}],
            "usageMetadata": usage,
            "modelVersion": answer.model,
            "responseId": format!("simulated-{}", answer.number),
        })
    }

    /// Thoughts are counted beside the candidates, and a count of zero is left out.
    fn usage(&self, counts: &Counts) -> Value {
        let fields = [
            ("promptTokenCount", counts.prompt),
            ("cachedContentTokenCount", counts.cached),
            ("candidatesTokenCount", counts.output - counts.reasoning),
            ("thoughtsTokenCount", counts.reasoning),
            ("totalTokenCount", counts.prompt + counts.output),
        ];
        let told = fields.into_iter().filter(|(_, count)| *count > 0);
        told.map(|(name, count)| (name.to_owned(), Value::from(count))).collect()
    }

    fn refusal(&self, refusal: &Refusal) -> (StatusCode, Value) {
        let wrong_key = refusal.status == StatusCode::UNAUTHORIZED;
        let message = match refusal.parameter.as_deref() {
            _ if wrong_key => "API key not valid. Please pass a valid API key.".to_owned(),
            Some(name) => format!(
                "Invalid JSON payload received. Unknown name \"{name}\" at 'generation_config': \
                 Cannot find field."
            ),
            None => refusal.message.clone(),
        };
        let (status, name) = match refusal.status.as_u16() {
            401 => (StatusCode::BAD_REQUEST, "INVALID_ARGUMENT"),
            404 => (refusal.status, "NOT_FOUND"),
            429 => (refusal.status, "RESOURCE_EXHAUSTED"),
            200 | 503 => (refusal.status, "UNAVAILABLE"),
            500.. => (refusal.status, "INTERNAL"),
            _ => (refusal.status, "INVALID_ARGUMENT"),
        };
        let mut error = json!({"code": status.as_u16(), "message": message, "status": name});
        if let Some(wait) = refusal.wait {
            error["details"] = json!([{
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{:.3}s", wait.as_secs_f64()),
            }]);
        }
        (status, json!({"error": error}))
    }

    fn limit_header(&self, _counted: &str, _part: &str) -> Option<String> {
        None
    }

    fn names_wait(&self) -> bool {
        false
    }
}
