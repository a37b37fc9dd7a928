//! Opening a run: what an earlier session left is taken up, and everything that can be checked
//! without a request is checked.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::batch::Desk;
use super::checks::{check_begun, check_limit, check_room, is_unused};
use super::collector::{Collector, Embedder, Lanes, Resumed, Stop};
use super::endpoint::{Endpoint, codec};
use super::failure::RunError;
use super::footprint::too_little_for_stored;
use super::judge::{Asked, Judge, Reading, read_body};
use super::memory::Memory;
use super::plan::Plan;
use super::progress::Snapshot;
use super::recent::Recent;
use super::shared::Shared;
use super::shutdown::Shutdown;
use super::waits::Waits;
use super::worker::{LongPauses, settlement};
use crate::config::{
    BENCHMARKS_KEY, ConfigError, RunConfig, SEEDS_KEY, SETTINGS_KEY, SIMULATED, SIMULATED_KEY,
    Settings,
};
use crate::event::Phase;
use crate::failpoint::{Point, reached};
use crate::headroom::available;
use crate::histogram::Histogram;
use crate::ledger::{Ledger, Totals};
use crate::provider::Transport;
use crate::store::{AttemptEnd, OpenRun, RunDir, RunReader, StoreError, StoredResponse, unix_ms};
use crate::summary::{StopReason, Summary};

/// Where the classes of answers' latencies end, in seconds: from a simulated answer to one of a model
/// that thinks for minutes.
const LATENCIES: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0];

/// The name under which a run stores a random identity of its own.
const RUN_ID_KEY: &str = "run_id";

/// How a session of a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// Why.
    pub reason: StopReason,
    /// What went wrong, when the reason is [`StopReason::Failed`].
    pub error: Option<RunError>,
    /// Totals over all sessions.
    pub summary: Summary,
    /// Whether the tasks of the run are made up.
    pub simulated: bool,
}

/// A run that is open and checked, before its first request.
#[derive(Debug)]
pub struct Prepared {
    config: RunConfig,
    run: OpenRun,
    ledger: Ledger,
    judge: Judge,
    summary: Summary,
    run_id: String,
    transport: Option<Arc<dyn Transport>>,
}

/// What opening a run can refuse.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The configuration does not go with the run.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The run cannot be opened or go on.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<StoreError> for PrepareError {
    fn from(error: StoreError) -> Self {
        Self::Run(error.into())
    }
}

/// The settings that a run began with; `None` when there is no run in the directory.
///
/// # Errors
/// [`RunError`] when there is a run whose settings cannot be read.
pub fn stored_settings(dir: &RunDir) -> Result<Option<Settings>, RunError> {
    if !dir.exists() {
        return Ok(None);
    }
    match dir.read() {
        // A process died before it had begun one.
        Err(StoreError::Missing { .. }) => Ok(None),
        reader => settings_in(&reader?),
    }
}

/// Whether the tasks of a run are made up: it asked for that, or a server that it asked said so.
///
/// # Errors
/// [`StoreError`] when the journal cannot be read.
pub fn is_simulated(reader: &RunReader) -> Result<bool, StoreError> {
    Ok(reader.meta(SIMULATED_KEY)?.as_deref() == Some("true"))
}

pub(super) fn settings_in(reader: &RunReader) -> Result<Option<Settings>, RunError> {
    let Some(text) = reader.meta(SETTINGS_KEY)? else { return Ok(None) };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| RunError::StoredSettings { message: error.to_string() })
}

impl Prepared {
    /// Opens or creates the run, settles what a crash left open, and loads the accepted tasks. A refusal
    /// changes nothing in it.
    ///
    /// # Errors
    /// [`PrepareError`]: the directory, the journal, or settings that do not go with the run.
    pub async fn open(config: RunConfig, dir: &RunDir) -> Result<Self, PrepareError> {
        let first = config.first_phase();
        let judge = Judge::new(&config.rules, config.seeds.tasks.clone(), first)?;
        check_limit(&config, &judge)?;
        check_begun(&config, dir)?;
        let run = dir.open()?;
        match take_up(&config, &run, judge).await {
            Ok((summary, judge, run_id)) => {
                // What is reserved is in batches, which set it aside again when they are taken up.
                let ledger = Ledger::open(config.budget, summary.spent, summary.unconfirmed);
                Ok(Self { config, run, ledger, judge, summary, run_id, transport: None })
            }
            Err(error) => {
                // The reason is better known by the first error.
                drop(run.journal.withdraw().await);
                Err(error)
            }
        }
    }

    /// Sends requests over a transport of the caller's in place of sockets.
    #[must_use]
    pub fn over(self, transport: Arc<dyn Transport>) -> Self {
        Self { transport: Some(transport), ..self }
    }

    /// What lies ahead, for a person to agree to.
    pub fn plan(&self) -> Plan {
        // What is reserved is in batches that earlier sessions left.
        let money = Totals { reserved: self.summary.reserved, ..self.ledger.totals() };
        Plan::new(&self.config, &self.judge, &self.summary, money)
    }

    /// Stores what the run is expected to take, to be compared with what it takes: when nothing is
    /// stored for this target, or when a pilot has just shown better.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    pub async fn note_estimate(&self, after_pilot: bool) -> Result<(), StoreError> {
        let known = self.summary.estimate.is_some_and(|known| known.tasks == self.config.target);
        if known && !after_pilot && !is_unused(&self.summary) {
            return Ok(());
        }
        self.run.journal.set_estimate(&self.plan().estimate()).await
    }

    /// Whether the last session of the run died without a word.
    pub fn recovered(&self) -> bool {
        self.run.recovered
    }

    /// Ends the session before it began, and leaves the run as it was.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be written.
    pub async fn cancel(self) -> Result<(), StoreError> {
        self.run.journal.withdraw().await
    }

    /// Sends requests until the target, the budget, another limit or the outside stops it.
    ///
    /// # Errors
    /// [`RunError`] when it could not begin, or its end could not be recorded. What fails while it
    /// runs is part of the [`Outcome`].
    pub async fn run(
        self,
        progress: watch::Sender<Snapshot>,
        shutdown: watch::Receiver<Shutdown>,
    ) -> Result<Outcome, RunError> {
        let Self { config, run, ledger, judge, summary, run_id, transport } = self;
        store_identity(&config, &run, &summary).await?;
        let next_request = run.reader.next_request_index()?;
        let (endpoints, lanes) = lanes(&config, &run, next_request, transport).await?;
        let (stop_signal, stopping) = watch::channel(false);
        let batches = run.reader.open_batches()?;
        let desk = Desk::new(run.reader.next_batch_number()?, run.reader.remote_batches()?);
        let shared = Arc::new(Shared {
            template: config.request.template,
            ledger,
            journal: run.journal.clone(),
            max_attempts: config.pace.max_attempts,
            run_seed: config.request.seed,
            run_id,
            is_pilot: config.is_pilot,
            stopping,
            long_pauses: LongPauses::default(),
            simulated: is_simulated(&run.reader)?.into(),
            waits: Waits::default(),
            latencies: Phase::ALL.map(|_| Histogram::new(&LATENCIES)),
            pauses: AtomicU64::new(0),
            tally: Mutex::new((summary.attempts, summary.usage)),
        });
        let resumed = Resumed {
            judge,
            judged: run.reader.judged_up_to()?,
            next_request,
            completion_requests: run.reader.completion_requests()?,
            summary,
            desk,
        };
        let judged = resumed.judged;
        let mut collector =
            Collector::new(&config, Arc::clone(&shared), lanes, resumed, stop_signal, progress);
        // Before anything else may be promised: what they cost is in the hands of others.
        let batches = collector.set_batches_aside(batches);
        for seq in judged.response_seq.. {
            let Some(response) = run.reader.response_after(seq)? else { break };
            if !collector.take_stored(read(&config, response)).await {
                break;
            }
        }
        collector.take_up_batches(batches);
        let stop = on_a_worker_thread(collector.run(shutdown)).await;
        drop(shared);
        for endpoint in endpoints {
            endpoint.stop().await;
        }
        finish(run, stop).await
    }
}

/// What earlier sessions left: the totals, a judge who knows what was accepted, and the run's identity.
async fn take_up(
    config: &RunConfig,
    run: &OpenRun,
    judge: Judge,
) -> Result<(Summary, Judge, String), PrepareError> {
    settle_late_answers(config, run).await?;
    let summary = run.reader.summary()?;
    // Somebody may have worked on the run since it was looked at.
    check_room(config, &summary)?;
    if let Some(text) = too_little_for_stored(config, summary.accepted, available()) {
        tracing::warn!("{text}");
    }
    let judge = with_accepted(judge, config, run, &summary)?;
    Ok((summary, judge, run_id(run).await?))
}

/// Shows a judge what earlier sessions of the run accepted.
fn with_accepted(
    mut judge: Judge,
    config: &RunConfig,
    run: &OpenRun,
    summary: &Summary,
) -> Result<Judge, PrepareError> {
    if config.first_phase() == Phase::Instructions {
        run.reader.for_each_open_task::<StoreError>(|stored| {
            judge.admit_open(stored);
            Ok(())
        })?;
        judge.count_accepted(summary.accepted);
        return Ok(judge);
    }
    run.reader.for_each_accepted::<StoreError>(&config.model, |accepted| {
        judge.admit(&accepted.task);
        Ok(())
    })?;
    Ok(judge)
}

/// Connects to the API of each phase: one lane, where both phases share one.
async fn lanes(
    config: &RunConfig,
    run: &OpenRun,
    next_request: u64,
    transport: Option<Arc<dyn Transport>>,
) -> Result<(Vec<Endpoint>, Lanes), RunError> {
    let memory = Memory::of(&run.reader)?;
    let first_phase = config.first_phase();
    let over = transport.clone();
    let endpoint = Endpoint::start(config, first_phase, next_request, over).await?;
    let first = Arc::new(endpoint.lane(config.api(first_phase), &memory)?);
    let recent = Recent::read(config, &run.reader)?;
    let embedder = match &config.embedding {
        Some(embedding) => {
            let lane = Arc::new(endpoint.embedding_lane(embedding, &config.pace, &memory)?);
            recent.count_on(&lane, &[Phase::Embeddings]);
            Some(Embedder::new(config, lane, run.reader.again()?)?)
        }
        None => None,
    };
    let mut endpoints = vec![endpoint];
    let mut outputs = Arc::clone(&first);
    if config.responses.as_ref().is_some_and(|responses| !responses.same_lane) {
        let phase = Phase::Responses;
        let endpoint = Endpoint::start(config, phase, next_request, transport).await?;
        outputs = Arc::new(endpoint.lane(config.api(phase), &memory)?);
        endpoints.push(endpoint);
        recent.count_on(&outputs, &[Phase::Responses]);
        recent.count_on(&first, &[first_phase]);
    } else {
        recent.count_on(&first, &[first_phase, Phase::Responses]);
    }
    Ok((endpoints, Lanes { first, outputs, embedder, memory }))
}

/// Runs the collector where its workers run. The thread that waits for the program's end would have
/// to be woken by the system for every response; threads of the pool find it while they are awake.
async fn on_a_worker_thread(collector: impl Future<Output = Stop> + Send + 'static) -> Stop {
    // A set, because it aborts the task when nobody waits for it any more.
    let mut alone = JoinSet::new();
    alone.spawn(collector);
    match alone.join_next().await.expect("one task was spawned") {
        Ok(stop) => stop,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Records the end of the session and reads the final totals.
async fn finish(run: OpenRun, stop: Stop) -> Result<Outcome, RunError> {
    let OpenRun { journal, writer, reader, lock, .. } = run;
    let message = stop.error.as_ref().map(ToString::to_string);
    reached(Point::CloseBefore);
    let closed = journal.close(stop.reason, message).await;
    drop(journal);
    writer.join();
    // A failure that already has a cause is not made clearer by its consequence.
    if stop.error.is_none() {
        closed?;
    }
    reached(Point::CloseAfter);
    let (summary, simulated) = (reader.summary()?, is_simulated(&reader)?);
    drop(lock);
    Ok(Outcome { reason: stop.reason, error: stop.error, summary, simulated })
}

/// Stores what the tasks of the run follow from.
async fn store_identity(
    config: &RunConfig,
    run: &OpenRun,
    summary: &Summary,
) -> Result<(), StoreError> {
    let journal = &run.journal;
    // Before the settings: those without it would mean a run without benchmarks.
    journal.set_meta(BENCHMARKS_KEY, config.rules.benchmarks.sha256()).await?;
    journal.set_meta(SETTINGS_KEY, config.settings.to_json().to_string()).await?;
    journal.set_meta(SEEDS_KEY, config.seeds.sha256.clone()).await?;
    let was_simulated = !is_unused(summary) && is_simulated(&run.reader)?;
    let simulated = config.settings.provider.as_deref() == Some(SIMULATED) || was_simulated;
    journal.set_meta(SIMULATED_KEY, simulated.to_string()).await
}

/// A name for the run that no other run has, as far as chance goes: servers use it to tell apart
/// requests that are sent again.
async fn run_id(run: &OpenRun) -> Result<String, StoreError> {
    if let Some(id) = run.reader.meta(RUN_ID_KEY)? {
        return Ok(id);
    }
    let id = format!("{:016x}", fastrand::u64(..));
    run.journal.set_meta(RUN_ID_KEY, id.clone()).await?;
    Ok(id)
}

/// Works out what answers cost that a crash kept from being settled.
async fn settle_late_answers(config: &RunConfig, run: &OpenRun) -> Result<(), StoreError> {
    for late in run.reader.late_answers()? {
        let completion = codec(config, late.phase).decode(&late.body).ok();
        let end: AttemptEnd = settlement(
            config.api(late.phase).price,
            late.prompt_bound,
            late.max_output_tokens,
            completion.as_ref(),
        );
        run.journal.end(late.attempt_id, end, unix_ms()).await?;
    }
    run.journal.flush().await
}

/// Reads a stored body again.
pub(super) fn read(config: &RunConfig, response: StoredResponse) -> Reading {
    let StoredResponse { seq, phase, examples, tasks, body, .. } = response;
    let asked = Asked { phase, examples: examples.len(), tasks: tasks.len() };
    let (items, _) = read_body(codec(config, phase), config.request.template, &body, asked);
    Reading { seq, phase, tasks, items }
}
