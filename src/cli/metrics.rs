//! `generate --metrics`: what the live view shows, for Prometheus. Labels are names of this program,
//! so their number has a bound; texts of models, servers and files are in none.

use tokio::sync::watch;

use super::failure::{CliError, say};
use crate::event::Phase;
use crate::metrics::{Address, Exposition, Kind, MetricsServer};
use crate::pipeline::{LaneSnapshot, Snapshot};
use crate::usd::Usd;

/// Serves the metrics of a run for as long as the answer lives.
pub(super) async fn serve(
    address: Address,
    snapshots: watch::Receiver<Snapshot>,
) -> Result<MetricsServer, CliError> {
    let source = move || {
        let snapshot = snapshots.borrow();
        // It has a target from the first one that the pipeline publishes.
        (snapshot.target > 0).then(|| text(&snapshot))
    };
    let server = MetricsServer::start(address, source).await.map_err(|error| {
        let message = format!("metrics cannot be served at {address}: {error}");
        CliError::usage(message).with_hint("give --metrics another port, or 0 for a free one")
    })?;
    let who = if address.is_loopback() { "" } else { ", for all who reach that address" };
    say(&format!("{:<14} {}{who}", "metrics", server.url()));
    Ok(server)
}

fn text(snapshot: &Snapshot) -> String {
    let mut text = Exposition::default();
    let build = [([("version", super::VERSION)], 1)];
    text.family(Kind::Gauge, "instructmill_build_info", "The program.", build);
    tasks(&mut text, snapshot);
    money(&mut text, snapshot);
    requests(&mut text, snapshot);
    apis(&mut text, snapshot);
    times(&mut text, snapshot);
    text.into_text()
}

fn tasks(text: &mut Exposition, snapshot: &Snapshot) {
    let summary = &snapshot.summary;
    let help = "Tasks accepted, over all sessions of the run.";
    text.value(Kind::Counter, "instructmill_accepted_tasks_total", help, summary.accepted);
    let help = "Accepted tasks wanted.";
    text.value(Kind::Gauge, "instructmill_target_tasks", help, snapshot.target);
    let help = "Instructions that wait for a request for their outputs.";
    text.value(Kind::Gauge, "instructmill_waiting_tasks", help, snapshot.waiting);
    let help = "Candidates turned away, by the rule that did.";
    let rejections = summary.rejections.iter();
    let rejections = rejections.map(|((stage, rule), count)| {
        ([("stage", stage.as_str()), ("rule", rule.as_str())], *count)
    });
    text.family(Kind::Counter, "instructmill_rejected_candidates_total", help, rejections);
}

fn money(text: &mut Exposition, snapshot: &Snapshot) {
    let money = &snapshot.money;
    let help = "Cost of answered requests, in USD.";
    text.value(Kind::Counter, "instructmill_spent_usd_total", help, decimal(money.spent));
    for (name, help, amount) in [
        ("reserved", "Worst-case cost of requests under way, in USD.", money.reserved),
        (
            "unconfirmed",
            "Worst-case cost of requests whose outcome is unknown, in USD.",
            money.unconfirmed,
        ),
    ] {
        text.value(Kind::Gauge, &format!("instructmill_{name}_usd"), help, decimal(amount));
    }
    let budget = money.budget.map(|budget| ([], decimal(budget)));
    text.family(
        Kind::Gauge,
        "instructmill_budget_usd",
        "The most that may be spent, in USD.",
        budget,
    );
}

fn decimal(amount: Usd) -> String {
    amount.to_string()
}

fn requests(text: &mut Exposition, snapshot: &Snapshot) {
    let (attempts, usage) = (&snapshot.summary.attempts, &snapshot.summary.usage);
    let outcomes = [
        ("answered", attempts.answered),
        ("rate_limited", attempts.rate_limited),
        ("refused", attempts.refused),
        ("unconfirmed", attempts.unconfirmed),
    ];
    let help = "Attempts at requests that are over, by outcome. One that was answered without \
        credible usage is unconfirmed as well.";
    let outcomes = outcomes.map(|(outcome, count)| ([("outcome", outcome)], count));
    text.family(Kind::Counter, "instructmill_request_attempts_total", help, outcomes);
    let help = "Requests begun, over all sessions of the run.";
    text.value(Kind::Counter, "instructmill_requests_total", help, snapshot.summary.requests);
    let classes = [
        ("input", usage.input),
        ("cached_input", usage.cached_input),
        ("cache_write", usage.cache_write),
        ("output", usage.output),
    ];
    let help = "Tokens of answered requests, by class.";
    let classes = classes.map(|(class, count)| ([("class", class)], count));
    text.family(Kind::Counter, "instructmill_tokens_total", help, classes);
    let help = "Output tokens that were hidden reasoning.";
    text.value(Kind::Counter, "instructmill_reasoning_tokens_total", help, usage.reasoning);
}

/// A sample for each API.
fn apis(text: &mut Exposition, snapshot: &Snapshot) {
    let mut family = |name: &str, help: &str, value: &dyn Fn(&LaneSnapshot) -> Option<u64>| {
        let samples = snapshot.lanes.iter().filter_map(|lane| {
            let api = lane.phase.map_or("completions", Phase::as_str);
            Some(([("api", api)], value(lane)?))
        });
        text.family(Kind::Gauge, &format!("instructmill_{name}"), help, samples);
    };
    family("requests_in_flight", "Requests under way or waiting for the rate limit.", &|lane| {
        u64::try_from(lane.in_flight).ok()
    });
    family("requests_last_minute", "Requests that left in the last minute.", &|lane| {
        Some(lane.rates.requests)
    });
    family("tokens_last_minute", "Tokens of requests that left in the last minute.", &|lane| {
        Some(lane.rates.tokens)
    });
    family("request_limit_per_minute", "Requests that may leave in a minute.", &|lane| {
        lane.limits.requests_per_minute
    });
    family("token_limit_per_minute", "Tokens that may leave in a minute.", &|lane| {
        lane.limits.tokens_per_minute
    });
    family("pause_seconds", "How much longer nothing leaves after a 429.", &|lane| {
        Some(lane.paused_for.unwrap_or_default().as_secs())
    });
}

fn times(text: &mut Exposition, snapshot: &Snapshot) {
    let help = "Pauses begun after a 429, in this session.";
    text.value(Kind::Counter, "instructmill_rate_limit_pauses_total", help, snapshot.pauses);
    let help = "Time since the last answer, or since the session began.";
    let quiet = snapshot.quiet.as_secs_f64();
    text.value(Kind::Gauge, "instructmill_seconds_since_answer", help, quiet);
    let help = "Time until requests were answered, in this session.";
    let latencies = snapshot.latencies.iter().map(|(phase, read)| (phase.as_str(), read));
    text.histograms("instructmill_answer_latency_seconds", help, "phase", latencies);
    let help = "Time until commits to the journal were durable, in this session.";
    text.histograms("instructmill_journal_commit_seconds", help, "", [("", &snapshot.commits)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stage;

    #[test]
    fn a_run_reads_like_this() {
        let mut snapshot = Snapshot { target: 100, ..Snapshot::default() };
        snapshot.summary.accepted = 30;
        snapshot.summary.rejections.insert((Stage::Novelty, "rouge-l".into()), 4);
        snapshot.money.spent = "0.25".parse().unwrap();
        snapshot.money.budget = Some("5".parse().unwrap());
        snapshot.lanes = vec![LaneSnapshot { in_flight: 3, ..LaneSnapshot::default() }];
        snapshot.pauses = 2;
        let text = text(&snapshot);
        for line in [
            "instructmill_accepted_tasks_total 30",
            "instructmill_rejected_candidates_total{stage=\"novelty\",rule=\"rouge-l\"} 4",
            "instructmill_spent_usd_total 0.25",
            "instructmill_budget_usd 5",
            "instructmill_requests_in_flight{api=\"completions\"} 3",
            "instructmill_rate_limit_pauses_total 2",
        ] {
            assert!(text.lines().any(|it| it == line), "no {line} in\n{text}");
        }
        assert!(!text.contains("request_limit_per_minute"), "no limit is no sample");
    }
}
