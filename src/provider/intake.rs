//! Reading what a server sends within bounds: of one body, of all bodies in memory, and, for a
//! refusal, of time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;

use super::failure::Failure;
use super::key::ApiKey;

/// All bodies of answers in memory at once, in bytes: a thousand usual ones are a tenth of it.
const ALL_BODIES_BYTES: usize = 256 * 1024 * 1024;

/// How much of a refusal's body is read, in bytes: enough for any message.
const REFUSAL_BYTES: usize = 64 * 1024;

/// How long a refusal's body is waited for. Its status says already what to do.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(5);

/// Room for the bodies of answers.
#[derive(Debug)]
pub(super) struct Intake {
    /// The longest body.
    each: usize,
    /// All bodies together.
    all: usize,
    /// How much of that is taken.
    held: Arc<AtomicUsize>,
}

/// A body with the room that it takes, which is given back when the last copy is gone.
struct Held {
    body: Vec<u8>,
    taken: usize,
    room: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

impl Intake {
    /// Room for bodies of at most `each` bytes after decompression.
    pub(super) fn new(each: usize) -> Self {
        Self { each, all: ALL_BODIES_BYTES.max(each), held: Arc::default() }
    }

    /// The whole body of an answer, without the key.
    pub(super) async fn read(
        &self,
        response: &mut Response,
        key: Option<&ApiKey>,
    ) -> Result<Bytes, Failure> {
        let mut held = Held { body: Vec::new(), taken: 0, room: Arc::clone(&self.held) };
        while let Some(chunk) = response.chunk().await.map_err(|error| Failure::of(error, key))? {
            self.take(&mut held, &chunk)?;
        }
        if let Some(key) = key {
            held.body = key.scrub_bytes(std::mem::take(&mut held.body));
        }
        Ok(Bytes::from_owner(held))
    }

    fn take(&self, held: &mut Held, chunk: &[u8]) -> Result<(), Failure> {
        if held.body.len().saturating_add(chunk.len()) > self.each {
            return Err(Failure::too_large(self.each));
        }
        held.taken += chunk.len();
        let before = self.held.fetch_add(chunk.len(), Ordering::Relaxed);
        if before.saturating_add(chunk.len()) > self.all {
            return Err(Failure::too_large_together(self.all));
        }
        held.body.extend_from_slice(chunk);
        Ok(())
    }
}

/// The first bytes of a refusal's body. Whatever ends it early, the status stands.
pub(super) async fn beginning(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    let reading = async {
        while body.len() < REFUSAL_BYTES
            && let Ok(Some(chunk)) = response.chunk().await
        {
            body.extend_from_slice(&chunk);
        }
    };
    if tokio::time::timeout(REFUSAL_PATIENCE, reading).await.is_err() {
        tracing::debug!("the body of a refusal was not waited for");
    }
    body.truncate(REFUSAL_BYTES);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bodies_together_have_a_bound_and_give_their_room_back() {
        let intake = Intake { each: 80, all: 100, held: Arc::default() };
        let empty = || Held { body: Vec::new(), taken: 0, room: Arc::clone(&intake.held) };
        let (mut first, mut second) = (empty(), empty());
        assert!(intake.take(&mut first, &[0; 60]).is_ok());
        assert!(intake.take(&mut first, &[0; 21]).is_err());
        assert!(intake.take(&mut second, &[0; 41]).is_err());
        drop(second);
        let body = Bytes::from_owner(first);
        let copy = body.clone();
        drop(body);
        assert_eq!(intake.held.load(Ordering::Relaxed), 60);
        drop(copy);
        assert_eq!(intake.held.load(Ordering::Relaxed), 0);
    }
}
