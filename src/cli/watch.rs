//! `instructmill status --watch`: a run's totals, again and again until it ends. The run is only read,
//! and a look takes no longer than a query.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure::{self, CliError, harmless};
use super::progress::{money, rejected, tasks};
use super::status;
use crate::ledger::Totals;
use crate::pipeline::Snapshot;
use crate::report::{RunReport, count, duration, to_json_line, to_text};
use crate::store::{RunDir, RunReader, StoreError};
use crate::summary::RunState;

/// The time over which the pace is taken.
const PACE_OVER: Duration = Duration::from_secs(60);
/// A look may take so much of the time, as a divisor: one at a run of millions takes long, and reads
/// what the run itself needs.
const MOST_BUSY: u32 = 10;

/// Shows a run until no process works on it any more.
pub(super) fn run(dir: &RunDir, json: bool, every: Duration) -> Result<ExitCode, CliError> {
    let mut follower = Follower::new(dir)?;
    let mut display = Display::new(json);
    loop {
        let began = Instant::now();
        let change = follower.look(began)?;
        if change == Change::AnotherRun {
            display.note(&format!("another run is in {} now", dir.path().display()));
        }
        if follower.report.state != RunState::Running {
            display.end(&follower)?;
            return Ok(ExitCode::SUCCESS);
        }
        display.show(&follower, change)?;
        std::thread::sleep(every.max(began.elapsed() * MOST_BUSY));
    }
}

/// What a look at a run found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// It is as it was.
    Nothing,
    /// It has gone on, or has ended.
    More,
    /// The directory holds another run than before.
    AnotherRun,
}

/// What is known of the run.
struct Follower {
    dir: RunDir,
    reader: RunReader,
    report: RunReport,
    /// The journal's state when the totals were read.
    seen: Option<i64>,
    pace: Pace,
}

impl Follower {
    fn new(dir: &RunDir) -> Result<Self, CliError> {
        let reader = dir.read()?;
        let report = status::stored(dir)?;
        Ok(Self { dir: dir.clone(), reader, report, seen: None, pace: Pace::default() })
    }

    /// Looks at the run once.
    fn look(&mut self, now: Instant) -> Result<Change, CliError> {
        if !self.dir.exists() {
            return Err(StoreError::Missing { path: self.dir.path().to_owned() }.into());
        }
        let is_another = self.reader.has_moved();
        if is_another {
            *self = Self::new(&self.dir)?;
        }
        // The state first: totals that are read after the end are the last ones.
        let state = self.reader.state()?;
        let counter = Some(self.reader.change_counter()?);
        let is_new = self.seen != counter || state.0 != self.report.state;
        if is_new {
            self.seen = counter;
            // A session that begins may have another target and budget than the last one.
            self.report = status::report_in(&self.dir, &self.reader, state)?;
        }
        self.pace.note(now, self.report.summary.accepted);
        Ok(match (is_another, is_new) {
            (true, _) => Change::AnotherRun,
            (false, true) => Change::More,
            (false, false) => Change::Nothing,
        })
    }

    /// The run as the live view of `generate` shows it.
    fn snapshot(&self) -> Snapshot {
        let RunReport { summary, target, budget, .. } = &self.report;
        let (gained, elapsed) = self.pace.gained();
        Snapshot {
            summary: summary.clone(),
            target: *target,
            accepted_at_start: summary.accepted.saturating_sub(gained),
            money: Totals {
                budget: *budget,
                spent: summary.spent,
                reserved: summary.reserved,
                unconfirmed: summary.unconfirmed,
                ..Totals::default()
            },
            elapsed,
            ..Snapshot::default()
        }
    }

    /// The report of `status`, with how fast it goes.
    fn text(&self) -> String {
        let text = to_text(&self.report);
        let (gained, elapsed) = self.pace.gained();
        if self.report.state != RunState::Running || elapsed.is_zero() {
            return text;
        }
        let remaining = self.snapshot().remaining();
        let to_go = remaining.map_or(String::new(), |time| format!(", {} to go", duration(time)));
        let gained = count(gained);
        format!("{text}{:<14} {gained} tasks in {}{to_go}\n", "pace", duration(elapsed))
    }
}

/// Accepted tasks at moments of the last minute.
#[derive(Default)]
struct Pace(VecDeque<(Instant, u64)>);

impl Pace {
    fn note(&mut self, now: Instant, accepted: u64) {
        self.0.push_back((now, accepted));
        while self.0.len() > 2 && self.0.get(1).is_some_and(|(at, _)| now - *at >= PACE_OVER) {
            self.0.pop_front();
        }
    }

    /// Tasks accepted, and the time that it took.
    fn gained(&self) -> (u64, Duration) {
        match (self.0.front(), self.0.back()) {
            (Some(first), Some(last)) => (last.1.saturating_sub(first.1), last.0 - first.0),
            _ => (0, Duration::ZERO),
        }
    }
}

/// Where it is shown.
enum Display {
    /// A terminal, redrawn; it cuts and counts lines by its width.
    Terminal(ProgressBar),
    /// A line for each change.
    Lines,
    /// A JSON object in a line for each change.
    Json,
}

impl Display {
    fn new(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        if !io::stdout().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        let style = ProgressStyle::with_template("{msg}");
        bar.set_style(style.unwrap_or_else(|_error| ProgressStyle::default_spinner()));
        Self::Terminal(bar)
    }

    /// Says something beside the run, on stderr.
    fn note(&self, text: &str) {
        match self {
            Self::Terminal(bar) => bar.suspend(|| failure::say(&format!("note: {text}"))),
            Self::Lines | Self::Json => failure::say(&format!("note: {text}")),
        }
    }

    fn show(&self, run: &Follower, change: Change) -> io::Result<()> {
        match self {
            Self::Terminal(bar) => {
                bar.set_message(harmless(run.text().trim_end()).into_owned());
                bar.tick();
                Ok(())
            }
            _ if change == Change::Nothing => Ok(()),
            Self::Lines => say(&line(&run.snapshot())),
            Self::Json => say(to_json_line(&run.report).trim_end()),
        }
    }

    /// Says how it ended, where it stays.
    fn end(&mut self, run: &Follower) -> io::Result<()> {
        match self {
            Self::Json => say(to_json_line(&run.report).trim_end()),
            Self::Lines => say(run.text().trim_end()),
            Self::Terminal(bar) => {
                bar.finish_and_clear();
                say(run.text().trim_end())
            }
        }
    }
}

/// A line or more of what was asked for; somebody may wait for each.
fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", harmless(text))?;
    stdout.flush()
}

/// The whole state in one line.
fn line(snapshot: &Snapshot) -> String {
    format!(
        "accepted {} · spent {} · {} requests · rejected {}",
        tasks(snapshot),
        money(snapshot),
        count(snapshot.summary.requests),
        rejected(snapshot)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_minute() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.gained(), (0, Duration::ZERO));
        for second in 0..200 {
            pace.note(start + Duration::from_secs(second), 10 * second);
        }
        assert_eq!(pace.gained(), (600, PACE_OVER));
        // A look that came late leaves two to compare.
        pace.note(start + Duration::from_secs(1_000), 2_000);
        assert_eq!(pace.gained(), (10, Duration::from_secs(801)));
    }

    #[test]
    fn a_change_is_a_line() {
        let mut snapshot = Snapshot { target: 1_000, ..Snapshot::default() };
        snapshot.summary.accepted = 250;
        snapshot.summary.requests = 31;
        snapshot.accepted_at_start = 150;
        snapshot.elapsed = Duration::from_secs(20);
        snapshot.money.spent = "0.5".parse().unwrap();
        insta::assert_snapshot!(line(&snapshot), @"accepted 250/1,000, 2m 30s to go · spent $0.5000, $2.00 at the target · 31 requests · rejected 0");
    }
}
