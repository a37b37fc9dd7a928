//! What can befall a request on its way, and how often.

use std::time::Duration;

use fastrand::Rng;

/// What befalls one request. The simulator has faults of its own beside these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// No connection: nothing leaves.
    Unreachable,
    /// It leaves, and the connection breaks before the server has it.
    LostBefore,
    /// The server answers, and the connection breaks before the head of the answer.
    LostAfter,
    /// The server answers, but not in time.
    Silent,
    /// A 429, with some header that says how long to wait, or none.
    RateLimited,
    /// A 5xx.
    ServerError,
    /// A 4xx that no other request deserves.
    Objection,
    /// The body breaks off.
    Cut,
    /// The body comes in pieces, with pauses that may be too long.
    Slow,
    /// The body is longer than any completion.
    Huge,
    /// The body is whole, and broken.
    Garbage,
    /// The usage is missing or a lie that cannot be believed.
    Lie,
}

/// A time in which one fault is frequent.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    pub from: Duration,
    pub until: Duration,
    pub fault: Fault,
    pub share: f64,
}

/// How often what happens.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    pub shares: Vec<(Fault, f64)>,
    pub storms: Vec<Storm>,
    /// The longest latency of a usual answer.
    pub latency_ms: u64,
    /// How often the wall clock jumps, for each request.
    pub clock_jumps: f64,
    /// A limit on the requests per minute that the server begins to announce at some time.
    pub announces: Option<u64>,
}

impl Fault {
    pub const ALL: [Self; 12] = [
        Self::Unreachable,
        Self::LostBefore,
        Self::LostAfter,
        Self::Silent,
        Self::RateLimited,
        Self::ServerError,
        Self::Objection,
        Self::Cut,
        Self::Slow,
        Self::Huge,
        Self::Garbage,
        Self::Lie,
    ];

    /// A weight: what ends runs or takes long is rare.
    pub fn usual(self) -> f64 {
        match self {
            Self::Objection => 0.1,
            Self::Huge => 0.03,
            _ => 1.0,
        }
    }
}

impl Weather {
    /// What befalls a request that leaves at this time of the simulation.
    pub fn draw(&self, rng: &mut Rng, now: Duration) -> Option<Fault> {
        let mut point = rng.f64();
        for storm in &self.storms {
            if (storm.from..storm.until).contains(&now) && point < storm.share {
                return Some(storm.fault);
            }
        }
        for (fault, share) in &self.shares {
            if point < *share {
                return Some(*fault);
            }
            point -= share;
        }
        None
    }
}
