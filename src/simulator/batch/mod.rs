//! Batches: OpenAI's files and batches, and Anthropic's Message Batches.
//!
//! A batch takes as long as the settings say. Its requests are answered, and billed, at the moment
//! when somebody asks for it and its time is over, or when it is cancelled. What is asked about
//! batches meets the faults of any call (429, 500, 503, drop-before) and those of batches; each of
//! its requests meets those of a request for a completion.

mod anthropic;
mod dialect;
mod line;
mod multipart;
mod openai;
mod results;

use std::collections::{HashMap, HashSet};

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value};
use tokio::time::Instant;

use self::results::{Results, Turn};
use super::desk::{Desk, Dropped, lock};
use super::faults::Fault;
use super::refusal::Refusal;
use super::reply;
use super::server::Received;
use super::wire::Api;

pub(super) use anthropic::router as anthropic_router;
pub(super) use openai::router as openai_router;

/// Numbers of calls about batches and of their requests begin here, so that each draws faults and
/// texts of its own.
const FIRST_NUMBER: u64 = 1 << 40;

/// All files and batches of the account.
#[derive(Debug, Default)]
pub(super) struct Batches {
    /// Contents by name.
    files: HashMap<String, Vec<u8>>,
    /// The oldest first.
    all: Vec<Batch>,
    /// Names of requests that were in an accepted batch.
    known: HashSet<String>,
    numbers: u64,
}

/// One batch.
#[derive(Debug)]
struct Batch {
    id: String,
    api: &'static dyn Api,
    requests: Vec<BatchRequest>,
    prompt_tokens: u64,
    created: Instant,
    created_at: jiff::Timestamp,
    expires: bool,
    /// What the API keeps with it: metadata, endpoint, input file.
    kept: Value,
    status: Status,
    results: Option<Results>,
}

#[derive(Debug)]
struct BatchRequest {
    custom_id: String,
    body: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Open,
    Completed,
    Expired,
    Cancelled,
    Failed,
}

/// Why a batch is not accepted.
type Objection = (&'static str, String);

impl Batches {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        FIRST_NUMBER + self.numbers
    }

    fn find(&mut self, id: &str) -> Option<&mut Batch> {
        self.all.iter_mut().find(|batch| batch.id == id)
    }

    fn open_tokens(&self) -> u64 {
        let open = self.all.iter().filter(|batch| batch.status == Status::Open);
        open.map(|batch| batch.prompt_tokens).sum()
    }
}

impl Desk {
    /// Lets a call about batches in, unless the key is wrong or a fault keeps it out. Gives the
    /// fault that it meets.
    fn admit_call(&self, api: &dyn Api, headers: &HeaderMap) -> Result<Option<Fault>, Response> {
        lock(&self.books).bill.batch_calls += 1;
        self.check_key(api, headers).map_err(|refusal| reply::refused(api, refusal))?;
        let number = lock(&self.batches).number();
        let fault = self.fault(number);
        match fault.and_then(|(kind, name)| Refusal::by_fault(kind, name)) {
            Some(refusal) if refusal.status != StatusCode::OK => Err(reply::refused(api, refusal)),
            _ => Ok(fault.map(|(kind, _)| kind)),
        }
    }

    /// Takes a batch in. One that meets an objection fails.
    fn open_batch(&self, mut batch: Batch, objection: Option<&Objection>) -> Value {
        let mut batches = lock(&self.batches);
        let kept = batch.kept.as_object_mut();
        if let (Some((code, message)), Some(kept)) = (objection, kept) {
            kept.insert("objection".to_owned(), serde_json::json!([code, message]));
            batch.status = Status::Failed;
        }
        if batch.status == Status::Open {
            let requests = batch.requests.len() as u64;
            let is_known = |r: &&BatchRequest| !batches.known.insert(r.custom_id.clone());
            let again = batch.requests.iter().filter(is_known).count() as u64;
            let bill = &mut lock(&self.books).bill;
            bill.batches += 1;
            bill.batch_requests += requests;
            bill.batch_requests_again += again;
        }
        let number = batches.all.len() + 1;
        batch.id = format!("{}_{number}", batch.id);
        batches.all.push(batch);
        Value::from(batches.all.last().map(|batch| batch.id.clone()))
    }

    /// Ends a batch whose time is over.
    fn advance(&self, batches: &mut Batches, id: &str) {
        let age = batches.find(id).map(|batch| batch.created.elapsed());
        let is_over =
            age.is_some_and(|age| age.as_millis() >= u128::from(self.settings.batch_latency_ms));
        if is_over {
            self.end_batch(batches, id, None);
        }
    }

    /// Ends an open batch: whole, half-way when it was to expire, or as far as it is by now.
    fn end_batch(&self, batches: &mut Batches, id: &str, cancelled: Option<()>) {
        let first = batches.numbers;
        let Some(batch) = batches.find(id).filter(|batch| batch.status == Status::Open) else {
            return;
        };
        let requests = batch.requests.len();
        let (done, status) = match (cancelled, batch.expires) {
            (Some(()), _) => {
                let latency = u128::from(self.settings.batch_latency_ms.max(1));
                let age = batch.created.elapsed().as_millis().min(latency);
                let done = requests as u128 * age / latency;
                (usize::try_from(done).unwrap_or(requests), Status::Cancelled)
            }
            (None, true) => (requests / 2, Status::Expired),
            (None, false) => (requests, Status::Completed),
        };
        let mut results = Results::default();
        for (index, request) in batch.requests.iter().enumerate() {
            let number = FIRST_NUMBER + first + 1 + index as u64;
            let turn = match (index < done, status) {
                (true, _) => self.take_turn(batch.api, number, request),
                (false, Status::Cancelled) => Turn::Cancelled,
                (false, _) => Turn::Expired,
            };
            results.add(&request.custom_id, turn);
        }
        batch.status = status;
        batch.results = Some(results);
        batches.numbers += requests as u64;
    }
}

/// Answers a call about batches that is let in, unless a fault closes its connection.
fn call(
    desk: &Desk,
    api: &dyn Api,
    request: &Received,
    answer: impl FnOnce(Option<Fault>) -> Result<Response, Dropped>,
) -> Response {
    request.reply(|request| {
        let fault = match desk.admit_call(api, &request.headers) {
            Ok(fault) => fault,
            Err(refused) => return Ok(refused),
        };
        cut(fault, &[Fault::DropBefore])?;
        answer(fault)
    })
}

/// A part of a file; with a fault its first half, after which the connection breaks.
fn download(content: Vec<u8>, fault: Option<Fault>) -> Response {
    match fault {
        Some(Fault::ResultsCut | Fault::Cut) => {
            reply::answer(Some(Fault::Cut), HeaderMap::new(), content)
        }
        _ => Response::new(Body::from(content)),
    }
}

/// What to do with a call that meets a fault by which its connection closes.
fn cut(fault: Option<Fault>, at: &[Fault]) -> Result<(), Dropped> {
    match fault {
        Some(fault) if at.contains(&fault) => Err(Dropped),
        _ => Ok(()),
    }
}

/// A page of a list: behind the item named `after`, at most `limit` items; and whether there are
/// more.
fn page<'a>(
    batches: impl Iterator<Item = &'a Batch>,
    after: Option<&str>,
    limit: usize,
) -> (Vec<&'a Batch>, bool) {
    let mut all: Vec<&Batch> = batches.collect();
    if let Some(after) = after {
        let behind = all.iter().position(|batch| batch.id == after).map_or(all.len(), |at| at + 1);
        drop(all.drain(..behind));
    }
    let has_more = all.len() > limit;
    all.truncate(limit);
    (all, has_more)
}
