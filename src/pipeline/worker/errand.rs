//! What the attempts of a request have in common, whatever is asked for.

use bytes::Bytes;
use tokio::time::Instant;

use super::Next;
use crate::ledger::Reservation;
use crate::pipeline::lane::Lane;
use crate::pipeline::shared::Shared;
use crate::pipeline::site::Pass;
use crate::provider::ApiError;
use crate::store::NewAttempt;

/// A request ready to be sent, with its first reservation.
pub(in crate::pipeline) trait Errand: Send + Sync {
    /// The request's index within the run.
    fn request_index(&self) -> u64;

    /// Where it may go.
    fn lane(&self) -> &Lane;

    /// The endpoint below the base URL.
    fn path(&self) -> String;

    /// The body, in the form that the API is known to take now.
    fn body(&mut self) -> Bytes;

    /// What it counts against the tokens per minute.
    fn tokens(&self) -> u64;

    /// The money set aside for its attempt.
    fn reservation(&mut self) -> &mut Reservation;

    /// What is recorded before an attempt leaves, beside the site that it goes to.
    fn new_attempt(&self, id: u64) -> NewAttempt;

    /// Takes a lesson from a 400; true when the request should be sent again.
    fn learn(&self, error: &ApiError) -> bool;

    /// A whole answer came: makes it durable, reads it, and settles what it cost.
    fn answered(
        &mut self,
        shared: &Shared,
        pass: Pass,
        answer: Answer,
    ) -> impl Future<Output = Next> + Send;
}

/// A whole 2xx body, as it came.
#[derive(Debug)]
pub(in crate::pipeline) struct Answer {
    pub(in crate::pipeline) attempt_id: u64,
    pub(in crate::pipeline) status: u16,
    /// The server says that it is made up.
    pub(in crate::pipeline) simulated: bool,
    pub(in crate::pipeline) body: Bytes,
    pub(in crate::pipeline) sent_at: Instant,
}
