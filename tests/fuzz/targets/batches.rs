//! What an API of batches tells: how far a batch is, and the lines of its results.

use instructmill::provider::{CustomId, LineResult, PROVIDERS};
use serde_json::Value;

use super::{choose, lossy, split};

/// The first byte chooses the provider.
pub fn check(bytes: &[u8]) {
    let ([provider], text) = split(bytes);
    let with_batches: Vec<_> =
        PROVIDERS.iter().filter_map(|provider| Some((provider, provider.batches()?))).collect();
    let (provider, api) = choose(&with_batches, provider);
    if let Some(line) = api.read_result(text) {
        if let LineResult::Answered { status, body } = &line.result {
            assert!((200..300).contains(status), "{status}");
            assert!(
                body.is_empty() || text.windows(body.len()).any(|part| part == body),
                "{body:?}"
            );
            drop(provider.decode(body));
        }
        is_read_as_it_is_written(&line.custom_id);
    }
    is_read_as_it_is_written(&lossy(text));
    let Ok(batch) = serde_json::from_slice::<Value>(text) else { return };
    if let Some(batch) = api.read(&batch) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        assert!(!batch.id.is_empty() && batch.id.chars().all(is_name), "{batch:?}");
        // An address must not be led elsewhere.
        let is_path = |path: &String| path.chars().all(|c| is_name(c) || c == '/');
        assert!(batch.results.iter().all(is_path), "{batch:?}");
        assert!(batch.label.len() <= 40 && batch.label.chars().all(is_name), "{batch:?}");
        assert!(batch.errors.len() <= 10);
    }
}

/// A name that nobody here wrote must not count as one: two names of a request are two answers to it.
fn is_read_as_it_is_written(text: &str) {
    if let Some(id) = CustomId::parse(text) {
        assert_eq!(id.to_string(), text);
    }
}
