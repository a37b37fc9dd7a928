//! The totals for a person.

use std::time::Duration;

use super::{RunReport, count, duration};
use crate::event::Stage;
use crate::summary::{EndpointTotals, RunState, StopReason, Summary};

/// The report as plain lines of at most 80 columns, but for long paths and messages.
pub fn to_text(report: &RunReport) -> String {
    let mut lines = Lines(String::new());
    if report.simulated {
        lines.raw("SIMULATED: every task here is made up. Do not train on it.");
    }
    lines.row("run", &report.run.display().to_string());
    lines.row("source", &source(report));
    lines.row("state", &state(report));
    tasks(&mut lines, report);
    money(&mut lines, report);
    requests(&mut lines, report);
    batches(&mut lines, report);
    lines.row("time", &duration(Duration::from_millis(report.summary.active_ms)));
    if let Some(text) = expected(&report.summary) {
        lines.clauses("expected", &text);
    }
    lines.0
}

/// The most columns of a line that can be broken.
const COLUMNS: usize = 80;
/// Where the values of rows begin.
const INDENT: usize = 15;

/// Who is asked, and for outputs where that is another model.
fn source(report: &RunReport) -> String {
    let first = format!("{} · {}", report.provider, report.model);
    match &report.output_model {
        Some(outputs) => format!("{first}; outputs: {outputs}"),
        None => first,
    }
}

struct Lines(String);

impl Lines {
    fn raw(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn row(&mut self, label: &str, value: &str) {
        self.raw(&format!("{label:<14} {value}"));
    }
}

impl Lines {
    /// A row of parts, on as many lines as they take.
    fn list(&mut self, label: &str, first: String, parts: impl Iterator<Item = String>) {
        self.fill(label, first, "  ", parts);
    }

    /// A row of a sentence, broken behind its commas and colons where it must be.
    fn clauses(&mut self, label: &str, text: &str) {
        let mut clauses: Vec<String> = Vec::new();
        for word in text.split(' ') {
            match clauses.last_mut().filter(|last| !last.ends_with([',', ':'])) {
                Some(last) => last.extend([" ", word]),
                None => clauses.push(word.to_owned()),
            }
        }
        let mut clauses = clauses.into_iter();
        let first = clauses.next().unwrap_or_default();
        self.fill(label, first, " ", clauses);
    }

    fn fill(&mut self, label: &str, first: String, gap: &str, parts: impl Iterator<Item = String>) {
        let (mut label, mut line) = (label, first);
        for part in parts {
            if INDENT + line.len() + gap.len() + part.len() > COLUMNS {
                self.row(label, &line);
                (label, line) = ("", part);
            } else {
                line.push_str(gap);
                line.push_str(&part);
            }
        }
        self.row(label, &line);
    }
}

/// What became of the run, in a few words.
pub(super) fn state(report: &RunReport) -> String {
    let text = match (report.state, report.stop_reason) {
        (RunState::Running, _) => "running",
        (RunState::Crashed, _) => "ended without a word; the same command goes on",
        (_, Some(StopReason::Target)) => "done: the target is reached",
        (_, Some(StopReason::Budget)) => "stopped: the budget is used up",
        (_, Some(StopReason::Pilot)) => {
            "the pilot is over; the same command goes on (with --yes where nobody can be asked)"
        }
        (_, Some(StopReason::MaxRequests)) => "stopped: --max-requests is reached",
        (_, Some(StopReason::Interrupted)) => "interrupted; the same command goes on",
        (_, Some(StopReason::NoProgress)) => "stopped: responses bring nothing new any more",
        (_, Some(StopReason::Failed)) => "failed; the same command goes on",
        (RunState::Stopped, None) => "not begun",
    };
    match &report.message {
        Some(message) => format!("{text}: {message}"),
        None => text.to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a percentage for display")]
fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{:.1}%", 100.0 * part as f64 / whole as f64)
}

fn tasks(lines: &mut Lines, report: &RunReport) {
    let summary = &report.summary;
    let candidates = summary.candidates();
    lines.row(
        "accepted",
        &format!(
            "{} of {} wanted, {} of {} candidates",
            count(summary.accepted),
            count(report.target),
            percent(summary.accepted, candidates),
            count(candidates)
        ),
    );
    for stage in Stage::ALL {
        let total = summary.rejected_at(stage);
        if total == 0 {
            continue;
        }
        let mut rules: Vec<(&str, u64)> = summary
            .rejections
            .iter()
            .filter(|((at, _), _)| *at == stage)
            .map(|((_, rule), count)| (rule.as_str(), *count))
            .collect();
        rules.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let share = percent(total, candidates);
        let total = format!("{} ({share})", count(total));
        let rules = rules.into_iter().map(|(rule, number)| format!("{rule} {}", count(number)));
        lines.list(&format!("- {}", stage.as_str()), total, rules);
    }
    if summary.open_tasks > 0 {
        lines.row("open", &format!("{} instructions wait for outputs", count(summary.open_tasks)));
    }
    if summary.unjudged_responses > 0 {
        let number = count(summary.unjudged_responses);
        let what = match summary.unjudged_responses {
            1 => "response not judged to its end",
            _ => "responses not judged to their end",
        };
        lines.row("kept", &format!("{number} {what}, for more tasks"));
    }
}

/// What so many tasks were expected to take, and how far off that was; `None` before the first.
pub(super) fn expected(summary: &Summary) -> Option<String> {
    let estimate = summary.estimate.filter(|_| summary.accepted > 0)?;
    let cost = estimate.cost_of(summary.accepted);
    let (within, time) =
        estimate.active_ms_of(summary.accepted).map_or_else(Default::default, |time| {
            let within = format!(" in {}", duration(Duration::from_millis(time)));
            (within, format!(", time {}", deviation(summary.active_ms, time)))
        });
    let spent = summary.spent.saturating_add(summary.unconfirmed);
    let origin = if estimate.calibrated { "its own requests" } else { "the seed tasks" };
    Some(format!(
        "{}{within} for {} tasks, by {origin}: cost {}{time}",
        cost.display(4),
        count(summary.accepted),
        deviation(spent.pico(), cost.pico()),
    ))
}

/// `+4%`, `-12%`: how far an amount is from what was expected.
#[expect(clippy::cast_precision_loss, reason = "a percentage for display")]
fn deviation(actual: u64, expected: u64) -> String {
    if expected == 0 {
        return if actual == 0 { "as expected" } else { "above" }.to_owned();
    }
    format!("{:+.0}%", 100.0 * (actual as f64 / expected as f64 - 1.0))
}

fn money(lines: &mut Lines, report: &RunReport) {
    let summary = &report.summary;
    let budget = report.budget.map_or("no budget".to_owned(), |b| format!("of {}", b.display(2)));
    let mut spent = format!("{} {budget}", summary.spent.display(4));
    for (amount, what) in [(summary.reserved, "reserved"), (summary.unconfirmed, "unconfirmed")] {
        if !amount.is_zero() {
            spent.push_str(&format!(", {} {what}", amount.display(4)));
        }
    }
    lines.row("spent", &spent);
    if summary.by_phase.len() > 1 {
        for (phase, totals) in &summary.by_phase {
            let amount = totals.spent.saturating_add(totals.unconfirmed);
            lines.row(&format!("- {}", phase.as_str()), &amount.display(4));
        }
    }
    if let Some(each) = summary.usd_per_thousand() {
        let contains = if summary.unconfirmed.is_zero() { "" } else { ", unconfirmed included" };
        lines.row("price", &format!("{} per 1,000 accepted tasks{contains}", each.display(4)));
    }
    let usage = &summary.usage;
    let mut tokens = format!("{} input", count(usage.input));
    for (number, what) in [
        (usage.cached_input, "cached input"),
        (usage.cache_write, "cache write"),
        (usage.output, "output"),
    ] {
        if number > 0 {
            tokens.push_str(&format!(", {} {what}", count(number)));
        }
    }
    if usage.reasoning > 0 {
        tokens.push_str(&format!(" ({} of it reasoning)", count(usage.reasoning)));
    }
    if usage.cached_input > 0 {
        let share = percent(usage.cached_input, usage.prompt_total());
        tokens.push_str(&format!("; {share} of the prompts from the cache"));
    }
    lines.row("tokens", &tokens);
}

fn requests(lines: &mut Lines, report: &RunReport) {
    let (summary, attempts) = (&report.summary, &report.summary.attempts);
    let requests = if summary.requests == 1 { "request" } else { "requests" };
    let mut text = format!("{} {requests}", count(summary.requests));
    for (number, what) in [
        (summary.retries(), "retries"),
        (attempts.rate_limited, "rate limited"),
        (attempts.refused, "refused"),
        (attempts.unconfirmed, "unconfirmed"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {} {what}", count(number)));
        }
    }
    lines.row("sent", &text);
    for (name, totals) in &summary.by_endpoint {
        lines.row("- endpoint", &endpoint(name, totals));
    }
}

fn endpoint(name: &str, totals: &EndpointTotals) -> String {
    let mut text = format!("{name}: {} attempts", count(totals.attempts));
    for (number, what) in [
        (totals.rate_limited, "rate limited"),
        (totals.refused, "refused"),
        (totals.tokens, "tokens"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {} {what}", count(number)));
        }
    }
    if totals.spent.is_zero() { text } else { format!("{text}, {}", totals.spent.display(4)) }
}

fn batches(lines: &mut Lines, report: &RunReport) {
    let batches = &report.summary.batches;
    if batches.is_empty() {
        return;
    }
    let open: Vec<_> = batches.iter().filter(|batch| batch.is_open).collect();
    let mut text = format!("{} ended", count((batches.len() - open.len()) as u64));
    if !open.is_empty() {
        text.push_str(&format!(", {} at the provider", count(open.len() as u64)));
    }
    lines.row("batches", &text);
    for batch in open {
        let done = count(batch.completed + batch.failed);
        let text = format!("{}, {done} of {} done", batch.state, count(batch.requests));
        lines.row(&format!("- batch {}", batch.number), &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::chat::TokenUsage;
    use crate::summary::{AttemptCounts, Rejections};
    use crate::usd::Usd;

    fn report() -> RunReport {
        RunReport {
            run: "output/demo".into(),
            provider: "simulated".into(),
            model: "simulated".into(),
            output_model: None,
            simulated: true,
            target: 2_000,
            budget: Some("5".parse().unwrap()),
            state: RunState::Stopped,
            stop_reason: Some(StopReason::Target),
            message: None,
            summary: Summary {
                accepted: 2_000,
                open_tasks: 0,
                rejections: Rejections::from([
                    ((Stage::Parse, "truncated".to_owned()), 3),
                    ((Stage::Novelty, "rouge-l".to_owned()), 611),
                    ((Stage::Filter, "keyword".to_owned()), 41),
                    ((Stage::Filter, "too_short".to_owned()), 45),
                ]),
                requests: 277,
                attempts: AttemptCounts {
                    sent: 282,
                    answered: 275,
                    rate_limited: 4,
                    refused: 2,
                    unconfirmed: 1,
                },
                unjudged_responses: 2,
                usage: TokenUsage { input: 254_321, output: 300_000, ..TokenUsage::default() },
                spent: "0.21814815".parse().unwrap(),
                reserved: Usd::ZERO,
                unconfirmed: "0.0035".parse().unwrap(),
                by_phase: BTreeMap::new(),
                by_endpoint: BTreeMap::new(),
                batches: Vec::new(),
                active_ms: 65_400,
                estimate: Some(crate::summary::Estimate {
                    tasks: 4_000,
                    cost: "0.5".parse().unwrap(),
                    active_ms: Some(120_000),
                    calibrated: true,
                }),
            },
        }
    }

    #[test]
    fn a_finished_run_reads_like_this() {
        insta::assert_snapshot!(to_text(&report()), @r"
        SIMULATED: every task here is made up. Do not train on it.
        run            output/demo
        source         simulated · simulated
        state          done: the target is reached
        accepted       2,000 of 2,000 wanted, 74.1% of 2,700 candidates
        - parse        3 (0.1%)  truncated 3
        - filter       86 (3.2%)  too_short 45  keyword 41
        - novelty      611 (22.6%)  rouge-l 611
        kept           2 responses not judged to their end, for more tasks
        spent          $0.2182 of $5.00, $0.0035 unconfirmed
        price          $0.1109 per 1,000 accepted tasks, unconfirmed included
        tokens         254,321 input, 300,000 output
        sent           277 requests, 5 retries, 4 rate limited, 2 refused, 1 unconfirmed
        time           1m 05s
        expected       $0.2500 in 1m 00s for 2,000 tasks, by its own requests:
                       cost -11%, time +9%
        ");
    }

    #[test]
    fn both_models_of_two_phases_are_named() {
        let both = RunReport { output_model: Some("strong".into()), ..report() };
        assert_eq!(source(&both), "simulated · simulated; outputs: strong");
        let value: serde_json::Value = serde_json::from_str(&super::super::to_json(&both)).unwrap();
        assert_eq!(
            (&value["model"], &value["output_model"]),
            (&"simulated".into(), &"strong".into())
        );
    }

    #[test]
    fn nothing_is_said_of_a_time_that_nobody_expected() {
        let mut summary = report().summary;
        let estimate = summary.estimate.as_mut().unwrap();
        *estimate = crate::summary::Estimate { active_ms: None, ..*estimate };
        let text = expected(&summary).unwrap();
        assert!(
            text.contains("cost ") && !text.contains("time") && !text.contains(" in "),
            "{text}"
        );
    }

    #[test]
    fn many_rules_take_several_lines() {
        let mut lines = Lines(String::new());
        let rules = (0..12).map(|number| format!("rule_{number} {number}"));
        lines.list("- filter", "86 (3.2%)".to_owned(), rules);
        insta::assert_snapshot!(lines.0, @"
        - filter       86 (3.2%)  rule_0 0  rule_1 1  rule_2 2  rule_3 3  rule_4 4
                       rule_5 5  rule_6 6  rule_7 7  rule_8 8  rule_9 9  rule_10 10
                       rule_11 11
        ");
    }

    #[test]
    fn a_script_reads_money_as_decimal_strings() {
        let value: serde_json::Value =
            serde_json::from_str(&super::super::to_json(&report())).unwrap();
        assert_eq!(value["stop_reason"], "target");
        assert_eq!(value["spent_usd"], "0.21814815");
        assert_eq!(value["unconfirmed_usd"], "0.0035");
        assert_eq!(value["budget_usd"], "5");
        assert_eq!(value["rejections"]["filter"]["keyword"], 41);
        assert_eq!(value["requests"], 277);
    }
}
