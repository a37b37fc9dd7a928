//! What goes into the journal and comes out of it.

use bytes::Bytes;

use crate::chat::TokenUsage;
use crate::event::{Phase, Verdict};
use crate::task::{Candidate, OpenTask, TaskRef};
use crate::usd::Usd;

/// An attempt about to leave, with the request it belongs to.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    /// Unique within the run.
    pub id: u64,
    /// The request's index within the run, from 0.
    pub request_index: u64,
    /// What the request is for.
    pub phase: Phase,
    /// The endpoint that it goes to, where the model is to be had in several places.
    pub endpoint: Option<String>,
    /// The in-context examples of the request.
    pub examples: Vec<TaskRef>,
    /// The open tasks whose outputs it asks for.
    pub tasks: Vec<OpenTask>,
    /// Upper bound on the prompt tokens.
    pub prompt_bound: u64,
    /// The most output tokens asked for.
    pub max_output_tokens: u64,
    /// The worst-case cost, reserved.
    pub reserved: Usd,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// An attempt of the last minute that reached the server, or may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentAttempt {
    /// What it was for.
    pub phase: Phase,
    /// When it left, in milliseconds since the Unix epoch.
    pub sent_at_ms: i64,
    /// Where it went, in a run with a choice of places.
    pub endpoint: Option<String>,
    /// Upper bound on the prompt tokens.
    pub prompt_bound: u64,
    /// The most output tokens asked for.
    pub max_output_tokens: u64,
    /// What it used, when it was answered.
    pub usage: Option<TokenUsage>,
}

/// A whole 2xx body, as it came.
#[derive(Debug, Clone)]
pub struct NewResponse {
    /// The attempt that it answers.
    pub attempt_id: u64,
    /// The request's index.
    pub request_index: u64,
    /// The HTTP status.
    pub status: u16,
    /// The raw body.
    pub body: Bytes,
    /// From sending to the last byte, in milliseconds.
    pub latency_ms: u64,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptEnd {
    /// Answered, with usage that can be believed.
    Answered {
        /// What it cost.
        cost: Usd,
        /// The tokens by class.
        usage: TokenUsage,
    },
    /// No charge: a status other than 2xx, or no connection was made.
    Refused {
        /// The HTTP status, if one came.
        status: Option<u16>,
        /// What the server or the network said.
        message: String,
    },
    /// May have been billed, counts at its worst case.
    Unconfirmed {
        /// Why its cost is not known.
        message: String,
    },
}

/// The verdicts on some items of one response, in order.
#[derive(Debug, Clone)]
pub struct VerdictBatch {
    /// The response's position in the journal.
    pub response_seq: u64,
    /// The number of the first task accepted here, from 0.
    pub first_task_id: u64,
    /// The verdicts.
    pub verdicts: Vec<Verdict>,
    /// Whether the response has no further items.
    pub complete: bool,
}

/// How far the verdicts reach into the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JudgedUpTo {
    /// Every response up to this position is judged whole; 0 when none is.
    pub response_seq: u64,
    /// So many items of the next response are judged.
    pub items_of_next: u32,
}

/// A response read back from the journal.
#[derive(Debug, Clone)]
pub struct StoredResponse {
    /// Its position in the journal, from 1.
    pub seq: u64,
    /// The request's index.
    pub request_index: u64,
    /// What the request is for.
    pub phase: Phase,
    /// The in-context examples of the request.
    pub examples: Vec<TaskRef>,
    /// The open tasks whose outputs it asked for.
    pub tasks: Vec<OpenTask>,
    /// The raw body.
    pub body: Vec<u8>,
}

/// An instruction that passed, read back from the journal.
#[derive(Debug, Clone)]
pub struct StoredOpenTask {
    /// Where it stands.
    pub place: OpenTask,
    /// Instruction and input.
    pub task: Candidate,
    /// Whether it still waits for its output.
    pub waits: bool,
}

/// An answered attempt whose cost the journal does not have yet: the process died in between.
#[derive(Debug, Clone)]
pub struct LateAnswer {
    /// The attempt.
    pub attempt_id: u64,
    /// What its request is for.
    pub phase: Phase,
    /// Upper bound on the prompt tokens.
    pub prompt_bound: u64,
    /// The most output tokens asked for.
    pub max_output_tokens: u64,
    /// The raw body.
    pub body: Vec<u8>,
}
