//! Looks for a batch whose creation was not answered.
//!
//! OpenAI's batches carry the tag that they were created with. Anthropic's carry nothing: a batch of
//! the same size, created since, of which nothing else is known, may be the one, and its results name
//! its requests. Until it has ended that cannot be known, so it is waited for.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::Closing;
use super::carrier::Carrier;
use super::patience::Patience;
use crate::pipeline::failure::RunError;
use crate::provider::{BatchStage, CallError, CustomId, RawLine, Refusal, RemoteBatch, classify};

/// How often the list must not have it, one look after the other: a call whose answer was lost may
/// still be on its way.
const LOOKS: u32 = 3;
/// And not within this time: a gateway may still be passing the call on when its client is gone.
const LATE: Duration = Duration::from_secs(150);
/// How far the clocks of this machine and the provider may be apart, in milliseconds. Too little would buy
/// a batch twice; too much costs a look into the results of batches as large that are others'.
const SKEW_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Pages that are looked through, at most.
const MOST_PAGES: usize = 1_000;
/// Lines of results that are looked at for the name of a request.
const LINES: usize = 20;

/// What came of looking for a batch.
pub(super) enum Found {
    /// It exists, under this name, which is durable.
    At(String),
    /// It does not exist.
    Nowhere,
    /// The provider does not tell.
    Unknowable(String),
    /// The run stops; the next session looks again.
    Left,
}

impl Carrier {
    /// Looks for the batch.
    pub(super) async fn search(&mut self) -> Result<Found, RunError> {
        let mut patience = Patience::of_late(&self.batch.lane.first_site().base_url);
        let (began, mut looks, mut failures) = (Instant::now(), 0, 0);
        let mut last_answer = began;
        let mut others = BTreeSet::new();
        while looks < LOOKS || self.may_be_late(began) {
            let look = self.look(&mut others).await;
            if look.is_ok() {
                (failures, last_answer) = (0, Instant::now());
            }
            match look {
                Ok(Look::Is(id)) => {
                    self.created(&id).await?;
                    tracing::info!(id, "the batch was created: going on with it");
                    return Ok(Found::At(id));
                }
                Ok(Look::Absent) => looks += 1,
                Ok(Look::Unreadable) => {
                    let message = "a batch that may be it has no results that can be read";
                    return Ok(Found::Unknowable(message.to_owned()));
                }
                Ok(Look::MayBe) => {
                    looks = 0;
                    self.tell_search().await;
                    // It may take a day, and the run has what it wants.
                    if *self.closing.borrow() != Closing::No {
                        return Ok(Found::Left);
                    }
                }
                Err(error) => {
                    failures += 1;
                    if let Some(reason) = refuses_to_list(&error) {
                        return Ok(Found::Unknowable(reason));
                    }
                    if let Some(error) = self.is_final(&error) {
                        return Err(error);
                    }
                    if self.is_hopeless(failures, last_answer) {
                        return Err(self.given_up(error));
                    }
                    let pause = self.pause_after(&error, failures);
                    if self.rested(pause).await == Closing::Leave {
                        return Ok(Found::Left);
                    }
                    continue;
                }
            }
            if (looks < LOOKS || self.may_be_late(began))
                && self.rested(patience.pause()).await == Closing::Leave
            {
                return Ok(Found::Left);
            }
        }
        Ok(Found::Nowhere)
    }

    /// Whether the call that creates the batch may still arrive. A simulator says that it is one, and
    /// has nobody behind it.
    fn may_be_late(&self, began: Instant) -> bool {
        began.elapsed() < LATE && !self.batch.lane.first_site().client.is_simulated()
    }

    /// One look through the provider's list. `others` are batches that turned out to be others'.
    async fn look(&self, others: &mut BTreeSet<String>) -> Result<Look, CallError> {
        let batches = self.listed().await?;
        let tagged = |batch: &&RemoteBatch| batch.tag.as_ref() == Some(&self.batch.tag);
        if let Some(batch) = batches.iter().find(tagged) {
            return Ok(Look::Is(batch.id.clone()));
        }
        let mut found = Look::Absent;
        for batch in &batches {
            if !self.may_be(batch, others) {
                continue;
            }
            if batch.stage == BatchStage::Open {
                found = Look::MayBe;
                continue;
            }
            // Archived, or deleted.
            if batch.results.is_empty() {
                return Ok(Look::Unreadable);
            }
            match self.whose_requests(batch).await {
                Ok(Whose::Ours) => return Ok(Look::Is(batch.id.clone())),
                Ok(Whose::Others) => others.insert(batch.id.clone()),
                Ok(Whose::Unclear) => return Ok(Look::Unreadable),
                Err(CallError::Refused { error, .. }) if matches!(error.status, 404 | 410) => {
                    return Ok(Look::Unreadable);
                }
                Err(error) => return Err(error),
            };
        }
        Ok(found)
    }

    /// Whether nothing speaks against a batch without a tag being the one.
    fn may_be(&self, batch: &RemoteBatch, others: &BTreeSet<String>) -> bool {
        let is_known = || {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.contains(&batch.id)
        };
        // Where batches carry tags, this one would.
        !self.api.keeps_tags()
            && batch.requests.is_none_or(|requests| requests == self.batch.requests)
            && batch.created_at_ms.is_none_or(|at| at > self.batch.begun_at_ms - SKEW_MS)
            && !others.contains(&batch.id)
            && !is_known()
    }

    /// Whose requests the results of a batch name.
    async fn whose_requests(&self, batch: &RemoteBatch) -> Result<Whose, CallError> {
        let (mut of_others, mut unreadable) = (0, 0);
        for path in &batch.results {
            let mut results = self.results(path).await?;
            for _ in 0..LINES {
                let Some(line) = results.next().await? else { break };
                let whole = match &line {
                    RawLine::Whole(line) => self.api.read_result(line),
                    RawLine::TooLong => None,
                };
                match whole {
                    None => unreadable += 1,
                    Some(line) => match CustomId::parse(&line.custom_id) {
                        Some(id) if id.tag == self.batch.tag => return Ok(Whose::Ours),
                        // A batch of this program has requests of one batch only.
                        Some(_) => return Ok(Whose::Others),
                        // A line that does not belong there says nothing of the others.
                        None => of_others += 1,
                    },
                }
            }
        }
        // Results without a line, or with hardly one that can be read, may be those that are looked for.
        Ok(if of_others > unreadable { Whose::Others } else { Whose::Unclear })
    }

    /// All batches of the account, as far as the list goes.
    pub(super) async fn listed(&self) -> Result<Vec<RemoteBatch>, CallError> {
        let (mut all, mut after) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let page = self.client().page(after.as_deref()).await?;
            all.extend(page.batches);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(all)
    }

    async fn tell_search(&self) {
        let number = self.batch.tag.batch;
        let label = "searching".to_owned();
        self.note(super::Note::Seen { number, label, completed: 0, failed: 0 }).await;
    }
}

/// Why a provider that takes batches does not list them, when it never will.
fn refuses_to_list(error: &CallError) -> Option<String> {
    let CallError::Refused { error, .. } = error else { return None };
    // 405: there is something at this address, and it is no list.
    let never = matches!(classify(error), Refusal::Forbidden | Refusal::BadRequest);
    let reason = format!("the batches of the account cannot be listed: {error}");
    (never || error.status == 405).then_some(reason)
}

/// What one look through the list says.
enum Look {
    Is(String),
    Absent,
    /// What may be it cannot be read any more.
    Unreadable,
    /// It may be one that has not ended.
    MayBe,
}

/// Whose requests the results of a batch name.
enum Whose {
    Ours,
    Others,
    /// Nothing that can be read says it.
    Unclear,
}
