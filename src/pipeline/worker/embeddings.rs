//! A request for embeddings.

use std::sync::Arc;

use bytes::Bytes;

use super::answered::settlement_of;
use super::refused::reserve_again;
use super::{Answer, Errand, Next, Report};
use crate::event::Phase;
use crate::failpoint::{Point, reached};
use crate::ledger::{Reservation, prompt_token_bound};
use crate::pipeline::failure::RunError;
use crate::pipeline::lane::Lane;
use crate::pipeline::retry::AFTER_UNREADABLE;
use crate::pipeline::shared::Shared;
use crate::pipeline::site::{Pass, Site};
use crate::pipeline::waits::Wait;
use crate::provider::{ApiError, Embeddings, EmbeddingsError};
use crate::store::{AttemptEnd, EmbeddingBatch, EmbeddingKey, NewAttempt, unix_ms};
use crate::usd::Usd;

/// A request for embeddings, ready to be sent.
#[derive(Debug)]
pub(in crate::pipeline) struct EmbeddingJob {
    pub(in crate::pipeline) request_index: u64,
    pub(in crate::pipeline) lane: Arc<Lane>,
    pub(in crate::pipeline) api: Arc<Embeddings>,
    pub(in crate::pipeline) texts: Vec<String>,
    /// How long earlier embeddings are; `None` before the first.
    pub(in crate::pipeline) dimensions: Option<usize>,
    pub(in crate::pipeline) prompt_bound: u64,
    pub(in crate::pipeline) reservation: Reservation,
}

/// The most that a request for these embeddings can cost, with the bound on its tokens.
pub(in crate::pipeline) fn worst_case(
    lane: &Lane,
    api: &Embeddings,
    texts: &[String],
) -> (Usd, u64) {
    let prompt_bound = prompt_token_bound(api.encode(texts).len());
    (lane.price.worst_case(prompt_bound, 0), prompt_bound)
}

impl Errand for EmbeddingJob {
    fn request_index(&self) -> u64 {
        self.request_index
    }

    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn path(&self) -> String {
        self.api.path().to_owned()
    }

    fn body(&mut self) -> Bytes {
        self.api.encode(&self.texts).into()
    }

    fn tokens(&self) -> u64 {
        self.lane.estimate_tokens(self.bytes(), 0)
    }

    fn reservation(&mut self) -> &mut Reservation {
        &mut self.reservation
    }

    fn new_attempt(&self, id: u64) -> NewAttempt {
        NewAttempt {
            id,
            request_index: self.request_index,
            phase: Phase::Embeddings,
            endpoint: None,
            examples: Vec::new(),
            tasks: Vec::new(),
            prompt_bound: self.prompt_bound,
            max_output_tokens: 0,
            reserved: self.reservation.amount(),
            at_ms: unix_ms(),
        }
    }

    fn learn(&self, error: &ApiError) -> bool {
        self.api.learn(error)
    }

    /// The embeddings become durable in one step with what they cost. Those that cannot be used
    /// were paid for all the same, and are asked for again.
    async fn answered(&mut self, shared: &Shared, pass: Pass, answer: Answer) -> Next {
        let site = Arc::clone(pass.site());
        let reply = self.api.decode(&answer.body, self.texts.len(), self.dimensions);
        let usage = reply.usage.as_ref();
        let end = settlement_of(&self.lane.price, self.prompt_bound, 0, usage, 0);
        let embeddings = reply.embeddings.as_ref().ok().into_iter().flatten().cloned();
        let keys = self.texts.iter().map(|text| self.key(text));
        let batch = EmbeddingBatch {
            attempt_id: answer.attempt_id,
            end: end.clone(),
            embeddings: keys.zip(embeddings).collect(),
            at_ms: unix_ms(),
        };
        let latency = answer.sent_at.elapsed();
        reached(Point::EmbeddingsReceived);
        let waiting = shared.waits.begin(Wait::Disk);
        let stored = shared.journal.embed(batch).await;
        drop(waiting);
        if let Err(error) = stored {
            return Next::Done(Report::Fatal(error.into()));
        }
        reached(Point::EmbeddingsStored);
        let worst_case = self.reservation.worst_case();
        self.settle(shared, pass, &end);
        shared.note_latency(Phase::Embeddings, latency);
        site.note_success();
        match reply.embeddings {
            Ok(embeddings) => {
                site.prove();
                let dimensions =
                    embeddings.first().map_or(0, crate::embedding::Embedding::dimensions);
                Next::Done(Report::Embedded(dimensions))
            }
            Err(error) => self.unreadable(shared, &site, error, worst_case),
        }
    }
}

impl EmbeddingJob {
    fn bytes(&self) -> usize {
        self.texts.iter().map(String::len).sum()
    }

    fn key(&self, text: &str) -> EmbeddingKey {
        EmbeddingKey::new(&self.api.model, self.api.dimensions, text)
    }

    fn settle(&mut self, shared: &Shared, pass: Pass, end: &AttemptEnd) {
        let reservation = self.reservation.take();
        match end {
            AttemptEnd::Answered { cost, usage } => {
                reservation.settle(*cost);
                pass.settle(usage, 0);
                shared.count(|attempts| attempts.answered += 1);
                shared.add_usage(usage);
                self.lane.note_usage(usage, self.bytes());
            }
            AttemptEnd::Refused { .. } | AttemptEnd::Unconfirmed { .. } => {
                reservation.unconfirmed();
                shared.count(|attempts| attempts.unconfirmed += 1);
            }
        }
    }

    fn unreadable(
        &mut self,
        shared: &Shared,
        site: &Site,
        error: EmbeddingsError,
        worst_case: Usd,
    ) -> Next {
        let is_for_good = matches!(error, EmbeddingsError::Dimensions { .. });
        let base_url = site.base_url.clone();
        let failure = RunError::Embeddings { base_url, error };
        if is_for_good || !self.lane.is_proven() {
            return Next::Done(Report::Fatal(failure));
        }
        if !reserve_again(shared, self, worst_case) {
            return Next::Done(Report::OutOfBudget);
        }
        Next::Retry { pause: AFTER_UNREADABLE, failure }
    }
}
