//! The world that a run lives in: its time, its events, its faults, and what must hold at each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use instructmill::simulator::{Faults, InProcess, SimulatorSettings};
use instructmill::usd::Usd;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::faults::{Fault, Weather};
use crate::lanes::Lanes;
use crate::plan::{Plan, Session};

/// When the simulated world began: 2026-01-01.
const BEGINNING: Duration = Duration::from_secs(1_767_225_600);

/// The world that a run lives in.
pub struct World {
    /// The server, and one with its faults mended that takes its place.
    servers: [InProcess; 2],
    /// Whether there is only the first, which is mended itself: another would not have its batches.
    has_batches: bool,
    pub weather: Weather,
    /// Something ended the session from outside: a crash, or a promise that was broken.
    pub over: Notify,
    epoch: Instant,
    state: Mutex<State>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// What changes.
pub struct State {
    pub rng: Rng,
    pub session: Session,
    pub session_number: usize,
    pub lanes: Lanes,
    /// What befell requests in this session, and journals.
    pub met: BTreeSet<Met>,
    /// Over all sessions.
    pub met_ever: BTreeMap<Met, u64>,
    /// How often each request was handed to the network, over all sessions.
    pub handed_over: BTreeMap<u64, u64>,
    /// Failures of each request in this session, 429s apart.
    pub failures: BTreeMap<u64, u32>,
    /// Requests whose whole 2xx answer reached the client in this session.
    pub delivered: Vec<u64>,
    pub signalled_at: Option<Duration>,
    pub commits: u64,
    pub room_left: Option<u64>,
    lines: Vec<String>,
    events: u64,
    last_event: Duration,
    frozen: bool,
    broken: Option<String>,
    jump_ms: i64,
}

/// Something that explains how a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Met {
    Fault(Fault),
    /// A status that is no success.
    Refusal,
    /// A body that may be no completion, or an error with status 200.
    OddBody,
    /// A connection or a wait that ended without an answer.
    NoAnswer,
    DiskFull,
    DiskFailed,
    Crash,
    Drain,
    Abort,
    ClockJump,
    Announcement,
    TwoPhases,
    Embeddings,
    OwnLane,
    Batches,
    /// A session found batches of earlier ones open.
    BatchesResumed,
    Resumed,
    Stopped(&'static str),
}

impl World {
    pub fn new(plan: &Plan, seed: u64) -> Arc<Self> {
        let mended = SimulatorSettings {
            seed: !plan.server.seed,
            faults: Faults::default(),
            ..plan.server.clone()
        };
        Arc::new(Self {
            servers: [InProcess::new(plan.server.clone()), InProcess::new(mended)],
            has_batches: plan.has_batches(),
            weather: plan.weather.clone(),
            over: Notify::new(),
            epoch: Instant::now(),
            state: Mutex::new(State {
                rng: Rng::with_seed(seed ^ 0xFA7E_0000),
                session: Session::default(),
                session_number: 0,
                lanes: Lanes::default(),
                met: BTreeSet::new(),
                met_ever: BTreeMap::new(),
                handed_over: BTreeMap::new(),
                failures: BTreeMap::new(),
                delivered: Vec::new(),
                signalled_at: None,
                commits: 0,
                room_left: None,
                lines: Vec::new(),
                events: 0,
                last_event: Duration::ZERO,
                frozen: false,
                broken: None,
                jump_ms: 0,
            }),
        })
    }

    /// The server as it is in this session.
    pub fn server(&self) -> &InProcess {
        let healed = self.state().session.healed;
        if self.has_batches && healed {
            self.servers[0].mend();
        }
        &self.servers[usize::from(healed && !self.has_batches)]
    }

    /// Requests that a batch had which another had before it.
    pub fn handed_in_again(&self) -> u64 {
        self.servers.iter().map(|server| server.bill().batch_requests_again).sum()
    }

    /// What has been billed so far.
    pub fn bill(&self) -> Usd {
        self.servers.iter().map(|server| server.bill().cost).sum()
    }

    /// Each request that a server had, with what it is billed.
    pub fn requests(&self) -> Vec<Value> {
        let journals = self.servers.iter().map(InProcess::journal);
        journals.flat_map(|journal| journal.as_array().cloned().unwrap_or_default()).collect()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since the beginning, by tokio's clock.
    pub fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// The time of day, which may jump.
    pub fn time_of_day(&self) -> SystemTime {
        let at = SystemTime::UNIX_EPOCH + BEGINNING + self.now();
        let jump = self.state().jump_ms;
        let by = Duration::from_millis(jump.unsigned_abs());
        if jump < 0 { at - by } else { at + by }
    }

    /// A session begins.
    pub fn begin(&self, number: usize, session: &Session) {
        {
            let mut state = self.state();
            state.session = session.clone();
            state.session_number = number;
            state.lanes.begin(session);
            state.met.clear();
            state.failures.clear();
            state.delivered.clear();
            state.signalled_at = None;
            state.commits = 0;
            state.room_left = None;
            state.events = 0;
            state.frozen = false;
            if number > 0 {
                state.meet(Met::Resumed);
            }
        }
        self.event(format_args!("session {number} begins: {session:?}"));
    }

    /// Something happens that the outside can see. At the event that the plan names, the process
    /// dies: from then on nothing has an effect any more.
    pub fn event(&self, what: fmt::Arguments<'_>) {
        let now = self.now();
        let mut state = self.state();
        if state.frozen {
            return;
        }
        state.events += 1;
        state.last_event = now;
        let (session, number, at) = (state.session_number, state.events, now.as_secs_f64());
        let line = format!("s{session} #{number} {at:>10.3} {what}");
        state.lines.push(line);
        if state.session.crash_at == Some(state.events) {
            state.meet(Met::Crash);
            state.lines.push("the process dies".to_owned());
            state.frozen = true;
            self.over.notify_one();
        }
    }

    /// Whether the process is dead: what it still does happens to nobody.
    pub fn is_frozen(&self) -> bool {
        self.state().frozen
    }

    /// A promise was broken.
    pub fn violate(&self, what: impl Into<String>) {
        let mut state = self.state();
        if state.broken.is_none() && !state.frozen {
            let what = what.into();
            state.lines.push(format!("BROKEN: {what}"));
            state.broken = Some(what);
        }
        state.frozen = true;
        self.over.notify_one();
    }

    pub fn broken(&self) -> Option<String> {
        self.state().broken.clone()
    }

    /// Checks done while nothing runs count after a crash as well.
    pub fn thaw(&self) {
        self.state().frozen = false;
    }

    /// How long nothing has happened.
    pub fn quiet_for(&self) -> Duration {
        self.now().saturating_sub(self.state().last_event)
    }

    pub fn lines(&self) -> Vec<String> {
        self.state().lines.clone()
    }

    /// A number that two runs share only when all their events are the same.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for line in &self.state().lines {
            hasher.write(line.as_bytes());
        }
        hasher.finish()
    }
}

impl State {
    pub fn meet(&mut self, met: Met) {
        self.met.insert(met);
        *self.met_ever.entry(met).or_default() += 1;
    }

    /// A time up to so many milliseconds.
    pub fn up_to(&mut self, ms: u64) -> Duration {
        Duration::from_millis(self.rng.u64(..=ms))
    }

    /// The wall clock jumps by up to three days, or not.
    pub fn maybe_jump(&mut self, share: f64) {
        if !self.session.healed && self.rng.f64() < share {
            let days = 3 * 86_400_000;
            self.jump_ms = self.rng.i64(-days..days);
            self.meet(Met::ClockJump);
        }
    }
}
