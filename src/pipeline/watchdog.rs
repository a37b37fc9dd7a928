//! Says what a run waits for when no answer has come for a while.

use std::time::Duration;

use tokio::time::Instant;

use super::waits::{Crowd, Wait, Waits};
use crate::limit::{HeldBy, Hold, Limiter};

/// How long nothing may come before it is said, and how often it is said again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Notices that nothing comes.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// When the last answer came, or the session began.
    quiet_since: Instant,
    said_at: Instant,
}

impl Watchdog {
    pub(super) fn new() -> Self {
        Self { quiet_since: Instant::now(), said_at: Instant::now() }
    }

    /// An answer has come.
    pub(super) fn arrived(&mut self) {
        self.quiet_since = Instant::now();
        self.said_at = self.quiet_since;
    }

    /// How long nothing has come.
    pub(super) fn quiet(&self) -> Duration {
        self.quiet_since.elapsed()
    }

    /// What the run waits for, when nothing has come for too long. It is logged once a minute. Each
    /// API is told by a name and its limiter. Batches take their time: a run that waits for nothing
    /// else waits for nothing too long.
    pub(super) fn look<'a>(
        &mut self,
        waits: &Waits,
        has_batches: bool,
        apis: impl Iterator<Item = (&'a str, &'a Limiter)>,
    ) -> Option<String> {
        let quiet = self.quiet();
        if quiet < PATIENCE {
            return None;
        }
        let reasons = reasons(waits, apis);
        if reasons.is_empty() && has_batches {
            self.said_at = Instant::now();
            return None;
        }
        let waited_for =
            if reasons.is_empty() { "nothing is under way".to_owned() } else { reasons.join("; ") };
        let text = format!("no answer for {} s: {waited_for}", quiet.as_secs());
        if self.said_at.elapsed() >= PATIENCE {
            self.said_at = Instant::now();
            tracing::warn!("{text}");
        }
        Some(text)
    }
}

fn reasons<'a>(waits: &Waits, apis: impl Iterator<Item = (&'a str, &'a Limiter)>) -> Vec<String> {
    let age = |crowd: Crowd| {
        let oldest = if crowd.count == 1 { "for" } else { "the oldest for" };
        format!("{oldest} {} s", crowd.since.elapsed().as_secs())
    };
    let mut reasons = Vec::new();
    if let Some(crowd) = waits.crowd(Wait::Answer) {
        let requests = if crowd.count == 1 { "request" } else { "requests" };
        reasons.push(format!("{} {requests} under way, {}", crowd.count, age(crowd)));
    }
    if let Some(crowd) = waits.crowd(Wait::Disk) {
        reasons.push(format!("waiting for the journal's disk: {}, {}", crowd.count, age(crowd)));
    }
    if let Some(crowd) = waits.crowd(Wait::Permit) {
        reasons.push(format!("waiting for the rate limit: {}", crowd.count));
        reasons.extend(apis.filter_map(limit));
    }
    if let Some(crowd) = waits.crowd(Wait::Retry) {
        reasons.push(format!("waiting to be sent again: {}, {}", crowd.count, age(crowd)));
    }
    reasons
}

/// What holds back the requests of an API, if something does.
fn limit((name, limiter): (&str, &Limiter)) -> Option<String> {
    let now = Instant::now();
    let seconds = |until: Instant| until.saturating_duration_since(now).as_secs_f64().ceil();
    // A pause can begin while somebody waits already.
    if let Some(until) = limiter.paused_until() {
        return Some(format!("{name} paused by a 429 for {} s more", seconds(until)));
    }
    let Hold { until, by } = limiter.hold()?;
    let what = if by == HeldBy::Requests { "requests" } else { "tokens" };
    let next = seconds(until);
    Some(format!("the {what} per minute of {name} are used, next permit in {next} s"))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::limit::Limits;

    const NONE: std::iter::Empty<(&str, &Limiter)> = std::iter::empty();

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn it_barks_after_a_minute_and_not_when_something_came() {
        let (mut watchdog, waits) = (Watchdog::new(), Waits::default());
        let _under_way: Vec<_> = (0..32).map(|_| waits.begin(Wait::Answer)).collect();
        advance(seconds(59)).await;
        assert_eq!(watchdog.look(&waits, false, NONE), None);
        watchdog.arrived();
        advance(seconds(59)).await;
        assert_eq!(watchdog.look(&waits, false, NONE), None);
        advance(seconds(1)).await;
        let said = watchdog.look(&waits, false, NONE).unwrap();
        assert_eq!(said, "no answer for 60 s: 32 requests under way, the oldest for 119 s");
        watchdog.arrived();
        assert_eq!(watchdog.look(&waits, false, NONE), None);
    }

    #[tokio::test(start_paused = true)]
    async fn it_names_the_disk_and_the_pause_before_another_try() {
        let (mut watchdog, waits) = (Watchdog::new(), Waits::default());
        let disk = waits.begin(Wait::Disk);
        advance(seconds(61)).await;
        let _retry = waits.begin(Wait::Retry);
        advance(seconds(2)).await;
        let said = watchdog.look(&waits, false, NONE).unwrap();
        assert_eq!(
            said,
            "no answer for 63 s: waiting for the journal's disk: 1, for 63 s; waiting to be sent \
             again: 1, for 2 s"
        );
        drop(disk);
        assert!(!watchdog.look(&waits, false, NONE).unwrap().contains("disk"));
    }

    #[tokio::test(start_paused = true)]
    async fn it_names_the_limit_that_holds_requests_back() {
        let limits = |requests_per_minute, tokens_per_minute| Limits {
            requests_per_minute,
            tokens_per_minute,
            count_reserved_tokens: true,
        };
        for (limits, what) in
            [(limits(Some(1), None), "requests"), (limits(None, Some(100)), "tokens")]
        {
            let (mut watchdog, waits) = (Watchdog::new(), Waits::default());
            let limiter = Limiter::new(limits);
            let _permit = limiter.acquire(100).await;
            advance(seconds(55)).await;
            let _waiting = waits.begin(Wait::Permit);
            let next = limiter.acquire(100);
            // It looks at the limit, and waits.
            assert!(tokio::time::timeout(seconds(5), next).await.is_err());
            let said = watchdog.look(&waits, false, [("m", &limiter)].into_iter()).unwrap();
            let expected = format!(
                "no answer for 60 s: waiting for the rate limit: 1; the {what} per minute of m are \
                 used, next permit in 1 s"
            );
            assert_eq!(said, expected);
            limiter.pause_until(Instant::now() + seconds(30));
            let said = watchdog.look(&waits, false, [("m", &limiter)].into_iter()).unwrap();
            assert!(said.ends_with("; m paused by a 429 for 30 s more"), "{said}");
        }
    }
}
