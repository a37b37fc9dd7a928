//! The limiter as its callers see it, on a paused clock.

mod behaviour;
mod places;
mod properties;
mod search;
mod utilisation;

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::Limits;

/// A runtime whose clock stands still while anything can run, and jumps to the next timer when
/// nothing can.
fn paused_runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn rpm(limit: u64) -> Limits {
    Limits { requests_per_minute: Some(limit), ..Limits::default() }
}

fn tpm(limit: u64) -> Limits {
    Limits { tokens_per_minute: Some(limit), ..Limits::default() }
}

/// Tokens at a server that counts what is reserved and gives nothing back.
fn reserved_tpm(limit: u64) -> Limits {
    Limits { count_reserved_tokens: true, ..tpm(limit) }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
