//! What a seed stands for: a small configuration, a server, its weather, and how each session ends.

use std::time::Duration;

use fastrand::Rng;
use instructmill::config::{Money, PhaseSettings, Settings};
use instructmill::simulator::SimulatorSettings;
use instructmill::store::WriteFault;
use instructmill::usd::Usd;

use crate::faults::{Fault, Storm, Weather};

/// Everything that a seed decides beforehand.
#[derive(Debug)]
pub struct Plan {
    pub settings: Settings,
    pub server: SimulatorSettings,
    pub weather: Weather,
    pub sessions: Vec<Session>,
}

/// One session: what may differ from the last one, and what befalls it.
#[derive(Debug, Clone, Default)]
pub struct Session {
    pub target: u64,
    pub budget: Usd,
    pub rpm: Option<u64>,
    pub tpm: Option<u64>,
    pub concurrency: u32,
    /// The process dies at this event.
    pub crash_at: Option<u64>,
    /// The disk fails at this commit.
    pub disk: Option<DiskPlan>,
    /// When the first and the second signal come.
    pub signals: Option<(Duration, Option<Duration>)>,
    /// Nothing goes wrong any more.
    pub healed: bool,
    /// No commit is slower.
    pub slowest_commit: u64,
}

/// How the disk fails.
#[derive(Debug, Clone, Copy)]
pub struct DiskPlan {
    pub at_commit: u64,
    pub fault: WriteFault,
    /// So many commits fit into the ballast.
    pub room: u64,
}

/// One of so many seeds has a disk whose commits take up to three seconds.
const SLOW_DISKS: u64 = 16;
const SLOW_COMMIT_MS: u64 = 3_000;

pub const MODEL: &str = "simulated-model";
const EMBEDDING_MODEL: &str = "simulated-embedding";

impl Plan {
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x5EED_0000_0000);
        let settings = settings(&mut rng, seed);
        let server = server(&mut rng, seed);
        let weather = weather(&mut rng);
        let sessions = sessions(&mut rng, &settings);
        let mut plan = Self { settings, server, weather, sessions };
        // From numbers of their own, so that what a seed was before batches it still is.
        let mut rng = Rng::with_seed(seed ^ 0xBA7C_0000_0000);
        if chance(&mut rng, 0.2) {
            plan.go_in_batches(&mut rng);
        }
        if seed % SLOW_DISKS == 8 {
            for session in &mut plan.sessions {
                session.slowest_commit = SLOW_COMMIT_MS;
            }
        }
        plan
    }

    pub fn has_batches(&self) -> bool {
        let responses = self.settings.responses.as_ref();
        self.settings.batch == Some(true) || responses.is_some_and(|it| it.batch == Some(true))
    }

    /// Requests go in batches: all of them, or those for outputs.
    fn go_in_batches(&mut self, rng: &mut Rng) {
        let Self { settings, server, weather, .. } = self;
        let is_chat = settings.provider.as_deref() == Some("openai");
        let outputs = settings.responses.as_mut().filter(|_| chance(rng, 0.4));
        match outputs {
            Some(outputs) => outputs.batch = Some(true),
            None => {
                settings.batch = Some(true);
                if is_chat && settings.embedding_model.is_none() && chance(rng, 0.4) {
                    settings.provider = Some("anthropic".to_owned());
                    // Its limits have other names than those that this weather speaks of.
                    weather.announces = None;
                }
            }
        }
        settings.batch_requests = Some(rng.u32(1..=8));
        settings.batch_concurrency = Some(rng.u32(1..=3));
        settings.batch_tokens = chance(rng, 0.2).then(|| rng.u64(2_000..20_000));
        (server.price_batch_in, server.price_batch_out) =
            (Some(server.price_in), Some(server.price_out));
        server.batch_latency_ms = one_of(rng, &[0, 2_000, 40_000, 600_000]);
        server.batch_tokens = chance(rng, 0.1).then(|| rng.u64(2_000..20_000));
        server.hides_batches = chance(rng, 0.05);
        let mut faults: Vec<String> = Vec::new();
        for fault in ["429", "500", "timeout", "cut", "drop", "drop-before", "no-usage"] {
            if chance(rng, 0.2) {
                faults.push(format!("{fault}:{:.3}", rng.f64() * 0.05));
            }
        }
        for fault in BATCH_FAULTS {
            if chance(rng, 0.5) {
                faults.push(format!("{fault}:{:.3}", rng.f64() * 0.12));
            }
        }
        server.faults = faults.join(",").parse().expect("a list of faults");
    }
}

const BATCH_FAULTS: [&str; 6] =
    ["upload-cut", "create-lost", "batch-failed", "batch-expired", "results-cut", "results-odd"];

fn chance(rng: &mut Rng, share: f64) -> bool {
    rng.f64() < share
}

fn one_of<T: Copy>(rng: &mut Rng, values: &[T]) -> T {
    values[rng.usize(..values.len())]
}

fn dollars(text: &str) -> Money {
    text.parse().expect("an amount")
}

/// From `low` to `high`, each order of magnitude as likely.
fn log_uniform(rng: &mut Rng, low: f64, high: f64) -> f64 {
    (low.ln() + rng.f64() * (high.ln() - low.ln())).exp()
}

fn settings(rng: &mut Rng, seed: u64) -> Settings {
    let root = env!("CARGO_MANIFEST_DIR");
    let alpaca = chance(rng, 0.15);
    let two_phases = !alpaca && chance(rng, 0.45);
    let embedding = chance(rng, 0.1);
    let similarity = match rng.u32(..10) {
        _ if embedding => "rouge-l+embedding",
        0 => "minhash",
        1 => "rouge-l-unicode",
        _ => "rouge-l",
    };
    let provider = if alpaca { "openai-completions" } else { "openai" };
    Settings {
        seeds: Some(format!("{root}/tests/simulation/seeds.jsonl").into()),
        prices: Some(format!("{root}/tests/simulation/prices.json").into()),
        provider: Some(provider.to_owned()),
        model: Some(MODEL.to_owned()),
        base_url: Some("http://127.0.0.1:9/v1".to_owned()),
        price_in: Some(dollars("1")),
        price_out: Some(dollars("2")),
        template: Some(if alpaca { "alpaca" } else { "json" }.to_owned()),
        phases: Some(if two_phases { "instructions+responses" } else { "tasks" }.to_owned()),
        responses: two_phases.then(|| responses(rng)),
        similarity: Some(similarity.to_owned()),
        embedding_model: embedding.then(|| EMBEDDING_MODEL.to_owned()),
        embedding_price: embedding.then(|| dollars("0.5")),
        num_examples: Some(rng.u32(1..=3)),
        tasks_per_request: Some(rng.u32(1..=6)),
        max_output_tokens: Some(rng.u32(150..=900)),
        max_requests: Some(rng.u64(8..=70)),
        max_attempts: Some(rng.u32(1..=4)),
        max_stalled_responses: Some(rng.u64(4..=40)),
        connect_timeout: Some(rng.u64(1..=10)),
        read_timeout: Some(rng.u64(5..=30)),
        request_timeout: Some(rng.u64(10..=60)),
        tpm_counts_max_tokens: Some(rng.bool()),
        record_nearest: Some(rng.bool()),
        // To compile the rule's pattern takes longer than most runs here.
        keywords: Some(if chance(rng, 0.05) { vec!["draw".to_owned()] } else { Vec::new() }),
        seed: Some(seed),
        ..Settings::default()
    }
}

fn responses(rng: &mut Rng) -> PhaseSettings {
    let own_lane = chance(rng, 0.3);
    PhaseSettings {
        tasks_per_request: Some(rng.u32(1..=3)),
        max_output_tokens: Some(rng.u32(60..=300)),
        concurrency: own_lane.then(|| rng.u32(1..=6)),
        rpm: own_lane.then(|| rng.u64(10..=100)),
        ..PhaseSettings::default()
    }
}

fn server(rng: &mut Rng, seed: u64) -> SimulatorSettings {
    let limited = chance(rng, 0.2);
    let per_token = |dollars: &str| {
        let million: Usd = dollars.parse().expect("an amount");
        Usd::from_pico(million.pico() / 1_000_000)
    };
    let faults = if chance(rng, 0.5) {
        let kinds = [
            "timeout",
            "drop",
            "drop-before",
            "cut",
            "garbage",
            "html",
            "length",
            "no-usage",
            "negative-usage",
            "empty",
            "content-type",
            "error-200",
            "refusal",
            "reasoning",
        ];
        let chosen = (0..3).map(|_| format!("{}:{:.3}", one_of(rng, &kinds), rng.f64() * 0.08));
        chosen.collect::<Vec<_>>().join(",")
    } else {
        String::new()
    };
    SimulatorSettings {
        seed,
        price_in: per_token("1"),
        price_out: per_token("2"),
        price_embedding: per_token("0.5"),
        rpm: limited.then(|| rng.u64(6..=60)),
        faults: faults.parse().expect("a list of faults"),
        ..SimulatorSettings::default()
    }
}

fn weather(rng: &mut Rng) -> Weather {
    let mut shares = Vec::new();
    let roughness = one_of(rng, &[0.0, 0.02, 0.1, 0.3]);
    for fault in Fault::ALL {
        if chance(rng, 0.4) {
            shares.push((fault, rng.f64() * roughness * fault.usual()));
        }
    }
    let mut storms = Vec::new();
    while storms.len() < 3 && chance(rng, 0.35) {
        let from = Duration::from_millis(rng.u64(..120_000));
        let until = from + Duration::from_millis(rng.u64(500..60_000));
        let fault = one_of(
            rng,
            &[Fault::RateLimited, Fault::ServerError, Fault::Silent, Fault::Unreachable],
        );
        storms.push(Storm { from, until, fault, share: 0.5 + rng.f64() / 2.0 });
    }
    let latency_ms = one_of(rng, &[0, 30, 800, 5_000]);
    Weather {
        shares,
        storms,
        latency_ms,
        clock_jumps: one_of(rng, &[0.0, 0.0, 0.05]),
        announces: chance(rng, 0.15).then(|| rng.u64(5..=40)),
    }
}

fn sessions(rng: &mut Rng, settings: &Settings) -> Vec<Session> {
    let mut session = Session {
        target: rng.u64(1..=40),
        budget: budget(rng),
        rpm: chance(rng, 0.5).then(|| rng.u64(5..=120)),
        tpm: chance(rng, 0.4).then(|| rng.u64(6_000..=60_000)),
        concurrency: rng.u32(1..=8),
        ..Session::default()
    };
    let mut sessions = Vec::new();
    for _ in 0..rng.usize(..4) {
        let broken = Session {
            crash_at: chance(rng, 0.7).then(|| whole(log_uniform(rng, 1.0, 700.0))),
            disk: chance(rng, 0.2).then(|| disk(rng)),
            signals: chance(rng, 0.2).then(|| signals(rng)),
            slowest_commit: one_of(rng, &[0, 3, 40, 200]),
            ..session.clone()
        };
        sessions.push(broken);
        change(rng, &mut session, settings);
    }
    sessions.push(Session { healed: true, slowest_commit: 3, ..session });
    sessions
}

/// What may change between sessions.
fn change(rng: &mut Rng, session: &mut Session, _settings: &Settings) {
    if chance(rng, 0.3) {
        session.target += rng.u64(..20);
    }
    if chance(rng, 0.2) {
        session.budget = session.budget.saturating_add(budget(rng));
    }
    if chance(rng, 0.2) {
        session.concurrency = rng.u32(1..=8);
        session.rpm = chance(rng, 0.5).then(|| rng.u64(5..=120));
    }
}

fn budget(rng: &mut Rng) -> Usd {
    Usd::from_pico(whole(log_uniform(rng, 0.003, 0.6) * 1e12))
}

fn disk(rng: &mut Rng) -> DiskPlan {
    let fault = if rng.bool() { WriteFault::Full } else { WriteFault::Failed };
    let room = if rng.bool() { u64::MAX } else { rng.u64(..6) };
    DiskPlan { at_commit: whole(log_uniform(rng, 1.0, 150.0)), fault, room }
}

fn signals(rng: &mut Rng) -> (Duration, Option<Duration>) {
    let first = Duration::from_millis(whole(log_uniform(rng, 10.0, 60_000.0)));
    let second = rng.bool().then(|| Duration::from_millis(rng.u64(1..10_000)));
    (first, second)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
fn whole(number: f64) -> u64 {
    number as u64
}
