//! What the APIs of batches have in common: looking at a batch, cancelling it, listing all.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;

use super::{Batch, call, page};
use crate::simulator::desk::{Desk, lock};
use crate::simulator::refusal::Refusal;
use crate::simulator::reply;
use crate::simulator::server::{Received, Server, json_response};
use crate::simulator::wire::Api;

/// How an API speaks of batches.
pub(super) trait Dialect: 'static {
    /// The API whose keys and refusals these are.
    const API: &'static dyn Api;
    /// How the names of its batches begin.
    const NAME: &'static str;
    /// The parameter that names the last batch of the page before.
    const AFTER: &'static str;
    /// Batches on a page, at most.
    const MOST: usize;

    /// A batch as the API shows it.
    fn batch(batch: &Batch) -> Value;

    /// A page of a list.
    fn list(batches: Vec<Value>, has_more: bool) -> Value;

    /// There is no such thing.
    fn no_such() -> Response;
}

pub(super) async fn retrieve<D: Dialect>(
    State(server): State<Server>,
    Path(id): Path<String>,
    request: Received,
) -> Response {
    let desk = server.desk();
    call(desk, D::API, &request, |_fault| Ok(shown::<D>(desk, &id)))
}

pub(super) async fn cancel<D: Dialect>(
    State(server): State<Server>,
    Path(id): Path<String>,
    request: Received,
) -> Response {
    let desk = server.desk();
    call(desk, D::API, &request, |_fault| {
        desk.end_batch(&mut lock(&desk.batches), &id, Some(()));
        Ok(shown::<D>(desk, &id))
    })
}

pub(super) async fn list<D: Dialect>(State(server): State<Server>, request: Received) -> Response {
    let desk = server.desk();
    call(desk, D::API, &request, |_fault| {
        if desk.settings.hides_batches {
            return Ok(reply::refused(D::API, Refusal::unreadable("batches cannot be listed")));
        }
        let limit = request.parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20);
        let mut batches = lock(&desk.batches);
        let own = |batch: &&Batch| batch.id.starts_with(D::NAME);
        let ids: Vec<String> = batches.all.iter().filter(own).map(|it| it.id.clone()).collect();
        for id in ids {
            desk.advance(&mut batches, &id);
        }
        let after = request.parameter(D::AFTER);
        let own = batches.all.iter().rev().filter(own);
        let (shown, has_more) = page(own, after.as_deref(), limit.clamp(1, D::MOST));
        let shown = shown.into_iter().map(D::batch).collect();
        Ok(json_response(&D::list(shown, has_more)))
    })
}

/// A batch as it is now.
pub(super) fn shown<D: Dialect>(desk: &Desk, id: &str) -> Response {
    let mut batches = lock(&desk.batches);
    desk.advance(&mut batches, id);
    let batch = batches.find(id).map(|batch| D::batch(batch));
    batch.map_or_else(D::no_such, |batch| json_response(&batch))
}
