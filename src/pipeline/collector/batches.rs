//! The collector's part in batches: what is wanted gathers, leaves when nothing more is wanted for
//! now, and is asked again when it failed.

use std::sync::Arc;

use super::demand::Sealed;
use super::{Collector, Ended, Stop};
use crate::config::RequestConfig;
use crate::event::Phase;
use crate::pipeline::batch::{
    Batch, Carrier, Gathered, Gathering, Line, Note, Start, UnderWay, resumed,
};
use crate::pipeline::failure::RunError;
use crate::pipeline::lane::{BatchLane, Lane};
use crate::pipeline::request::render_examples;
use crate::pipeline::worker::{Job, Purpose, Report};
use crate::provider::Tag;
use crate::store::StoredBatch;
use crate::summary::BatchTotals;
use crate::task::{Candidate, OpenTask};
use crate::usd::Usd;

impl Collector {
    /// A request that is wanted goes into the next batch.
    pub(super) fn gather(&mut self, job: Job, batches: BatchLane) {
        self.next_request += 1;
        self.in_flight += 1;
        job.lane.enter();
        self.batches.gather(Gathered { job, failures: 0 }, batches);
    }

    /// Sends what has gathered, unless results are being read or judged, or answers outside of batches
    /// are under way, which may call for more; `is_short` when judging waits for money.
    pub(super) fn send_batches(&mut self, is_short: bool) {
        let others_come = self.lane.batches.is_none() && self.lane.in_flight() > 0;
        let is_quiet = !self.batches.is_reading() && !others_come;
        if is_quiet && (self.waiting.is_empty() || is_short) {
            self.batches.close_gatherings();
        }
        while let Some((number, gathering)) = self.batches.next_to_leave() {
            let Some(batches) = gathering.lane.batches else { continue };
            let tag = Tag { run: self.shared.run_id.clone(), batch: number };
            let journal = self.shared.journal.clone();
            let (batch, bodies) = gathering.seal(tag, || journal.next_attempt_id());
            self.carry(batch, batches, Start::New(bodies));
        }
    }

    fn carry(&mut self, batch: Batch, batches: BatchLane, start: Start) {
        let carrier = Carrier::new(
            Arc::clone(&self.shared),
            batch,
            batches.api,
            self.batches.notes.0.clone(),
            self.batches.closing.subscribe(),
            Arc::clone(&self.batches.known),
        );
        self.workers.spawn(carrier.carry(start));
    }

    /// What has gathered will not be sent.
    pub(super) fn drop_unsent(&mut self) {
        for job in self.batches.take_unsent().into_iter().flat_map(Gathering::into_jobs) {
            self.in_flight -= 1;
            job.lane.leave();
            self.is_over(job.purpose.phase, job.purpose.tasks.len());
        }
    }

    pub(super) async fn noted(&mut self, note: Note) {
        match note {
            Note::Over { lane, purpose, report } => {
                self.handle(Ended { lane, purpose, report }).await;
            }
            Note::Again { lane, line, failure } => self.again(lane, line, failure).await,
            Note::Seen { number, label, completed, failed } => {
                self.batches.seen(number, label, (completed, failed));
            }
            Note::Reading { number } => self.batches.reading(number),
            Note::Ended { number, over_token_limit } => {
                self.batches.ended(number, over_token_limit);
            }
            Note::Failed(error) => self.stop_with(Stop::failed(error)),
        }
    }

    /// Asks again for what came to nothing, as long as it has attempts left.
    async fn again(&mut self, lane: Arc<Lane>, line: Line, failure: RunError) {
        let batches = lane.batches.filter(|_| self.stop.is_none());
        let (purpose, failures) = (line.purpose.clone(), line.failures);
        let report = match batches {
            None => Report::Cancelled,
            Some(_) if failures >= self.shared.max_attempts => Report::GaveUp(failure),
            Some(batches) => match self.job_again(&lane, line) {
                Some(job) => return self.batches.gather(Gathered { job, failures }, batches),
                None => Report::OutOfBudget,
            },
        };
        self.handle(Ended { lane, purpose, report }).await;
    }

    /// The same request again, with its money; `None` when the budget does not hold it.
    fn job_again(&self, lane: &Arc<Lane>, mut line: Line) -> Option<Job> {
        let request = match (&self.two_phases, line.purpose.phase) {
            (Some(two), Phase::Responses) => {
                let task = |task: &OpenTask| self.judge.open_task(*task);
                let tasks: Vec<&Candidate> = line.purpose.tasks.iter().filter_map(task).collect();
                two.requests.render(&lane.model, &tasks)
            }
            _ => {
                let config = self.request_of(line.max_output_tokens);
                render_examples(&config, &lane.model, self.judge.pool(), &line.examples)
            }
        };
        let sealed = Sealed::new(lane, &request);
        let mut reservation = line.reservation.take();
        if reservation.amount().is_zero() || reservation.worst_case() < sealed.worst_case {
            drop(reservation);
            reservation = self.shared.ledger.reserve(sealed.worst_case).ok()?;
        }
        let Line { purpose, examples, request_index, .. } = line;
        let job = self.job(lane, purpose, examples, request, sealed, reservation);
        Some(Job { request_index, ..job })
    }

    /// How requests for tasks or instructions look that have this limit: at the end of the budget
    /// some are smaller than usual.
    fn request_of(&self, max_output_tokens: u64) -> RequestConfig {
        let usual = &self.request;
        let limit = u32::try_from(max_output_tokens).unwrap_or(usual.max_output_tokens);
        let share = (usual.max_output_tokens / usual.tasks_per_request).max(1);
        let tasks_per_request = (limit / share).clamp(1, usual.tasks_per_request);
        let tasks_per_request = if limit < usual.max_output_tokens {
            tasks_per_request
        } else {
            usual.tasks_per_request
        };
        RequestConfig { tasks_per_request, max_output_tokens: limit, ..usual.clone() }
    }

    /// Sets aside what the batches cost that earlier sessions left at the provider, and then, as far as
    /// the money goes, keeps back what they may call for.
    pub(in crate::pipeline) fn set_batches_aside(
        &self,
        stored: Vec<StoredBatch>,
    ) -> Vec<(Batch, Start)> {
        let (run, ledger) = (&self.shared.run_id, &self.shared.ledger);
        let mut all: Vec<_> = stored
            .into_iter()
            .map(|stored| {
                let lane = match &self.two_phases {
                    Some(two) if stored.phase == Phase::Responses => &two.lane,
                    _ => &self.lane,
                };
                resumed(stored, run, lane, ledger)
            })
            .collect();
        for (batch, _) in &mut all {
            for line in batch.lines.values_mut() {
                line.purpose = self.earmarked(
                    std::mem::replace(&mut line.purpose, Purpose::of(batch.phase)),
                    line.max_output_tokens,
                );
            }
        }
        all
    }

    /// Takes up the batches that earlier sessions left at the provider.
    pub(in crate::pipeline) fn take_up_batches(&mut self, batches: Vec<(Batch, Start)>) {
        for (batch, start) in batches {
            let lane = Arc::clone(&batch.lane);
            // A run goes in batches from its beginning to its end.
            let Some(way) = lane.batches else { continue };
            for line in batch.lines.values() {
                self.in_flight += 1;
                lane.enter();
                self.batches.asked.extend(&line.purpose.tasks);
                self.is_coming(&line.purpose);
            }
            let totals = BatchTotals {
                number: batch.tag.batch,
                phase: batch.phase,
                is_open: true,
                state: "resumed".to_owned(),
                remote_id: None,
                requests: batch.requests,
                completed: 0,
                failed: 0,
            };
            let tokens = batch.lines.values().map(|line| estimated_tokens(&lane, line)).sum();
            self.batches.add(UnderWay::new(lane, tokens, totals));
            self.carry(batch, way, start);
        }
    }

    /// Keeps back again, as far as the money goes, what a request under way may call for.
    fn earmarked(&self, purpose: Purpose, max_output_tokens: u64) -> Purpose {
        if purpose.phase == Phase::Responses {
            return purpose;
        }
        let config = self.request_of(max_output_tokens);
        let tokens = config.max_output_tokens;
        let embeddings = self.embeddings_earmark(tokens);
        let outputs = self.two_phases.as_ref().map_or(Usd::ZERO, |two| {
            two.worst_cases.of_instructions(config.tasks_per_request, tokens)
        });
        let ledger = &self.shared.ledger;
        let kept = |amount: Usd| match ledger.split_earmark(Usd::ZERO, &[amount]) {
            0 => Usd::ZERO,
            _ => amount,
        };
        Purpose { earmark: kept(outputs), embeddings: kept(embeddings), ..purpose }
    }
}

/// Prompt tokens of a request whose body is not there any more.
fn estimated_tokens(lane: &Lane, line: &Line) -> u64 {
    lane.estimate_bounded(line.prompt_bound)
}
