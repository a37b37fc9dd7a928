//! The embeddings that judging waits for: asked for one request after the other, each for all texts
//! that have gathered meanwhile.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::{Collector, Stop, Waiting};
use crate::config::RunConfig;
use crate::embedding::Embedding;
use crate::event::Phase;
use crate::ledger::prompt_token_bound;
use crate::pipeline::bought::Bought;
use crate::pipeline::failure::RunError;
use crate::pipeline::foundation;
use crate::pipeline::judge::Reading;
use crate::pipeline::lane::Lane;
use crate::pipeline::worker::{EmbeddingJob, Purpose, Report, worst_case};
use crate::provider::{Embeddings, MOST_BYTES, MOST_TEXTS, Refusal, classify};
use crate::store::{EmbeddingKey, RunReader, StoreError};
use crate::usd::Usd;

/// Bytes of text in a token of output, roughly, as if all of it were embedded: what is kept back for
/// the embeddings of a response. Should it ever be too little, they wait for money like any request.
const BYTES_PER_TOKEN: u64 = 4;

/// The embeddings that judging waits for.
pub(in crate::pipeline) struct Embedder {
    lane: Arc<Lane>,
    api: Arc<Embeddings>,
    bought: Bought<RunReader>,
    /// What requests ask for first.
    first: Phase,
    /// Whether the judge has the embeddings of all tasks that he knows.
    founded: bool,
    queue: VecDeque<String>,
    /// The texts of the request under way; none when there is none.
    asked: Vec<String>,
    /// All of both.
    pending: HashSet<EmbeddingKey>,
    /// Texts in a request, at most. Halved when the server finds a request too large.
    most_texts: usize,
    dimensions: Option<usize>,
    /// Kept back for the texts of the queue.
    earmark: Usd,
}

impl Embedder {
    pub(in crate::pipeline) fn new(
        config: &RunConfig,
        lane: Arc<Lane>,
        reader: RunReader,
    ) -> Result<Self, StoreError> {
        let known = reader.embedding_dimensions()?;
        let dimensions = config.embedding.as_ref().and_then(|embedding| embedding.dimensions);
        Ok(Self {
            api: Arc::new(Embeddings::new(lane.model.clone(), dimensions)),
            lane,
            bought: Bought::new(config, reader),
            first: config.first_phase(),
            founded: false,
            queue: VecDeque::new(),
            asked: Vec::new(),
            pending: HashSet::new(),
            most_texts: MOST_TEXTS,
            dimensions: known,
            earmark: Usd::ZERO,
        })
    }

    /// The API that is asked.
    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// What the embeddings of a response of so many output tokens cost at most.
    fn worst_case_of_response(&self, max_output_tokens: u32) -> Usd {
        let bytes = u64::from(max_output_tokens) * BYTES_PER_TOKEN;
        let bound = prompt_token_bound(usize::try_from(bytes).unwrap_or(usize::MAX));
        self.lane.price.worst_case(bound, 0)
    }

    /// The embedding of a text, if it was bought.
    pub(super) fn get(&self, text: &str) -> Result<Option<Embedding>, StoreError> {
        self.bought.get(text)
    }

    /// Takes texts in whose embeddings are not there; gives what is to be waited for.
    fn want(&mut self, texts: Vec<String>) -> Result<Vec<EmbeddingKey>, StoreError> {
        let mut awaited = Vec::new();
        for text in texts {
            let key = self.bought.key(&text);
            if self.pending.contains(&key) {
                awaited.push(key);
            } else if self.bought.get(&text)?.is_none() {
                self.pending.insert(key);
                awaited.push(key);
                self.queue.push_back(text);
            }
        }
        Ok(awaited)
    }

    /// Whether a request is under way.
    pub(super) fn is_asking(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The next texts to be asked for, as many as go into one request; they stay in the queue.
    fn batch(&self) -> Vec<String> {
        let mut bytes = 0;
        let fits = |text: &&String| {
            bytes += text.len();
            bytes <= MOST_BYTES
        };
        let mut batch: Vec<_> =
            self.queue.iter().take(self.most_texts).take_while(fits).cloned().collect();
        if batch.is_empty() {
            batch.extend(self.queue.front().cloned());
        }
        batch
    }

    /// A request was of no use: its texts are the next ones again.
    fn put_back(&mut self) {
        for text in self.asked.drain(..).rev() {
            self.queue.push_front(text);
        }
    }

    /// Whether a refused request is worth another try with fewer texts.
    fn can_ask_for_fewer(&self, error: &RunError) -> bool {
        let RunError::Refused { error, .. } = error else { return false };
        let is_large = matches!(classify(error), Refusal::BadRequest | Refusal::TooLarge);
        is_large && self.asked.len() > 1
    }
}

impl Collector {
    /// What is kept back for the embeddings of a response of so many output tokens.
    pub(super) fn embeddings_earmark(&self, max_output_tokens: u32) -> Usd {
        let worst_case = |embedder: &Embedder| embedder.worst_case_of_response(max_output_tokens);
        self.embedder.as_ref().map_or(Usd::ZERO, worst_case)
    }

    /// Whether requests for tasks may leave: not before the judge knows the embeddings of the tasks
    /// there are and has judged what earlier sessions bought, and not without end before responses
    /// have got theirs.
    pub(super) fn may_ask(&self) -> bool {
        let Some(embedder) = &self.embedder else { return true };
        let most_waiting = 2 * self.concurrency;
        embedder.founded
            && self.judged.response_seq >= self.stored_up_to
            && self.waiting.len() < most_waiting
    }

    /// A response on its way to the judge, with the embeddings that it waits for.
    pub(super) fn waiting(&mut self, reading: Reading, purpose: &Purpose) -> Waiting {
        let mut awaited = Vec::new();
        if let Some(embedder) = &mut self.embedder {
            match embedder.want(self.judge.texts_to_embed(&reading)) {
                Ok(keys) => awaited = keys,
                Err(error) => self.stop_with(Stop::failed(error.into())),
            }
        }
        match &mut self.embedder {
            Some(embedder) if !awaited.is_empty() => {
                embedder.earmark = embedder.earmark.saturating_add(purpose.embeddings);
            }
            _ => self.shared.ledger.release_earmark(purpose.embeddings),
        }
        Waiting { reading, earmark: purpose.earmark, awaited }
    }

    /// Whether a response has all that judging it takes.
    pub(super) fn is_ready(&self, response: &Waiting) -> bool {
        self.embedder.as_ref().is_none_or(|embedder| {
            embedder.founded && response.awaited.iter().all(|key| !embedder.pending.contains(key))
        })
    }

    /// Starts a request for embeddings, when there are texts and none is under way. Gives the money
    /// that it would have needed.
    pub(super) fn start_embeddings(&mut self) -> Option<Usd> {
        let embedder = self.embedder.as_mut()?;
        if self.stop.is_some() || embedder.queue.is_empty() || embedder.is_asking() {
            return None;
        }
        let texts = embedder.batch();
        let (needed, prompt_bound) = worst_case(&embedder.lane, &embedder.api, &texts);
        let reservation = self.shared.ledger.reserve_earmarked(needed, embedder.earmark);
        let Ok(reservation) = reservation else { return Some(needed) };
        embedder.earmark = Usd::ZERO;
        drop(embedder.queue.drain(..texts.len()));
        embedder.asked.clone_from(&texts);
        let (lane, api) = (Arc::clone(&embedder.lane), Arc::clone(&embedder.api));
        let dimensions = embedder.dimensions;
        let request_index = self.next_request;
        let job = EmbeddingJob {
            request_index,
            lane: Arc::clone(&lane),
            api,
            texts,
            dimensions,
            prompt_bound,
            reservation,
        };
        self.spawn(lane, Purpose::of(Phase::Embeddings), job);
        None
    }

    /// A request for embeddings is over.
    pub(super) async fn embedded(&mut self, report: Report) {
        let Some(embedder) = &mut self.embedder else { return };
        match report {
            Report::Embedded(dimensions) => {
                embedder.dimensions = Some(dimensions);
                for text in std::mem::take(&mut embedder.asked) {
                    embedder.pending.remove(&embedder.bought.key(&text));
                }
                self.lay_foundation().await;
            }
            Report::GaveUp(error) | Report::Fatal(error) => {
                if embedder.can_ask_for_fewer(&error) {
                    embedder.most_texts = embedder.asked.len().div_ceil(2);
                    tracing::info!(texts = embedder.most_texts, %error, "asking for fewer embeddings");
                    embedder.put_back();
                } else {
                    self.stop_with(Stop::failed(error));
                }
            }
            Report::Arrived(_) | Report::Cancelled | Report::OutOfBudget => embedder.put_back(),
        }
    }

    /// Gives the judge the embeddings of the tasks that he knows, or asks for them; then judges what
    /// waits.
    pub(super) async fn lay_foundation(&mut self) {
        if let Some(embedder) = &mut self.embedder
            && !embedder.founded
        {
            let missing = foundation::lay(&mut self.judge, embedder.first, &embedder.bought);
            let wanted = missing.and_then(|missing| {
                embedder.founded = missing.is_empty();
                embedder.want(missing)
            });
            if let Err(error) = wanted {
                self.stop_with(Stop::failed(error.into()));
                return;
            }
        }
        self.judge_waiting().await;
    }
}
