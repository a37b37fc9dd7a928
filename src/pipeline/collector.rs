//! The collector: the one owner of the pool, the novelty index and the journal's order. It starts
//! requests, judges their responses in the order of the journal, and decides when to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::failure::RunError;
use super::judge::Judge;
use super::progress::Snapshot;
use super::request::render;
use super::shared::Shared;
use super::shutdown::Shutdown;
use super::worker::{Arrived, Job, Report, run_job};
use crate::config::{RequestConfig, RunConfig};
use crate::event::Phase;
use crate::ledger::prompt_token_bound;
use crate::store::{JudgedUpTo, VerdictBatch};
use crate::summary::{StopReason, Summary};
use crate::template::Item;
use crate::usd::Usd;

/// How often progress is published.
const TICK: Duration = Duration::from_millis(100);
/// So many bodies in a row that are no completions, and the server is not what it was.
const UNREADABLE_LIMIT: u64 = 20;
/// So many requests in a row that were given up, and the server is gone.
const GAVE_UP_LIMIT: u64 = 20;

/// Why the run stops, with what went wrong if something did.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) reason: StopReason,
    pub(super) error: Option<RunError>,
}

impl Stop {
    fn by_design(reason: StopReason) -> Self {
        Self { reason, error: None }
    }

    fn failed(error: RunError) -> Self {
        Self { reason: StopReason::Failed, error: Some(error) }
    }
}

/// Outcomes in a row, each count starting again at its opposite.
#[derive(Debug, Default)]
struct Streaks {
    unreadable: u64,
    gave_up: u64,
    without_accepted: u64,
}

pub(super) struct Collector {
    shared: Arc<Shared>,
    request: RequestConfig,
    model: String,
    target: u64,
    max_requests: u64,
    max_stalled_responses: u64,
    concurrency: usize,
    judge: Judge,
    judged: JudgedUpTo,
    /// Responses that wait for their turn: their predecessors in the journal are still to come.
    waiting: BTreeMap<u64, Vec<Item>>,
    next_request: u64,
    in_flight: usize,
    streaks: Streaks,
    stop: Option<Stop>,
    stop_signal: watch::Sender<bool>,
    workers: JoinSet<()>,
    reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
    progress: watch::Sender<Snapshot>,
    summary: Summary,
    accepted_at_start: u64,
    responses_judged: u64,
    started_at: Instant,
}

/// Where an earlier session left off.
pub(super) struct Resumed {
    pub(super) judge: Judge,
    pub(super) judged: JudgedUpTo,
    pub(super) next_request: u64,
    pub(super) summary: Summary,
}

impl Collector {
    pub(super) fn new(
        config: &RunConfig,
        shared: Arc<Shared>,
        resumed: Resumed,
        stop_signal: watch::Sender<bool>,
        progress: watch::Sender<Snapshot>,
    ) -> Self {
        let concurrency = config.pace.concurrency;
        Self {
            shared,
            request: config.request.clone(),
            model: config.model.clone(),
            target: config.target,
            max_requests: config.max_requests.unwrap_or(u64::MAX),
            max_stalled_responses: config.max_stalled_responses,
            concurrency,
            judge: resumed.judge,
            judged: resumed.judged,
            waiting: BTreeMap::new(),
            next_request: resumed.next_request,
            in_flight: 0,
            streaks: Streaks::default(),
            stop: None,
            stop_signal,
            workers: JoinSet::new(),
            reports: mpsc::channel(concurrency),
            progress,
            accepted_at_start: resumed.summary.accepted,
            responses_judged: resumed.summary.attempts.answered
                - resumed.summary.unjudged_responses,
            summary: resumed.summary,
            started_at: Instant::now(),
        }
    }

    /// Takes a response that an earlier session bought and did not judge. Returns whether more are
    /// wanted.
    pub(super) async fn take_stored(&mut self, seq: u64, items: Vec<Item>) -> bool {
        self.waiting.insert(seq, items);
        self.judge_waiting().await;
        self.stop.is_none()
    }

    /// Runs to the end: sends requests until something stops it, then waits for what is under way.
    pub(super) async fn run(mut self, mut shutdown: watch::Receiver<Shutdown>) -> Stop {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        if self.accepted() >= self.target {
            self.stop_with(Stop::by_design(StopReason::Target));
        }
        loop {
            self.start_requests();
            if self.in_flight == 0 && self.stop.is_some() {
                break;
            }
            tokio::select! {
                Some(report) = self.reports.1.recv() => self.handle(report).await,
                level = next_level(&mut shutdown) => {
                    if level != Shutdown::No {
                        self.stop_with(Stop::by_design(StopReason::Interrupted));
                    }
                    if level == Shutdown::Abort {
                        self.workers.abort_all();
                        break;
                    }
                }
                _ = tick.tick() => self.publish(),
            }
        }
        while self.workers.join_next().await.is_some() {}
        self.publish();
        self.stop.take().unwrap_or(Stop::by_design(StopReason::Interrupted))
    }

    fn accepted(&self) -> u64 {
        self.judge.pool().accepted_len()
    }

    fn stop_with(&mut self, stop: Stop) {
        match &self.stop {
            // The first reason stands, unless a failure comes after it.
            Some(first) if first.error.is_some() || stop.error.is_none() => {}
            _ => self.stop = Some(stop),
        }
        self.stop_signal.send_replace(true);
    }

    fn start_requests(&mut self) {
        while self.stop.is_none() && self.wants_another() {
            if self.next_request >= self.max_requests {
                if self.in_flight == 0 {
                    self.stop_with(Stop::by_design(StopReason::MaxRequests));
                }
                return;
            }
            match self.next_job() {
                Ok(job) => self.start(job),
                Err(needed) => {
                    // What is under way may cost less than reserved and leave room again.
                    if self.in_flight == 0 {
                        self.stop_for_budget(needed);
                    }
                    return;
                }
            }
        }
    }

    /// The first request goes alone: a wrong key, model or URL then costs one request, not a
    /// pool's worth. Near the target no more leave than it should take to reach it.
    fn wants_another(&self) -> bool {
        let room = if self.shared.is_proven() { self.concurrency } else { 1 };
        self.in_flight < room && (self.in_flight == 0 || self.expected() < self.target)
    }

    /// Accepted tasks once everything under way has come, if it goes on as it went.
    fn expected(&self) -> u64 {
        let yield_per_thousand =
            (self.accepted() * 1_000).checked_div(self.responses_judged).unwrap_or(0);
        let coming = u64::try_from(self.in_flight + self.waiting.len()).unwrap_or(u64::MAX);
        self.accepted().saturating_add(coming.saturating_mul(yield_per_thousand) / 1_000)
    }

    fn stop_for_budget(&mut self, needed: Usd) {
        let left = self.shared.ledger.totals().left();
        tracing::info!(%needed, %left, "the budget does not hold another request");
        let nothing_bought = self.shared.tally().0.sent == 0;
        self.stop_with(if nothing_bought {
            Stop::failed(RunError::RequestOverBudget { needed, left })
        } else {
            Stop::by_design(StopReason::Budget)
        });
    }

    /// Samples, renders and reserves: a request ready to leave, or the money it would have needed.
    fn next_job(&mut self) -> Result<Job, Usd> {
        let request_index = self.next_request;
        let pool = self.judge.pool();
        let (examples, request) = render(&self.request, &self.model, pool, request_index);
        let quirks = self.shared.quirks();
        let body = Bytes::from(self.shared.provider.encode(&request, &quirks));
        let prompt_bound = prompt_token_bound(body.len());
        let worst_case = self.shared.price.worst_case(prompt_bound, self.shared.max_output_tokens);
        let reservation =
            self.shared.ledger.reserve(worst_case).map_err(|reached| reached.needed)?;
        Ok(Job {
            request_index,
            phase: Phase::Tasks,
            examples,
            request,
            body,
            quirks,
            prompt_bound,
            reservation,
        })
    }

    fn start(&mut self, job: Job) {
        self.next_request += 1;
        self.in_flight += 1;
        let (shared, reports) = (Arc::clone(&self.shared), self.reports.0.clone());
        self.workers.spawn(async move {
            let report = run_job(shared, job).await;
            // The collector outlives its workers; when it does not, nobody needs the report.
            drop(reports.send(report).await);
        });
    }

    async fn handle(&mut self, report: Report) {
        self.in_flight -= 1;
        while self.workers.try_join_next().is_some() {}
        match report {
            Report::Arrived(arrived) => self.arrived(arrived).await,
            Report::Cancelled => {}
            Report::OutOfBudget => tracing::info!("a retry was left out for want of budget"),
            Report::Fatal(error) => self.stop_with(Stop::failed(error)),
            Report::GaveUp(error) => self.gave_up(error),
        }
    }

    fn gave_up(&mut self, error: RunError) {
        tracing::warn!(%error, "a request was given up");
        self.streaks.gave_up += 1;
        if !self.shared.is_proven() || self.streaks.gave_up >= GAVE_UP_LIMIT {
            self.stop_with(Stop::failed(error));
        }
    }

    async fn arrived(&mut self, arrived: Arrived) {
        self.streaks.gave_up = 0;
        match arrived.unreadable {
            None => self.streaks.unreadable = 0,
            Some(message) => {
                self.streaks.unreadable += 1;
                if !self.shared.is_proven() || self.streaks.unreadable >= UNREADABLE_LIMIT {
                    let base_url = self.shared.base_url.clone();
                    self.stop_with(Stop::failed(RunError::Unreadable { base_url, message }));
                }
            }
        }
        self.waiting.insert(arrived.seq, arrived.items);
        self.judge_waiting().await;
    }

    /// Judges the responses whose turn it is. Verdicts follow the order of the journal, so that
    /// they can be derived again; at the target they stop in the middle of a response, and go on
    /// from there if the target is raised.
    async fn judge_waiting(&mut self) {
        while self.accepted() < self.target {
            let seq = self.judged.response_seq + 1;
            let Some(items) = self.waiting.remove(&seq) else { return };
            let batch = self.judge_response(seq, items);
            self.note_verdicts(&batch);
            if self.shared.journal.judge(batch).await.is_err() {
                // The journal's own error is on its way from the worker that waits for it.
                self.stop_with(Stop::failed(crate::store::StoreError::Closed.into()));
                return;
            }
        }
        self.stop_with(Stop::by_design(StopReason::Target));
    }

    fn judge_response(&mut self, seq: u64, items: Vec<Item>) -> VerdictBatch {
        let first_task_id = self.accepted();
        let done = std::mem::take(&mut self.judged.items_of_next);
        let total = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let items = items.into_iter().skip(done as usize).collect();
        let verdicts = self.judge.judge(done, items, self.target - first_task_id);
        let judged = done + u32::try_from(verdicts.len()).unwrap_or(u32::MAX);
        let complete = judged >= total;
        if complete {
            self.judged.response_seq = seq;
        } else {
            self.judged.items_of_next = judged;
        }
        VerdictBatch { response_seq: seq, first_task_id, verdicts, complete }
    }

    fn note_verdicts(&mut self, batch: &VerdictBatch) {
        self.responses_judged += u64::from(batch.complete);
        let mut any_accepted = false;
        for verdict in &batch.verdicts {
            match &verdict.rejection {
                None => any_accepted = true,
                Some(no) => {
                    let key = (no.stage, no.rule.to_owned());
                    *self.summary.rejections.entry(key).or_default() += 1;
                }
            }
        }
        self.streaks.without_accepted =
            if any_accepted { 0 } else { self.streaks.without_accepted + 1 };
        if self.streaks.without_accepted >= self.max_stalled_responses {
            self.stop_with(Stop::by_design(StopReason::NoProgress));
        }
    }

    fn publish(&mut self) {
        let money = self.shared.ledger.totals();
        let (attempts, usage) = self.shared.tally();
        self.summary.accepted = self.accepted();
        self.summary.attempts = attempts;
        self.summary.usage = usage;
        self.summary.requests = self.next_request;
        self.summary.spent = money.spent;
        self.summary.reserved = money.reserved;
        self.summary.unconfirmed = money.unconfirmed;
        let paused_until = self.shared.limiter.paused_until();
        self.progress.send_replace(Snapshot {
            summary: self.summary.clone(),
            target: self.target,
            accepted_at_start: self.accepted_at_start,
            money,
            rates: self.shared.limiter.rates(),
            limits: self.shared.limiter.limits(),
            in_flight: self.in_flight,
            paused_for: paused_until
                .and_then(|until| until.checked_duration_since(Instant::now()))
                .filter(|pause| !pause.is_zero()),
            elapsed: self.started_at.elapsed(),
            stopping: self.stop.as_ref().map(|stop| stop.reason),
        });
    }
}

/// The next thing asked from outside; never, once nobody is there to ask.
async fn next_level(shutdown: &mut watch::Receiver<Shutdown>) -> Shutdown {
    if shutdown.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    *shutdown.borrow_and_update()
}
