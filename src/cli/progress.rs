//! The live view: bars on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tracing::Level;

use super::failure::say;
use super::logs::{self, bars};
use crate::event::Stage;
use crate::pipeline::{DedupProgress, LaneSnapshot, Snapshot};
use crate::report::{count, duration};
use crate::summary::{BatchTotals, StopReason};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows what the pipeline publishes.
pub(super) struct Progress {
    snapshots: watch::Receiver<Snapshot>,
}

impl Progress {
    pub(super) fn new(snapshots: watch::Receiver<Snapshot>) -> Self {
        Self { snapshots }
    }

    /// Shows progress until it is dropped.
    pub(super) async fn show(self) {
        if has_bars() { self.show_bars().await } else { self.show_lines().await }
    }

    async fn show_bars(mut self) {
        let mut view = Bars::new();
        while self.snapshots.changed().await.is_ok() {
            view.update(&self.snapshots.borrow_and_update());
        }
        std::future::pending::<()>().await;
    }

    async fn show_lines(self) {
        loop {
            tokio::time::sleep(LINE_EVERY).await;
            let snapshot = self.snapshots.borrow().clone();
            if logs::is_json() {
                logs::record(Level::INFO, "progress", &fields(&snapshot));
            } else {
                say(&line(&snapshot));
            }
        }
    }
}

/// Whether there is a person who sees bars.
fn has_bars() -> bool {
    io::stderr().is_terminal() && !logs::is_json()
}

/// Removes its bars when dropped: the summary takes their place.
struct Bars {
    tasks: ProgressBar,
    money: ProgressBar,
    network: ProgressBar,
    rejected: ProgressBar,
    /// Only while nothing comes.
    stalled: Option<ProgressBar>,
}

impl Bars {
    fn new() -> Self {
        Self {
            tasks: bar("accepted  [{bar:10}] {wide_msg}"),
            money: bar("spent     [{bar:10}] {wide_msg}"),
            network: bar("requests  {wide_msg}"),
            rejected: bar("rejected  {wide_msg}"),
            stalled: None,
        }
    }

    fn update(&mut self, snapshot: &Snapshot) {
        self.tasks.set_length(snapshot.target.max(1));
        self.tasks.set_position(snapshot.summary.accepted.min(snapshot.target));
        self.tasks.set_message(tasks(snapshot));
        let budget = snapshot.money.budget.map_or(1, |budget| budget.pico().max(1));
        self.money.set_length(budget);
        self.money.set_position(snapshot.money.committed().pico().min(budget));
        self.money.set_message(money(snapshot));
        self.network.set_message(network(snapshot));
        self.rejected.set_message(rejected(snapshot));
        match (&snapshot.stalled, &self.stalled) {
            (None, Some(bar)) => {
                bar.finish_and_clear();
                self.stalled = None;
            }
            (None, None) => {}
            (Some(_), _) => {
                let bar = self.stalled.get_or_insert_with(|| bar("stalled   {wide_msg}"));
                bar.set_message(snapshot.stalled.clone().unwrap_or_default());
            }
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let always = [&self.tasks, &self.money, &self.network, &self.rejected];
        for bar in always.into_iter().chain(&self.stalled) {
            bar.finish_and_clear();
        }
    }
}

fn bar(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template)
        .map_or_else(|_wrong| ProgressStyle::default_bar(), |s| s.progress_chars("=> "));
    bars().add(ProgressBar::new(1).with_style(style))
}

/// How far a file is read: a bar on a terminal, a line from time to time elsewhere. The bar is
/// removed on drop.
pub(super) struct FileProgress {
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl FileProgress {
    pub(super) fn new() -> Self {
        let bar = has_bars().then(|| bar("dedup     [{bar:16}] {wide_msg}"));
        Self { bar, last_line: Instant::now() }
    }

    pub(super) fn update(&mut self, progress: &DedupProgress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.size.unwrap_or(1).max(1));
            bar.set_position(progress.size.map_or(0, |size| progress.bytes.min(size)));
            bar.set_message(records(progress));
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            say(&format!("dedup {}", records(progress)));
        }
    }
}

impl Drop for FileProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn records(progress: &DedupProgress) -> String {
    let mut text = progress.file.clone();
    if let Some(percent) = progress.size.and_then(|size| (progress.bytes * 100).checked_div(size)) {
        text.push_str(&format!(" {}%", percent.min(100)));
    }
    text.push_str(&format!(", {} records", count(progress.read)));
    if progress.removed > 0 {
        text.push_str(&format!(", {} removed", count(progress.removed)));
    }
    text
}

/// The whole state for programs; money in decimal strings, as everywhere.
fn fields(snapshot: &Snapshot) -> Map<String, Value> {
    let Snapshot { summary, money, .. } = snapshot;
    let lanes = snapshot.lanes.iter();
    let fields = [
        ("accepted", json!(summary.accepted)),
        ("target", json!(snapshot.target)),
        ("rejected", json!(summary.rejected())),
        ("requests", json!(summary.requests)),
        ("in_flight", json!(lanes.map(|lane| lane.in_flight).sum::<usize>())),
        ("spent_usd", json!(money.spent.to_string())),
        ("reserved_usd", json!(money.reserved.to_string())),
        ("unconfirmed_usd", json!(money.unconfirmed.to_string())),
        ("budget_usd", json!(money.budget.map(|budget| budget.to_string()))),
        ("seconds_to_go", json!(snapshot.remaining().map(|time| time.as_secs()))),
        ("stalled", json!(snapshot.stalled)),
        ("stopping", json!(snapshot.stopping.map(StopReason::as_str))),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The whole state in one line, for logs.
fn line(snapshot: &Snapshot) -> String {
    let stalled = snapshot.stalled.as_ref().map_or(String::new(), |why| format!(" · {why}"));
    format!(
        "accepted {} · spent {} · {} · rejected {}{stalled}",
        tasks(snapshot),
        money(snapshot),
        network(snapshot),
        rejected(snapshot)
    )
}

pub(super) fn tasks(snapshot: &Snapshot) -> String {
    let mut text = format!("{}/{}", count(snapshot.summary.accepted), count(snapshot.target));
    if snapshot.waiting > 0 {
        text.push_str(&format!(", {} wait for outputs", count(snapshot.waiting as u64)));
    }
    if let Some(reason) = snapshot.stopping {
        text.push_str(&format!(", stopping ({})", reason.as_str()));
    } else if let Some(remaining) = snapshot.remaining() {
        text.push_str(&format!(", {} to go", duration(remaining)));
    }
    text
}

pub(super) fn money(snapshot: &Snapshot) -> String {
    let money = &snapshot.money;
    let mut text = money.spent.display(4);
    if let Some(budget) = money.budget {
        text.push_str(&format!(" of {}", budget.display(2)));
    }
    for (amount, what) in [(money.reserved, "reserved"), (money.unconfirmed, "unconfirmed")] {
        if !amount.is_zero() {
            text.push_str(&format!(", {} {what}", amount.display(4)));
        }
    }
    if let Some(projected) = snapshot.projected_cost() {
        text.push_str(&format!(", {} at the target", projected.display(2)));
    }
    text
}

fn network(snapshot: &Snapshot) -> String {
    let mut parts: Vec<String> = snapshot.lanes.iter().map(lane).collect();
    parts.extend(snapshot.batches.iter().map(batch));
    parts.join("; ")
}

fn batch(batch: &BatchTotals) -> String {
    let done = count(batch.completed + batch.failed);
    format!("batch {} {} {done}/{}", batch.number, batch.state, count(batch.requests))
}

fn lane(lane: &LaneSnapshot) -> String {
    let phase = lane.phase.map_or(String::new(), |phase| format!("{}: ", phase.as_str()));
    if let Some(pause) = lane.paused_for {
        return format!("{phase}paused for {} by the server's rate limit", duration(pause));
    }
    let per_minute = |rate: u64, limit: Option<u64>, what: &str| match limit {
        Some(limit) => format!("{}/{} {what}/min", count(rate), count(limit)),
        None => format!("{} {what}/min", count(rate)),
    };
    let waiting = match lane.waiting {
        0 => String::new(),
        // For the rate limit: longer words would not fit into 80 columns.
        waiting => format!(", {waiting} waiting"),
    };
    let gone = match lane.set_aside {
        0 => String::new(),
        gone => format!(", {gone} endpoints set aside"),
    };
    format!(
        "{phase}{} in flight{waiting}, {}, {}{gone}",
        lane.in_flight.saturating_sub(lane.waiting),
        per_minute(lane.rates.requests, lane.limits.requests_per_minute, "requests"),
        per_minute(lane.rates.tokens, lane.limits.tokens_per_minute, "tokens")
    )
}

pub(super) fn rejected(snapshot: &Snapshot) -> String {
    let mut rules: Vec<((Stage, &str), u64)> = snapshot
        .summary
        .rejections
        .iter()
        .map(|((stage, rule), count)| ((*stage, rule.as_str()), *count))
        .collect();
    rules.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut text = count(snapshot.summary.rejected());
    for ((_, rule), number) in rules.into_iter().take(4) {
        text.push_str(&format!(" · {rule} {}", count(number)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Phase;

    #[test]
    fn a_file_says_how_far_it_is() {
        let file = "data.jsonl".to_owned();
        let mut progress =
            DedupProgress { file, read: 26_001, removed: 12, bytes: 500, size: Some(1_000) };
        assert_eq!(records(&progress), "data.jsonl 50%, 26,001 records, 12 removed");
        (progress.size, progress.removed) = (None, 0);
        assert_eq!(records(&progress), "data.jsonl, 26,001 records");
    }

    #[test]
    fn one_line_says_it_all() {
        let mut lane = LaneSnapshot { in_flight: 32, ..LaneSnapshot::default() };
        lane.rates.requests = 118;
        lane.limits.requests_per_minute = Some(120);
        let lanes = vec![lane.clone()];
        let mut snapshot = Snapshot { target: 1_000, lanes, ..Snapshot::default() };
        snapshot.summary.accepted = 250;
        snapshot.summary.rejections.insert((Stage::Novelty, "rouge-l".into()), 40);
        snapshot.money.spent = "0.5".parse().unwrap();
        snapshot.money.reserved = "0.01".parse().unwrap();
        snapshot.money.budget = Some("5".parse().unwrap());
        snapshot.elapsed = Duration::from_secs(25);
        insta::assert_snapshot!(line(&snapshot), @"accepted 250/1,000, 1m 15s to go · spent $0.5000 of $5.00, $0.0100 reserved, $2.00 at the target · 32 in flight, 118/120 requests/min, 0 tokens/min · rejected 40 · rouge-l 40");
        snapshot.stopping = Some(StopReason::Budget);
        snapshot.waiting = 17;
        snapshot.lanes[0].paused_for = Some(Duration::from_secs(3));
        insta::assert_snapshot!(tasks(&snapshot), @"250/1,000, 17 wait for outputs, stopping (budget)");
        insta::assert_snapshot!(network(&snapshot), @"paused for 3.0s by the server's rate limit");
        snapshot.lanes[0].phase = Some(Phase::Instructions);
        snapshot.lanes.push(LaneSnapshot { phase: Some(Phase::Responses), waiting: 29, ..lane });
        insta::assert_snapshot!(network(&snapshot), @"instructions: paused for 3.0s by the server's rate limit; responses: 3 in flight, 29 waiting, 118/120 requests/min, 0 tokens/min");
    }
}
