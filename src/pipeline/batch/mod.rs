//! Batches: requests that go to a provider together, at the price of batches.
//!
//! The collector decides what is wanted, as it does for requests that go alone, and gathers it
//! ([`Gathering`]). A [`Carrier`] takes a batch from there to its end:
//!
//! ```text
//! durable: the batch with an attempt for each request -> upload -> durable: "creating" -> create
//!   -> durable: the provider's name -> ask how far it is, in growing pauses -> results line by line:
//!   durable body, then settled -> what is missing is accounted for -> durable: "ended"
//! ```
//!
//! So a process that dies leaves a batch that never left (its requests are asked again), one whose
//! name is known (its results are waited for), or one that may exist: then the provider's list is
//! searched for it ([`search`]) before anything is sent again. A request is known by its attempt,
//! which is in its `custom_id`: no attempt is settled twice, and a request that failed, expired or was
//! cancelled is asked again as another attempt.

mod carrier;
mod desk;
mod gathering;
mod patience;
mod resume;
mod search;
mod settle;
mod submit;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

pub(super) use self::carrier::Carrier;
pub(super) use self::desk::{Desk, UnderWay};
pub(super) use self::gathering::{Gathered, Gathering};
pub(super) use self::resume::resumed;
use super::failure::RunError;
use super::lane::Lane;
use super::worker::{Purpose, Report};
use crate::event::Phase;
use crate::ledger::Reservation;
use crate::provider::{Quirks, Tag};
use crate::task::TaskRef;

/// A request of a batch, with its attempt.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) attempt_id: u64,
    pub(super) request_index: u64,
    pub(super) purpose: Purpose,
    pub(super) examples: Vec<TaskRef>,
    pub(super) prompt_bound: u64,
    pub(super) max_output_tokens: u64,
    pub(super) reservation: Reservation,
    /// Attempts before this one that came to nothing.
    pub(super) failures: u32,
    /// Bytes of its body; 0 when an earlier session sent it.
    pub(super) body_bytes: usize,
}

/// A batch with those of its requests that are not accounted for.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) tag: Tag,
    pub(super) phase: Phase,
    pub(super) lane: Arc<Lane>,
    /// All its requests.
    pub(super) requests: u64,
    pub(super) begun_at_ms: i64,
    /// What was known of the API when its bodies were written.
    pub(super) quirks: Quirks,
    /// By attempt.
    pub(super) lines: BTreeMap<u64, Line>,
}

/// Where a carrier takes a batch up.
#[derive(Debug)]
pub(super) enum Start {
    /// Nothing of it is durable; the bodies of its requests, by attempt.
    New(Vec<(u64, Bytes)>),
    /// It is durable, and never left.
    NeverLeft,
    /// It may exist at the provider.
    MayExist,
    /// It exists, under this name.
    Created(String),
}

/// What a carrier tells the collector.
#[derive(Debug)]
pub(super) enum Note {
    /// A request is over.
    Over { lane: Arc<Lane>, purpose: Purpose, report: Report },
    /// A request came to nothing, free of charge or not, and is worth another attempt.
    Again { lane: Arc<Lane>, line: Line, failure: RunError },
    /// How far a batch is.
    Seen { number: u64, label: String, completed: u64, failed: u64 },
    /// Its results are being read: what they bring is judged before more is sent.
    Reading { number: u64 },
    /// All requests of a batch are told; whether it was turned away for too many tokens.
    Ended { number: u64, over_token_limit: bool },
    /// The run cannot go on.
    Failed(RunError),
}

/// What becomes of batches when the run stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Closing {
    /// It does not stop.
    #[default]
    No,
    /// What they would bring is not needed: they are cancelled, and what they brought is settled.
    Cancel,
    /// They stay at the provider, for the next session.
    Leave,
}
