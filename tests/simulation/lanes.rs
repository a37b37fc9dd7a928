//! What the server sees of each lane: requests under way, and those of the last minute.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plan::Session;

const MINUTE: Duration = Duration::from_mins(1);

/// Between a permit and the moment when a request leaves, the reservation is made durable, in the second
/// commit from then on; a limit or a pause that becomes known meanwhile comes too late for it. This is
/// for all else.
const GRACE: Duration = Duration::from_secs(1);

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub lane: &'static str,
    pub at: Duration,
    pub under_way: bool,
    /// The open tasks whose outputs it asks for.
    pub tasks: Vec<String>,
    /// Tokens that it can take, at least.
    pub reserved: u64,
    /// What the answer says that it took, and when it said so.
    pub used: Option<(Duration, u64)>,
}

/// What the server sees of the lanes of a session.
#[derive(Debug, Default)]
pub struct Lanes {
    seen: Vec<Seen>,
    limits: BTreeMap<&'static str, Limits>,
    paused: BTreeMap<&'static str, (Duration, Duration)>,
    proven: BTreeMap<&'static str, bool>,
    grace: Duration,
}

/// What a lane may do.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    pub rpm: Option<u64>,
    pub tpm: Option<u64>,
    pub concurrency: usize,
    /// Whether tokens that were not used still count.
    pub counts_reserved: bool,
    /// Limits that the server announced, with the times from which they were known.
    announced: Vec<(Duration, u64)>,
}

impl Limits {
    pub fn of(
        rpm: Option<u64>,
        tpm: Option<u64>,
        concurrency: usize,
        counts_reserved: bool,
    ) -> Self {
        Self { rpm, tpm, concurrency, counts_reserved, announced: Vec::new() }
    }
}

impl Lanes {
    /// The window of the limiter is in memory: a new session begins with an empty one.
    pub fn begin(&mut self, session: &Session) {
        let grace = GRACE + 2 * Duration::from_millis(session.slowest_commit);
        *self = Self { grace, ..Self::default() };
    }

    pub fn allow(&mut self, lane: &'static str, limits: Limits) {
        self.limits.insert(lane, limits);
    }

    pub fn get(&mut self, number: usize) -> Option<&mut Seen> {
        self.seen.get_mut(number)
    }

    /// A completion has come.
    pub fn prove(&mut self, lane: &'static str) {
        self.proven.insert(lane, true);
    }

    /// The server asked for a pause.
    pub fn pause(&mut self, lane: &'static str, now: Duration, wait: Duration) {
        let until = now + wait;
        let pause = self.paused.entry(lane).or_insert((now, until));
        if until > pause.1 {
            *pause = (now, until);
        }
    }

    /// The server announced a limit.
    pub fn announce(&mut self, lane: &'static str, now: Duration, rpm: u64) {
        if let Some(limits) = self.limits.get_mut(lane) {
            limits.announced.push((now, rpm));
        }
    }

    /// Another request comes; gives its number, or says what it breaks.
    pub fn arrive(&mut self, new: Seen) -> (usize, Option<String>) {
        let broken = self.check(&new);
        self.seen.push(new);
        (self.seen.len() - 1, broken)
    }

    fn check(&self, new: &Seen) -> Option<String> {
        let lane = new.lane;
        let limits = self.limits.get(lane).cloned().unwrap_or_default();
        let of_lane = || self.seen.iter().filter(|seen| seen.lane == lane);
        let under_way = of_lane().filter(|seen| seen.under_way).count();
        if under_way > 0 && !self.proven.contains_key(lane) {
            return Some(format!("{lane}: the first request does not go alone"));
        }
        if under_way >= limits.concurrency {
            return Some(format!("{lane}: {under_way} requests were under way already"));
        }
        if let Some((since, until)) = self.paused.get(lane)
            && new.at > *since + self.grace
            && new.at < *until
        {
            return Some(format!("{lane}: a request during the pause from {since:?} to {until:?}"));
        }
        let twice =
            |seen: &&Seen| seen.under_way && seen.tasks.iter().any(|task| new.tasks.contains(task));
        if let Some(seen) = self.seen.iter().find(twice) {
            return Some(format!("the outputs of {:?} are asked for twice at once", seen.tasks));
        }
        self.check_minute(new, &limits)
    }

    fn check_minute(&self, new: &Seen, limits: &Limits) -> Option<String> {
        let lane = new.lane;
        let recent = || {
            let of_lane = self.seen.iter().filter(|seen| seen.lane == lane);
            of_lane.filter(|seen| seen.at + MINUTE > new.at)
        };
        let known = limits.announced.iter().rfind(|(at, _)| *at + self.grace <= new.at);
        let announced = known.map(|(_, rpm)| *rpm);
        let rpm = [limits.rpm, announced].into_iter().flatten().min();
        let requests = recent().count() as u64 + 1;
        if rpm.is_some_and(|rpm| requests > rpm) {
            return Some(format!("{lane}: {requests} requests in a minute of {rpm:?}"));
        }
        let tokens_of = |seen: &Seen| match seen.used {
            Some((at, used)) if at <= new.at && !limits.counts_reserved => used,
            _ => seen.reserved,
        };
        let tokens = recent().map(tokens_of).sum::<u64>() + new.reserved;
        match limits.tpm {
            Some(tpm) if tokens > tpm && tokens > new.reserved => {
                Some(format!("{lane}: {tokens} tokens in a minute of {tpm}"))
            }
            _ => None,
        }
    }
}
