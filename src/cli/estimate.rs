//! `instructmill estimate`: what a run would cost, or what a budget would buy. Nothing is sent, no
//! key is needed, and no run directory is made.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::args::{ResponsesArgs, SettingsArgs};
use super::failure::CliError;
use super::generate::time;
use super::pipes;
use crate::config::{Environment, Money, SIMULATED, Settings};
use crate::headroom;
use crate::pipeline::{self, Plan};
use crate::report::{bytes, count};
use crate::usd::Usd;

/// Of a hundred candidates, so many are accepted, and outputs have so many per cent of the length of
/// the seed tasks' outputs: at best, as expected, at worst. Rates and lengths of Alpaca's and
/// Self-Instruct's runs are between.
const CASES: [(&str, u64, u64); 3] = [("low", 90, 60), ("expected", 75, 100), ("high", 45, 200)];
/// Stands for a key, which only a request would need.
const NO_KEY: &str = "not-needed";

#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(super) struct EstimateArgs {
    /// A TOML file with any of these settings by their names, with underscores
    #[arg(long, value_name = "FILE", env = "INSTRUCTMILL_CONFIG")]
    config: Option<PathBuf>,
    /// Print JSON; money is in decimal strings
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    responses: ResponsesArgs,
}

pub(super) fn run(args: EstimateArgs) -> Result<ExitCode, CliError> {
    let flags = Settings::from(args.settings).or(args.responses.into());
    let file = args.config.as_deref().map(pipes::read_settings).transpose()?.unwrap_or_default();
    let mut settings = flags.or(file);
    if settings.provider.is_none() && settings.model.is_none() && settings.base_url.is_none() {
        // As `generate` would without a key: nobody has to name a model for a rehearsal.
        settings.provider = Some(SIMULATED.to_owned());
    }
    let budget = settings.budget.map(|Money(budget)| budget);
    // Any will do: only a run needs one.
    settings.budget = settings.budget.or_else(|| "1000000".parse().ok());
    let environment = Environment {
        get: &|name| {
            let is_key = name.ends_with("KEY");
            std::env::var(name).ok().or_else(|| is_key.then(|| NO_KEY.to_owned()))
        },
    };
    let config = pipes::resolve(settings, environment)?;
    let plan = pipeline::estimate(&config)?;
    let text = if args.json { to_json(&plan, budget) } else { to_text(&plan, budget) };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// What is to be said when the tasks to come take more memory than this process may.
pub(super) fn too_little_memory(needed: u64, available: Option<u64>) -> Option<String> {
    let available = available.filter(|available| needed > *available)?;
    Some(format!(
        "the tasks to come take about {}, and {} can be had here: the run may\n{:<14} be killed on \
         its way. What it has bought by then stays, and the same\n{:<14} command goes on where there \
         is more; otherwise lower --target",
        bytes(needed),
        bytes(available),
        "",
        ""
    ))
}

/// Tasks that a budget buys when so many cost so much.
fn tasks_for(budget: Usd, tasks: u64, cost: Usd) -> Option<u64> {
    let bought = u128::from(budget.pico()) * u128::from(tasks);
    bought.checked_div(u128::from(cost.pico())).and_then(|tasks| u64::try_from(tasks).ok())
}

fn to_text(plan: &Plan, budget: Option<Usd>) -> String {
    let mut lines = Vec::new();
    let mut row = |label: &str, text: String| lines.push(format!("{label:<14} {text}"));
    for phase in &plan.phases {
        row("source", format!("{} · {}, {}", phase.provider, phase.model, phase.price_origin));
        row(
            phase.phase.as_str(),
            format!(
                "about {} requests, {} prompt and {} output tokens",
                count(phase.requests),
                count(phase.prompt_tokens),
                count(phase.output_tokens)
            ),
        );
    }
    if let Some(embedding) = &plan.embeddings {
        let text = format!("{}, about {} tokens", embedding.model, count(plan.embedded_tokens));
        row("embeddings", text);
    }
    row("target", format!("{} tasks, {}", count(plan.target), time(plan)));
    row("memory", format!("about {} at the target", bytes(plan.memory)));
    if let Some(text) = too_little_memory(plan.memory, headroom::available()) {
        row("", text);
    }
    for (name, accepted, length) in CASES {
        let cost = plan.cost_if(accepted, length);
        let mut text = format!(
            "{} if {accepted} of 100 candidates are accepted and outputs are {length}% as long as \
             the seeds'",
            cost.display(2)
        );
        let bought = budget.and_then(|budget| tasks_for(budget, plan.target, cost));
        if let (Some(budget), Some(tasks)) = (budget, bought) {
            text.push_str(&format!("; {} buy {} tasks", budget.display(2), count(tasks)));
        }
        row(name, text);
    }
    lines.join("\n") + "\n"
}

fn to_json(plan: &Plan, budget: Option<Usd>) -> String {
    let cases = CASES.map(|(name, accepted, length)| {
        let cost = plan.cost_if(accepted, length);
        let case = json!({
            "accepted_percent": accepted,
            "output_length_percent": length,
            "cost_usd": cost.to_string(),
            "tasks_for_budget": budget.and_then(|budget| tasks_for(budget, plan.target, cost)),
        });
        (name.to_owned(), case)
    });
    let phases: Vec<Value> = plan
        .phases
        .iter()
        .map(|phase| {
            json!({
                "phase": phase.phase.as_str(),
                "provider": phase.provider,
                "model": phase.model,
                "requests": phase.requests,
                "prompt_tokens": phase.prompt_tokens,
                "output_tokens": phase.output_tokens,
                "cost_usd": phase.cost.to_string(),
            })
        })
        .collect();
    let value = json!({
        "target": plan.target,
        "budget_usd": budget.map(|budget| budget.to_string()),
        "seconds": plan.duration().map(|duration| duration.as_secs()),
        "cases": Value::Object(cases.into_iter().collect()),
        "phases": phases,
        "embedded_tokens": plan.embedded_tokens,
        "memory_bytes": plan.memory,
        "embeddings_cost_usd": plan.embedding_cost().to_string(),
    });
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_buys_in_proportion() {
        let usd = |text: &str| text.parse::<Usd>().unwrap();
        assert_eq!(tasks_for(usd("5"), 1_000, usd("2")), Some(2_500));
        assert_eq!(tasks_for(usd("0.001"), 1_000, usd("2")), Some(0));
        assert_eq!(tasks_for(usd("5"), 1_000, Usd::ZERO), None);
    }

    #[test]
    fn memory_that_is_not_there_is_told() {
        assert_eq!(too_little_memory(1_400_000_000, None), None);
        assert_eq!(too_little_memory(1_400_000_000, Some(1_400_000_000)), None);
        insta::assert_snapshot!(too_little_memory(1_400_000_000, Some(512_000_000)).unwrap(), @"
        the tasks to come take about 1.4 GB, and 512 MB can be had here: the run may
                       be killed on its way. What it has bought by then stays, and the same
                       command goes on where there is more; otherwise lower --target
        ");
    }
}
