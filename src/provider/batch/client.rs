//! The calls that an API of batches has.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use super::call::{Call, CallError};
use super::results::Results;
use super::{BatchApi, Package, RemoteBatch, Tag, identifier};
use crate::provider::excerpt::{shorten, visible_text};
use crate::provider::http::HttpClient;
use crate::provider::json::parse_json;
use crate::provider::key::ApiKey;

const JSON: &str = "application/json";
/// The longest that a call takes which carries no file.
const SHORT: Duration = Duration::from_secs(60);
/// The longest that a file of requests or results takes.
const LONG: Duration = Duration::from_hours(2);

/// Batches in the order of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Those of this page, as far as they can be read.
    pub batches: Vec<RemoteBatch>,
    /// The name behind which the next page begins; `None`: this is the last.
    pub next: Option<String>,
}

/// Makes the calls of an API of batches.
#[derive(Debug, Clone, Copy)]
pub struct BatchClient<'a> {
    http: &'a HttpClient,
    api: &'static dyn BatchApi,
}

impl<'a> BatchClient<'a> {
    /// A client that speaks `api` over `http`.
    pub fn new(http: &'a HttpClient, api: &'static dyn BatchApi) -> Self {
        Self { http, api }
    }

    /// Uploads a file of requests. Returns the server's name for it.
    ///
    /// # Errors
    /// [`CallError`]. A file that was uploaded costs nothing.
    pub async fn upload(
        &self,
        path: &str,
        content_type: &str,
        body: Bytes,
        request_id: &str,
    ) -> Result<String, CallError> {
        let body = Some((content_type, body));
        let call = Call { request_id: Some(request_id), timeout: LONG, ..post(path, body) };
        let file = self.json(call).await?;
        identifier(file.get("id")).ok_or_else(|| unreadable(&file))
    }

    /// Creates a batch, from a file that was uploaded or from all requests.
    ///
    /// # Errors
    /// [`CallError`]. When it is [`CallError::Unknown`], [`CallError::Unreadable`] or a refusal with
    /// a status of 500 or more, there may be a batch all the same.
    pub async fn create(
        &self,
        package: &Package,
        file_id: &str,
        tag: &Tag,
        request_id: &str,
    ) -> Result<RemoteBatch, CallError> {
        let (body, timeout) = match package {
            Package::File { .. } => (self.api.creation(file_id, tag).into(), SHORT),
            Package::Inline(body) => (body.clone(), LONG),
        };
        let call = post(self.api.path(), Some((JSON, body)));
        self.batch(Call { request_id: Some(request_id), timeout, ..call }).await
    }

    /// How far a batch is.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get(&self, id: &str) -> Result<RemoteBatch, CallError> {
        let path = format!("{}/{id}", self.api.path());
        self.batch(get(&path, &[])).await
    }

    /// Asks for a batch to end; what it has not begun is not billed.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn cancel(&self, id: &str) -> Result<RemoteBatch, CallError> {
        let path = format!("{}/{id}/cancel", self.api.path());
        self.batch(post(&path, None)).await
    }

    /// A page of the account's batches: the first, or the one behind a batch.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn page(&self, after: Option<&str>) -> Result<Page, CallError> {
        let (cursor, most) = self.api.paging();
        let mut query = vec![("limit", most.to_string())];
        query.extend(after.map(|after| (cursor, after.to_owned())));
        let page = self.json(get(self.api.path(), &query)).await?;
        let data = page.get("data").and_then(Value::as_array).ok_or_else(|| unreadable(&page))?;
        let batches: Vec<_> = data.iter().filter_map(|batch| self.api.read(batch)).collect();
        let has_more = page.get("has_more").and_then(Value::as_bool).unwrap_or(false);
        let last = batches.last().map(|batch| batch.id.clone());
        let last = identifier(page.get("last_id")).or(last);
        Ok(Page { batches, next: last.filter(|last| has_more && Some(&**last) != after) })
    }

    /// Results of a batch, to be read line by line; lines and all of it within these bounds.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn results(
        &self,
        path: &str,
        most_of_line: usize,
        most: u64,
    ) -> Result<Results, CallError> {
        let response = self.http.call(Call { timeout: LONG, ..get(path, &[]) }).await?;
        Ok(Results::new(response, self.http.api_key.clone(), most_of_line, most))
    }

    async fn batch(&self, call: Call<'_>) -> Result<RemoteBatch, CallError> {
        let value = self.json(call).await?;
        self.api.read(&value).ok_or_else(|| unreadable(&value))
    }

    async fn json(&self, call: Call<'_>) -> Result<Value, CallError> {
        let mut response = self.http.call(call).await?;
        let body = self.http.intake.read(&mut response, self.http.api_key.as_ref()).await?;
        let value = parse_json(&body).ok_or_else(|| CallError::Unreadable {
            message: shorten(&visible_text(&String::from_utf8_lossy(&body))),
        })?;
        Ok(match &self.http.api_key {
            Some(key) => without_key(value, key),
            None => value,
        })
    }
}

/// The same without the key, should the server send it with some of its characters escaped: written
/// anew it has none of them.
fn without_key(value: Value, key: &ApiKey) -> Value {
    let text = value.to_string();
    let clean = key.scrub(&text);
    if clean == text { value } else { parse_json(clean.as_bytes()).unwrap_or_default() }
}

fn get<'a>(path: &'a str, query: &'a [(&'a str, String)]) -> Call<'a> {
    Call { method: Method::GET, path, query, body: None, request_id: None, timeout: SHORT }
}

fn post<'a>(path: &'a str, body: Option<(&'a str, Bytes)>) -> Call<'a> {
    Call { method: Method::POST, path, query: &[], body, request_id: None, timeout: SHORT }
}

fn unreadable(value: &Value) -> CallError {
    CallError::Unreadable { message: shorten(&visible_text(&value.to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_back_escaped_is_taken_out() {
        let key = ApiKey::new("sk-secret-123".to_owned()).unwrap();
        let echoed = br#"{"id": "b", "errors": {"data": [{"message": "bad \u0073k-secret-123"}]}}"#;
        let value = without_key(parse_json(echoed).unwrap(), &key);
        assert_eq!(value["id"], "b");
        assert_eq!(value["errors"]["data"][0]["message"], "bad (redacted)");
    }
}
