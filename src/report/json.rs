//! The totals for scripts: `summary.json` and `status --json`. Money is a decimal string.

use serde_json::{Map, Value, json};

use super::RunReport;
use crate::chat::TokenUsage;
use crate::event::Stage;
use crate::summary::{BatchTotals, EndpointTotals, Estimate, PhaseTotals, Summary};
use crate::usd::Usd;

/// The report as a JSON object, pretty-printed, with a final line break.
pub fn to_json(report: &RunReport) -> String {
    format!("{:#}\n", to_value(report))
}

/// The report as a JSON object in one line, with a final line break.
pub fn to_json_line(report: &RunReport) -> String {
    format!("{}\n", to_value(report))
}

/// The report as a JSON object.
pub fn to_value(report: &RunReport) -> Value {
    let summary = &report.summary;
    let attempts = &summary.attempts;
    json!({
        "run": report.run.display().to_string(),
        "state": report.state.as_str(),
        "stop_reason": report.stop_reason.map(crate::summary::StopReason::as_str),
        "message": report.message,
        "provider": report.provider,
        "model": report.model,
        "output_model": report.output_model,
        "simulated": report.simulated,
        "accepted": summary.accepted,
        "target": report.target,
        "open_tasks": summary.open_tasks,
        "candidates": summary.candidates(),
        "acceptance_rate": summary.acceptance_rate(),
        "rejections": rejections(summary),
        "requests": summary.requests,
        "attempts": attempts.sent,
        "retries": summary.retries(),
        "responses": attempts.answered,
        "rate_limited": attempts.rate_limited,
        "refused": attempts.refused,
        "unconfirmed_attempts": attempts.unconfirmed,
        "unjudged_responses": summary.unjudged_responses,
        "tokens": tokens(&summary.usage),
        "cached_share": summary.cached_share(),
        "phases": phases(summary),
        "endpoints": endpoints(summary),
        "batches": summary.batches.iter().map(batch).collect::<Vec<_>>(),
        "budget_usd": report.budget.map(money),
        "spent_usd": money(summary.spent),
        "reserved_usd": money(summary.reserved),
        "unconfirmed_usd": money(summary.unconfirmed),
        "usd_per_1000_tasks": summary.usd_per_thousand().map(money),
        "active_seconds": seconds(summary.active_ms),
        "estimate": summary.estimate.map(|estimate| expected(&estimate, summary.accepted)),
    })
}

fn tokens(usage: &TokenUsage) -> Value {
    json!({
        "input": usage.input,
        "cached_input": usage.cached_input,
        "cache_write": usage.cache_write,
        "output": usage.output,
        "reasoning": usage.reasoning,
    })
}

/// `{"tasks": {"attempts": 12, …}}`, for the phases that the run has had.
fn phases(summary: &Summary) -> Value {
    let totals = |totals: &PhaseTotals| {
        json!({
            "attempts": totals.attempts,
            "tokens": tokens(&totals.usage),
            "spent_usd": money(totals.spent),
            "reserved_usd": money(totals.reserved),
            "unconfirmed_usd": money(totals.unconfirmed),
        })
    };
    let phases = summary.by_phase.iter();
    Value::Object(phases.map(|(phase, t)| (phase.as_str().to_owned(), totals(t))).collect())
}

/// `{"https://api.example/v1": {"attempts": 12, …}}`, where there was a choice of places.
fn endpoints(summary: &Summary) -> Value {
    let totals = |totals: &EndpointTotals| {
        json!({
            "attempts": totals.attempts,
            "answered": totals.answered,
            "rate_limited": totals.rate_limited,
            "refused": totals.refused,
            "tokens": totals.tokens,
            "spent_usd": money(totals.spent),
        })
    };
    Value::Object(summary.by_endpoint.iter().map(|(name, t)| (name.clone(), totals(t))).collect())
}

/// What was expected of the whole run, and of the tasks that are there.
fn expected(estimate: &Estimate, accepted: u64) -> Value {
    json!({
        "by": if estimate.calibrated { "run" } else { "seeds" },
        "tasks": estimate.tasks,
        "cost_usd": money(estimate.cost),
        "active_seconds": estimate.active_ms.map(seconds),
        "cost_usd_so_far": money(estimate.cost_of(accepted)),
        "active_seconds_so_far": estimate.active_ms_of(accepted).map(seconds),
    })
}

fn batch(batch: &BatchTotals) -> Value {
    json!({
        "number": batch.number,
        "phase": batch.phase.as_str(),
        "open": batch.is_open,
        "state": batch.state,
        "id": batch.remote_id,
        "requests": batch.requests,
        "completed": batch.completed,
        "failed": batch.failed,
    })
}

fn money(amount: Usd) -> String {
    amount.to_string()
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run are far below 2^52")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1_000.0
}

/// `{"filter": {"too_short": 12}}`, with every stage there.
fn rejections(summary: &Summary) -> Value {
    let mut stages: Map<String, Value> =
        Stage::ALL.iter().map(|stage| (stage.as_str().to_owned(), json!({}))).collect();
    for ((stage, rule), count) in &summary.rejections {
        if let Some(rules) = stages.get_mut(stage.as_str()) {
            rules[rule.as_str()] = json!(count);
        }
    }
    Value::Object(stages)
}
