//! The collector: the one owner of the pool, the novelty index and the journal's order. It starts
//! requests, judges their responses in the order of the journal, and decides when to stop.

mod batches;
mod demand;
mod embedder;
mod publish;
mod two_phases;
mod verdicts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(super) use self::embedder::Embedder;
use self::two_phases::TwoPhases;
use super::backlog::Owed;
use super::batch::{Closing, Desk};
use super::failure::RunError;
use super::judge::{Judge, Reading};
use super::lane::Lane;
use super::memory::Memory;
use super::progress::Snapshot;
use super::shared::Shared;
use super::shutdown::Shutdown;
use super::watchdog::Watchdog;
use super::worker::{Arrived, Errand, Job, Purpose, Report, run_job};
use crate::config::{RequestConfig, RunConfig};
use crate::event::Phase;
use crate::store::{EmbeddingKey, JudgedUpTo};
use crate::summary::{StopReason, Summary};
use crate::usd::Usd;

/// How often progress is published.
const TICK: Duration = Duration::from_millis(100);
/// How often what was found out about the servers is stored.
const REMEMBER: Duration = Duration::from_secs(10);
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

/// A job that is over, with the lane that it went by.
#[derive(Debug)]
struct Ended {
    lane: Arc<Lane>,
    purpose: Purpose,
    report: Report,
}

/// A response on its way to the judge, with what is kept back for what it calls for.
#[derive(Debug)]
struct Waiting {
    reading: Reading,
    earmark: Usd,
    /// The embeddings that were not there when it came.
    awaited: Vec<EmbeddingKey>,
}

/// The lanes of a run.
pub(super) struct Lanes {
    /// Where whole tasks or instructions are asked for.
    pub(super) first: Arc<Lane>,
    /// Where outputs are asked for; it may be the same.
    pub(super) outputs: Arc<Lane>,
    /// Asks for embeddings, where the rules need them.
    pub(super) embedder: Option<Embedder>,
    /// What is known of all of them.
    pub(super) memory: Memory,
}

/// Outcomes in a row, each count starting again at its opposite.
#[derive(Debug, Default)]
struct Streaks {
    unreadable: u64,
    gave_up: u64,
    /// Responses in which nothing passed, of the first phase and of outputs.
    nothing_passed: [u64; 2],
}

pub(super) struct Collector {
    shared: Arc<Shared>,
    lane: Arc<Lane>,
    /// All APIs that are asked, with what for where there are several.
    lanes: Vec<(Option<Phase>, Arc<Lane>)>,
    request: RequestConfig,
    target: u64,
    max_requests: u64,
    max_stalled_responses: u64,
    judge: Judge,
    judged: JudgedUpTo,
    /// Responses that wait for their turn: their predecessors in the journal are still to come.
    waiting: BTreeMap<u64, Waiting>,
    /// When outputs are bought apart.
    two_phases: Option<TwoPhases>,
    /// When tasks are compared by embeddings.
    embedder: Option<Embedder>,
    /// Requests that go in batches.
    batches: Desk,
    /// The last response that an earlier session bought and did not judge; 0 without any.
    stored_up_to: u64,
    concurrency: usize,
    /// Whether what earlier sessions bought is judged, and requests may leave.
    begun: bool,
    next_request: u64,
    /// Of the requests those that do not ask for embeddings.
    completion_requests: u64,
    in_flight: usize,
    streaks: Streaks,
    stop: Option<Stop>,
    stop_signal: watch::Sender<bool>,
    workers: JoinSet<()>,
    reports: (mpsc::Sender<Ended>, mpsc::Receiver<Ended>),
    progress: watch::Sender<Snapshot>,
    /// What the journal holds of what was found out about the servers, and since when.
    memory: (Memory, Instant),
    summary: Summary,
    accepted_at_start: u64,
    responses_judged: u64,
    started_at: Instant,
    watchdog: Watchdog,
}

/// Where an earlier session left off.
pub(super) struct Resumed {
    pub(super) judge: Judge,
    pub(super) judged: JudgedUpTo,
    pub(super) next_request: u64,
    pub(super) completion_requests: u64,
    pub(super) summary: Summary,
    pub(super) desk: Desk,
}

impl Collector {
    pub(super) fn new(
        config: &RunConfig,
        shared: Arc<Shared>,
        lanes: Lanes,
        resumed: Resumed,
        stop_signal: watch::Sender<bool>,
        progress: watch::Sender<Snapshot>,
    ) -> Self {
        let asked = config.request.tasks_per_request;
        let listed = publish::listed(&lanes);
        let Lanes { first: lane, outputs, embedder, memory } = lanes;
        let two_phases = config.responses.as_ref().map(|r| TwoPhases::new(r, asked, outputs));
        Self {
            shared,
            lane,
            lanes: listed,
            two_phases,
            embedder,
            batches: resumed.desk,
            stored_up_to: 0,
            concurrency: config.pace.concurrency,
            request: config.request.clone(),
            target: config.target,
            max_requests: config.max_requests.unwrap_or(u64::MAX),
            max_stalled_responses: config.max_stalled_responses,
            judge: resumed.judge,
            judged: resumed.judged,
            waiting: BTreeMap::new(),
            begun: false,
            next_request: resumed.next_request,
            completion_requests: resumed.completion_requests,
            in_flight: 0,
            streaks: Streaks::default(),
            stop: None,
            stop_signal,
            workers: JoinSet::new(),
            reports: mpsc::channel(config.pace.concurrency),
            progress,
            memory: (memory, Instant::now()),
            accepted_at_start: resumed.summary.accepted,
            responses_judged: resumed.judged.response_seq,
            summary: resumed.summary,
            started_at: Instant::now(),
            watchdog: Watchdog::new(),
        }
    }

    /// Takes a response that an earlier session bought and did not judge. Returns whether more are
    /// wanted.
    pub(super) async fn take_stored(&mut self, reading: Reading) -> bool {
        let seq = reading.seq;
        self.stored_up_to = seq;
        let waiting = self.waiting(reading, &Purpose::of(Phase::Tasks));
        self.waiting.insert(seq, waiting);
        self.judge_waiting().await;
        self.stop.is_none()
    }

    /// Runs to the end: sends requests until something stops it, then waits for what is under way.
    pub(super) async fn run(mut self, mut shutdown: watch::Receiver<Shutdown>) -> Stop {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        // What earlier sessions bought may have taken long to judge.
        self.watchdog.arrived();
        if self.accepted() >= self.target {
            self.stop_with(Stop::by_design(StopReason::Target));
        }
        self.lay_foundation().await;
        loop {
            self.owe_open_tasks();
            self.start_requests();
            // A batch whose requests are all told may still be on its way to its end.
            if self.in_flight == 0 && self.stop.is_some() && self.batches.is_idle() {
                break;
            }
            // In this order, so that the same world brings about the same run.
            tokio::select! {
                biased;
                level = next_level(&mut shutdown) => {
                    if level != Shutdown::No {
                        self.batches.close(Closing::Leave);
                        self.stop_with(Stop::by_design(StopReason::Interrupted));
                    }
                    if level == Shutdown::Abort {
                        self.workers.abort_all();
                        break;
                    }
                }
                _ = tick.tick() => {
                    self.clear_away();
                    self.remember(REMEMBER);
                    self.publish();
                }
                Some(note) = self.batches.notes.1.recv() => self.noted(note).await,
                Some(ended) = self.reports.1.recv() => self.handle(ended).await,
            }
        }
        while self.workers.join_next().await.is_some() {}
        self.remember(Duration::ZERO);
        self.publish();
        self.stop.take().unwrap_or(Stop::by_design(StopReason::Interrupted))
    }

    fn accepted(&self) -> u64 {
        self.judge.accepted()
    }

    fn stop_with(&mut self, stop: Stop) {
        self.batches.close(match stop.reason {
            StopReason::Interrupted | StopReason::Failed => Closing::Leave,
            _ => Closing::Cancel,
        });
        match &self.stop {
            // The first reason stands, unless a failure comes after it.
            Some(first) if first.error.is_some() || stop.error.is_none() => {}
            _ => self.stop = Some(stop),
        }
        self.stop_signal.send_replace(true);
    }

    fn start(&mut self, job: Job) {
        self.completion_requests += 1;
        self.is_coming(&job.purpose);
        if let Some(batches) = job.lane.batches {
            return self.gather(job, batches);
        }
        self.spawn(Arc::clone(&job.lane), job.purpose.clone(), job);
    }

    fn spawn(&mut self, lane: Arc<Lane>, purpose: Purpose, job: impl Errand + 'static) {
        self.next_request += 1;
        self.in_flight += 1;
        lane.enter();
        let (shared, reports) = (Arc::clone(&self.shared), self.reports.0.clone());
        self.workers.spawn(async move {
            let report = run_job(shared, job).await;
            // The collector outlives its workers; when it does not, nobody needs the report.
            drop(reports.send(Ended { lane, purpose, report }).await);
        });
    }

    async fn handle(&mut self, Ended { lane, purpose, report }: Ended) {
        self.in_flight -= 1;
        lane.leave();
        self.clear_away();
        if matches!(report, Report::Arrived(_) | Report::Embedded(_)) {
            self.watchdog.arrived();
        }
        if purpose.phase == Phase::Embeddings {
            return self.embedded(report).await;
        }
        match report {
            Report::Arrived(arrived) => return self.arrived(&lane, purpose, arrived).await,
            Report::Cancelled | Report::Embedded(_) => {}
            Report::OutOfBudget => tracing::info!("a retry was left out for want of budget"),
            Report::Fatal(error) => self.stop_with(Stop::failed(error)),
            Report::GaveUp(error) => self.gave_up(&lane, error),
        }
        // Open tasks whose request came to nothing are asked for again in the next session.
        self.is_over(purpose.phase, purpose.tasks.len());
        let earmark = purpose.earmark.saturating_add(purpose.embeddings);
        self.shared.ledger.release_earmark(earmark);
    }

    /// Takes leave of workers that are done. One that panicked has sent no report: the collector would
    /// wait for it for ever.
    fn clear_away(&mut self) {
        while let Some(done) = self.workers.try_join_next() {
            if let Err(error) = done
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }

    fn gave_up(&mut self, lane: &Lane, error: RunError) {
        tracing::warn!(%error, "a request was given up");
        self.streaks.gave_up += 1;
        if !lane.is_proven() || self.streaks.gave_up >= GAVE_UP_LIMIT {
            self.stop_with(Stop::failed(error));
        }
    }

    async fn arrived(&mut self, lane: &Lane, purpose: Purpose, arrived: Arrived) {
        self.streaks.gave_up = 0;
        match &arrived.unreadable {
            None => self.streaks.unreadable = 0,
            Some(error) => {
                self.streaks.unreadable += 1;
                let too_many = self.streaks.unreadable >= UNREADABLE_LIMIT;
                if !lane.is_proven() || too_many || error.is_final() {
                    self.stop_with(Stop::failed(error.clone()));
                }
            }
        }
        let Arrived { seq, items, .. } = arrived;
        let reading = Reading { seq, phase: purpose.phase, tasks: purpose.tasks.clone(), items };
        let waiting = self.waiting(reading, &purpose);
        self.waiting.insert(seq, waiting);
        self.judge_waiting().await;
    }
}

/// The next thing asked from outside; never, once nobody is there to ask.
async fn next_level(shutdown: &mut watch::Receiver<Shutdown>) -> Shutdown {
    if shutdown.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    *shutdown.borrow_and_update()
}
