//! Results of a batch, line by line: each body durable before it is read, each attempt settled once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::carrier::{Carrier, End, LONGEST_SILENCE, NOT_FOUND_LIMIT};
use super::{Closing, Line, Note};
use crate::failpoint::{Point, reached};
use crate::pipeline::failure::RunError;
use crate::pipeline::worker::{Report, Sent, digest};
use crate::provider::{
    ApiError, BatchStage, CallError, CustomId, LineResult, RawLine, Refusal, RemoteBatch,
    ResultLine, Results, classify,
};
use crate::store::{AttemptEnd, NewResponse, unix_ms};

/// The longest line, in bytes: an answer as long as any that comes alone, and what is around it.
const MAX_LINE_BYTES: usize = 8 * 1024 * 1024 + 64 * 1024;
/// All lines together may have so many bytes a request, and no less than for 64 requests.
const BYTES_PER_REQUEST: u64 = 1024 * 1024;
/// Lines that become durable together, at most, by number and by bytes.
const GROUP_LINES: usize = 256;
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Lines that are not what they should be.
#[derive(Debug, Default)]
struct Oddities {
    /// No results at all, or too long.
    invalid: u64,
    /// Of requests that are not in this batch, or that a line told of before.
    foreign: u64,
}

/// What was read of a batch.
#[derive(Debug, Default)]
struct Told {
    odd: Oddities,
    /// Attempts that lines say were answered, in this session or before.
    answered: BTreeSet<u64>,
    /// Attempts that the file which is read tells of.
    in_file: BTreeSet<u64>,
}

/// A line that was answered.
type Answered = (Line, u16, bytes::Bytes);

impl Carrier {
    /// Settles a batch that has ended. What its results do not tell of is accounted for at the end.
    pub(super) async fn settle(&mut self, remote: RemoteBatch) -> Result<End, RunError> {
        self.note(Note::Reading { number: self.batch.tag.batch }).await;
        let mut told = Told::default();
        for path in &remote.results {
            if let End::Left = self.read(path, &mut told).await? {
                return Ok(End::Left);
            }
        }
        let Oddities { invalid, foreign } = told.odd;
        if invalid + foreign > 0 {
            tracing::warn!(invalid, foreign, "lines of a batch's results are of no use");
        }
        let over_token_limit = remote.is_over_token_limit();
        self.account_for_the_rest(&remote, told.answered.len() as u64).await;
        self.end(&remote.label).await?;
        Ok(End::Told { over_token_limit })
    }

    /// Reads a file of results, again when it breaks off.
    async fn read(&mut self, path: &str, told: &mut Told) -> Result<End, RunError> {
        let (mut failures, mut not_found, mut last_line) = (0, 0, Instant::now());
        loop {
            // What the first part of a file told is told again.
            told.in_file.clear();
            let before = self.batch.lines.len();
            let error = match self.read_once(path, told).await? {
                Ok(end) => return Ok(end),
                Err(error) => error,
            };
            failures += 1;
            if self.batch.lines.len() < before {
                last_line = Instant::now();
            }
            match &error {
                CallError::Refused { error, .. } if matches!(error.status, 404 | 410) => {
                    not_found += 1;
                    if not_found >= NOT_FOUND_LIMIT {
                        // It is gone for good, and so is what it said.
                        tracing::warn!(%error, "results of a batch are gone");
                        return Ok(End::Told { over_token_limit: false });
                    }
                }
                error => {
                    if let Some(error) = self.is_final(error) {
                        return Err(error);
                    }
                }
            }
            if last_line.elapsed() > LONGEST_SILENCE {
                return Err(self.given_up(error));
            }
            tracing::info!(%error, "results of a batch are asked for again");
            let pause = self.pause_after(&error, failures - 1);
            if self.rested(pause).await == Closing::Leave {
                return Ok(End::Left);
            }
        }
    }

    async fn read_once(
        &mut self,
        path: &str,
        told: &mut Told,
    ) -> Result<Result<End, CallError>, RunError> {
        let mut results = match self.results(path).await {
            Ok(results) => results,
            Err(error) => return Ok(Err(error)),
        };
        if results.is_simulated() {
            self.shared.note_simulated().await?;
        }
        loop {
            let (group, end) = self.group(&mut results, &mut told.odd).await;
            self.settle_group(group, told).await?;
            match end {
                Some(Ok(())) => return Ok(Ok(End::Told { over_token_limit: false })),
                Some(Err(error)) => return Ok(Err(error)),
                // Also when the run stops: what is here is under way, and soon done.
                None => {}
            }
        }
    }

    pub(super) async fn results(&self, path: &str) -> Result<Results, CallError> {
        let most = self.batch.requests.max(64).saturating_mul(BYTES_PER_REQUEST);
        self.client().results(path, MAX_LINE_BYTES, most).await
    }

    /// The next lines, and how the results ended if they did.
    async fn group(
        &self,
        results: &mut Results,
        odd: &mut Oddities,
    ) -> (Vec<ResultLine>, Option<Result<(), CallError>>) {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while group.len() < GROUP_LINES && bytes < GROUP_BYTES {
            match results.next().await {
                Ok(Some(RawLine::Whole(line))) => match self.api.read_result(&line) {
                    Some(result) => {
                        bytes += line.len();
                        group.push(result);
                    }
                    None => odd.invalid += 1,
                },
                Ok(Some(RawLine::TooLong)) => odd.invalid += 1,
                Ok(None) => return (group, Some(Ok(()))),
                Err(error) => return (group, Some(Err(error))),
            }
        }
        (group, None)
    }

    async fn settle_group(
        &mut self,
        group: Vec<ResultLine>,
        told: &mut Told,
    ) -> Result<(), RunError> {
        // Answers first: a refusal beside a hundred of them is not the end of the run.
        let (mut answered, mut others): (Vec<Answered>, Vec<_>) = Default::default();
        for ResultLine { custom_id, result } in group {
            let id = CustomId::parse(&custom_id).filter(|id| id.tag == self.batch.tag);
            let Some(attempt) = id.map(|id| id.attempt).filter(|it| told.in_file.insert(*it))
            else {
                told.odd.foreign += 1;
                continue;
            };
            if matches!(result, LineResult::Answered { .. }) {
                told.answered.insert(attempt);
            }
            // An earlier session settled the others.
            let Some(line) = self.batch.lines.remove(&attempt) else { continue };
            match result {
                LineResult::Answered { status, body } => answered.push((line, status, body)),
                other => others.push((line, other)),
            }
        }
        let stored = self.answered(answered).await;
        for (line, result) in others {
            match result {
                LineResult::Refused(error) => self.refused(line, error).await,
                LineResult::Lapsed(why) => {
                    self.free(line, None, RunError::Batch { message: why.to_owned() }, true).await;
                }
                LineResult::Answered { .. } => {}
            }
        }
        stored
    }

    /// Makes answers durable, all in one commit if it can be, and only then reads them.
    async fn answered(&mut self, answered: Vec<Answered>) -> Result<(), RunError> {
        reached(Point::BatchRead);
        let at_ms = unix_ms();
        let latency = at_ms.saturating_sub(self.batch.begun_at_ms);
        let responses = answered.iter().map(|(line, status, body)| {
            self.shared.journal.answer(NewResponse {
                attempt_id: line.attempt_id,
                request_index: line.request_index,
                status: *status,
                body: body.clone(),
                latency_ms: u64::try_from(latency).unwrap_or(0),
                at_ms,
            })
        });
        let stored = join_all(responses).await;
        reached(Point::BatchStored);
        let mut failure = Ok(());
        for ((line, _, body), seq) in answered.into_iter().zip(stored) {
            match seq {
                Ok(seq) => {
                    self.shared.count(|attempts| attempts.answered += 1);
                    self.batch.lane.first_site().note_success();
                    self.read_answer(line, seq, &body).await;
                }
                // The next session reads it again.
                Err(error) => {
                    self.over(line, Report::Cancelled).await;
                    failure = Err(error.into());
                }
            }
        }
        failure
    }

    async fn read_answer(&self, mut line: Line, seq: u64, body: &bytes::Bytes) {
        let sent = Sent {
            phase: line.purpose.phase,
            examples: line.examples.len(),
            tasks: line.purpose.tasks.len(),
            prompt_bound: line.prompt_bound,
            max_output_tokens: line.max_output_tokens,
        };
        let lane = &self.batch.lane;
        let (arrived, end) = digest(&self.shared, lane, lane.first_site(), sent, seq, body);
        // The journal first, so that its rows never hold more than the budget.
        self.shared.end(line.attempt_id, end.clone()).await;
        let reservation = line.reservation.take();
        match &end {
            AttemptEnd::Answered { cost, usage } => {
                reservation.settle(*cost);
                self.shared.add_usage(usage);
                if line.body_bytes > 0 {
                    self.batch.lane.note_usage(usage, line.body_bytes);
                }
            }
            AttemptEnd::Refused { .. } | AttemptEnd::Unconfirmed { .. } => {
                reservation.unconfirmed();
                self.shared.count(|attempts| attempts.unconfirmed += 1);
            }
        }
        self.over(line, Report::Arrived(arrived)).await;
    }

    /// A request was refused, as if it had gone alone.
    async fn refused(&mut self, mut line: Line, error: ApiError) {
        let refusal = classify(&error);
        let lane = &self.batch.lane;
        let message = lane.first_site().client.scrub(&error.message);
        let error = ApiError { message, ..error };
        let (status, hint) = (Some(error.status), refusal.hint());
        let failure = RunError::Refused { error: error.clone(), hint };
        match refusal {
            Refusal::RateLimited | Refusal::ServerError => {
                self.free(line, status, failure, true).await;
            }
            // Another request may have learnt meanwhile what this one was sent without.
            Refusal::BadRequest if lane.learn(&error) || lane.quirks() != self.batch.quirks => {
                self.free(line, status, failure, false).await;
            }
            Refusal::BadRequest | Refusal::TooLarge | Refusal::Other => {
                self.shared.end_refused(line.attempt_id, status, failure.to_string()).await;
                line.reservation.mark_refused();
                self.shared.count(|attempts| attempts.refused += 1);
                self.over(line, Report::GaveUp(failure)).await;
            }
            _ => {
                self.shared.end_refused(line.attempt_id, status, failure.to_string()).await;
                line.reservation.mark_refused();
                self.shared.count(|attempts| attempts.refused += 1);
                self.over(line, Report::Fatal(failure)).await;
            }
        }
    }

    /// Accounts for requests that no line tells of.
    ///
    /// Those of a batch that was not accepted cost nothing. Of one that was cut short the others are
    /// free when the provider counts no more answers than were read. Elsewhere they may have been
    /// answered, and count at their worst case.
    async fn account_for_the_rest(&mut self, remote: &RemoteBatch, answered: u64) {
        // One request that is too many alone stays so.
        let is_to_blame = !remote.is_over_token_limit() || self.batch.requests == 1;
        let is_free = remote.is_cut_short && remote.completed <= answered;
        for line in std::mem::take(&mut self.batch.lines).into_values() {
            if remote.stage == BatchStage::Failed {
                let why = remote.errors.first().map(ToString::to_string).unwrap_or_default();
                let message = format!("the batch was not accepted: {why}");
                self.free(line, None, RunError::Batch { message }, is_to_blame).await;
            } else if is_free {
                let message = "the batch ended before its turn".to_owned();
                self.free(line, None, RunError::Batch { message }, true).await;
            } else {
                self.unconfirmed(line, "the batch ended without a word of it").await;
            }
        }
    }
}
