//! The bodies of 2xx responses, in every wire format.

use instructmill::provider::PROVIDERS;

use super::{assert_presentable, choose, split};

/// The first byte chooses the provider.
pub fn check(bytes: &[u8]) {
    let ([provider], body) = split(bytes);
    let provider = choose(PROVIDERS, provider);
    let decoded = provider.decode(body);
    match &decoded {
        Ok(completion) => {
            // A byte that is no UTF-8 becomes three.
            assert!(completion.text.len() <= 3 * body.len(), "more text than was sent");
            if let Some(usage) = completion.usage {
                assert!(usage.reasoning <= usage.output, "{usage:?}");
                assert!(usage.output > 0 || completion.text.is_empty(), "{usage:?}");
            }
        }
        Err(error) => {
            let message = error.to_string();
            assert_presentable(&message);
            assert!(message.chars().count() < 2_000, "{message}");
        }
    }
    // A byte order mark sends the same reply through the reader that mends faults.
    if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
        let marked = ["\u{feff}".as_bytes(), body].concat();
        assert_eq!(provider.decode(&marked), decoded, "the two readers differ");
    }
}
