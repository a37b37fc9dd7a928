//! One seed from its first session to its last.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use instructmill::clock::SimulatedClock;
use instructmill::config::{Environment, Money, RunConfig, Settings};
use instructmill::pipeline::{Outcome, PrepareError, Prepared, Shutdown, Snapshot};
use instructmill::store::{Memory, RunDir};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use crate::books::Books;
use crate::disk::Platter;
use crate::lanes::Limits;
use crate::network::{Network, Timing};
use crate::plan::{Plan, Session};
use crate::verdict;
use crate::world::{Met, World};

/// A run in which nothing happens for so long is stuck: no wait of its own is longer.
const STUCK: Duration = Duration::from_mins(40);

/// Sessions in which nothing goes wrong, at most, until the run has to be done.
const HEALED_SESSIONS: usize = 4;

/// How a session ended.
#[derive(Debug)]
pub enum End {
    /// By itself.
    Outcome(Box<Outcome>),
    /// It could not be opened, or not be closed.
    Error(PrepareError),
    /// The process died, or a promise was broken.
    Killed,
}

/// One seed with its world.
pub struct Simulation {
    pub plan: Plan,
    pub world: Arc<World>,
    pub disk: Arc<Platter>,
    pub dir: RunDir,
}

/// What a seed came to.
#[derive(Debug)]
pub struct Ran {
    pub broken: Option<String>,
    pub lines: Vec<String>,
    pub fingerprint: u64,
    pub met: Vec<(Met, u64)>,
}

/// Runs a seed to its end.
pub fn simulate(seed: u64) -> Ran {
    // The name of a run is drawn from here.
    fastrand::seed(seed);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let simulation = Simulation::new(seed);
        let world = Arc::clone(&simulation.world);
        let clock = Arc::clone(&world);
        let _clock = SimulatedClock::set(move || clock.time_of_day());
        simulation.run().await;
        let met = world.state().met_ever.clone().into_iter().collect();
        Ran { broken: world.broken(), lines: world.lines(), fingerprint: world.fingerprint(), met }
    })
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let plan = Plan::draw(seed);
        let world = World::new(&plan, seed);
        let disk = Arc::new(Platter { world: Arc::clone(&world), books: OnceLock::new() });
        let name = format!("{seed}-{:?}", std::thread::current().id());
        let name: String =
            name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let memory = Memory::new(&name, Arc::<Platter>::clone(&disk)).expect("a database");
        let books = Books::new(Arc::clone(&world), memory.connect().expect("a connection"));
        disk.books.set(books).expect("set once");
        Self { plan, world, disk, dir: RunDir::in_memory(memory) }
    }

    pub fn books(&self) -> &Books {
        self.disk.books.get().expect("set when it was made")
    }

    async fn run(&self) {
        let mut number = 0;
        for session in &self.plan.sessions {
            let healed = if session.healed { HEALED_SESSIONS } else { 1 };
            for _ in 0..healed {
                let end = self.session(number, session).await;
                number += 1;
                if self.world.broken().is_some() {
                    return;
                }
                if session.healed && verdict::is_done(&end) {
                    return;
                }
            }
        }
        self.world.violate("nothing goes wrong any more, and the run does not end by design");
    }

    pub fn config(&self, session: &Session) -> RunConfig {
        let settings = Settings {
            target: Some(session.target),
            budget: Some(Money(session.budget)),
            rpm: session.rpm,
            tpm: session.tpm,
            concurrency: Some(session.concurrency),
            ..self.plan.settings.clone()
        };
        RunConfig::resolve(settings, Environment { get: &|_| None }).expect("a configuration")
    }

    async fn session(&self, number: usize, session: &Session) -> End {
        let config = self.config(session);
        self.world.begin(number, session);
        self.books().begin_session();
        if self.dir.exists() && self.books().open_batches() > 0 {
            self.world.state().meet(Met::BatchesResumed);
        }
        self.allow(&config);
        let end = self.drive(config).await;
        self.let_go().await;
        self.world.thaw();
        if self.world.broken().is_none() {
            verdict::check(self, session, number, &end);
        }
        end
    }

    /// Tells the world what each lane may do.
    fn allow(&self, config: &RunConfig) {
        let limits = |pace: &instructmill::config::Pace| {
            Limits::of(
                pace.limits.requests_per_minute,
                pace.limits.tokens_per_minute,
                pace.concurrency,
                pace.limits.count_reserved_tokens,
            )
        };
        let mut state = self.world.state();
        state.lanes.allow("first", limits(&config.pace));
        if let Some(responses) = &config.responses {
            state.lanes.allow("outputs", limits(&responses.pace));
            state.meet(Met::TwoPhases);
            if !responses.same_lane {
                state.meet(Met::OwnLane);
            }
        }
        if self.plan.has_batches() {
            state.meet(Met::Batches);
        }
        if config.embedding.is_some() {
            state.lanes.allow("embeddings", Limits::of(None, None, 1, false));
            state.meet(Met::Embeddings);
        }
    }

    async fn drive(&self, config: RunConfig) -> End {
        let (progress, snapshots) = watch::channel(Snapshot::default());
        let (signal, shutdown) = watch::channel(Shutdown::No);
        let network = Arc::new(Network {
            world: Arc::clone(&self.world),
            disk: Arc::clone(&self.disk),
            timing: Timing {
                connect: config.pace.connect_timeout,
                read: config.pace.read_timeout,
                total: config.pace.request_timeout,
            },
            outputs_have_own_lane: config.responses.as_ref().is_some_and(|r| !r.same_lane),
        });
        let run = Box::pin(async {
            let prepared = Prepared::open(config, &self.dir).await?;
            Ok(Box::pin(prepared.over(network).run(progress, shutdown)).await?)
        });
        tokio::select! {
            biased;
            () = self.world.over.notified() => End::Killed,
            () = self.watch_money(snapshots) => End::Killed,
            () = self.send_signals(signal) => End::Killed,
            () = self.watch_progress() => End::Killed,
            ended = run => match ended {
                Ok(outcome) => End::Outcome(Box::new(outcome)),
                Err(error) => End::Error(error),
            },
        }
    }

    /// Checks the account whenever the run shows it; never returns.
    async fn watch_money(&self, mut snapshots: watch::Receiver<Snapshot>) {
        while snapshots.changed().await.is_ok() {
            let money = snapshots.borrow_and_update().money;
            if money
                .budget
                .is_some_and(|budget| money.committed().saturating_add(money.earmarked) > budget)
            {
                self.world.violate(format!("the account is overdrawn: {money:?}"));
            }
        }
        std::future::pending::<()>().await;
    }

    /// Asks the run to end when the plan says so; never returns.
    async fn send_signals(&self, signal: watch::Sender<Shutdown>) {
        let planned = self.world.state().session.signals;
        if let Some((first, second)) = planned {
            tokio::time::sleep(first).await;
            self.signal(&signal, Shutdown::Drain, Met::Drain);
            if let Some(second) = second {
                tokio::time::sleep(second).await;
                self.signal(&signal, Shutdown::Abort, Met::Abort);
            }
        }
        std::future::pending::<()>().await;
    }

    fn signal(&self, signal: &watch::Sender<Shutdown>, level: Shutdown, met: Met) {
        self.world.event(format_args!("a signal: {level:?}"));
        let now = self.world.now();
        let mut state = self.world.state();
        state.meet(met);
        state.signalled_at.get_or_insert(now);
        drop(state);
        signal.send_replace(level);
    }

    /// Returns when nothing has happened for too long.
    async fn watch_progress(&self) {
        loop {
            tokio::time::sleep(STUCK / 8).await;
            if self.world.quiet_for() > STUCK {
                self.world.violate("the run is stuck");
            }
        }
    }

    /// Lets the tasks of a session that was dropped go, as the death of its process would.
    async fn let_go(&self) {
        for _ in 0..1_000 {
            if Handle::current().metrics().num_alive_tasks() == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
        self.world.thaw();
        self.world.violate("tasks outlive the session");
    }
}
