//! `instructmill models`: what the price table knows, and what a newer one says otherwise.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::failure::{CliError, say};
use crate::chat::ReasoningEffort;
use crate::config::ConfigError;
use crate::ledger::{Comparison, Difference, Entry, ModelFacts, Price, PriceTable, Rates, compare};
use crate::usd::Usd;

#[derive(Debug, Args)]
pub(super) struct ModelsArgs {
    /// Words in the name, the provider or the mode of a model [default: all models]
    pub(super) query: Vec<String>,
    /// A price table in LiteLLM's format, instead of the bundled one
    #[arg(long, value_name = "FILE", env = "INSTRUCTMILL_PRICES")]
    pub(super) prices: Option<PathBuf>,
    /// Say what a newer table in LiteLLM's format has otherwise; exit code 1 if anything
    #[arg(long, value_name = "FILE", conflicts_with = "query")]
    pub(super) check: Option<PathBuf>,
    /// Print JSON; money is in decimal strings
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &ModelsArgs) -> Result<ExitCode, CliError> {
    let table = match &args.prices {
        Some(path) => PriceTable::from_file(path).map_err(ConfigError::from)?,
        None => PriceTable::bundled(),
    };
    if let Some(path) = &args.check {
        let newer = PriceTable::from_file(path).map_err(ConfigError::from)?;
        return check(&table, &newer, args.json);
    }
    let entries = table.search(&args.query.join(" "));
    let text = if args.json { to_json(&table, &entries) } else { to_text(&table, &entries) };
    io::stdout().write_all(text.as_bytes())?;
    if entries.is_empty() && !args.json {
        say("no model has all of these words in its name, provider or mode");
    }
    Ok(ExitCode::SUCCESS)
}

/// An amount per token as one per million tokens.
fn million(amount: Usd) -> String {
    amount.saturating_mul(1_000_000).to_string()
}

const HEADER: [&str; 8] =
    ["MODEL", "PROVIDER", "IN", "CACHED", "OUT", "BATCH IN", "BATCH OUT", "OUTPUT TOKENS"];

fn to_text(table: &PriceTable, entries: &[Entry<'_>]) -> String {
    let mut rows = vec![(HEADER.map(str::to_owned), "NOTES".to_owned())];
    rows.extend(entries.iter().map(|entry| row(table, entry)));
    let widths: Vec<usize> = (0..HEADER.len())
        .map(|column| rows.iter().map(|(cells, _)| cells[column].chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut text = String::new();
    for (cells, notes) in rows.iter().filter(|_| !entries.is_empty()) {
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            // Names to the left, numbers to the right.
            let padded =
                if column < 2 { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") };
            text.push_str(&padded);
        }
        text.push_str(notes);
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let all = table.names().count();
    let shown = entries.len();
    let origin = table.origin();
    text + &format!("{shown} of {all} models · USD per million tokens · {origin}\n")
}

fn row(table: &PriceTable, entry: &Entry<'_>) -> ([String; 8], String) {
    let none = || "-".to_owned();
    let names = [entry.name.to_owned(), entry.provider.to_owned()];
    let [name, provider] = names;
    let facts = match table.lookup(entry.name) {
        Ok(Some(facts)) => facts,
        unusable => {
            let reason = unusable.err().map(|error| error.to_string()).unwrap_or_default();
            let reason = if entry.mode == "embedding" { "embeddings".to_owned() } else { reason };
            return ([name, provider, none(), none(), none(), none(), none(), none()], reason);
        }
    };
    let (price, batch) = (facts.price, facts.batch_price);
    let cells = [
        name,
        provider,
        million(price.input),
        million(price.cached_input),
        million(price.output),
        batch.map_or_else(none, |price| million(price.input)),
        batch.map_or_else(none, |price| million(price.output)),
        facts.max_output_tokens.map_or_else(none, |tokens| tokens.to_string()),
    ];
    (cells, notes(entry, &facts))
}

fn notes(entry: &Entry<'_>, facts: &ModelFacts) -> String {
    let traits = &facts.traits;
    let long = facts.price.long_context.map(|long| {
        let Rates { input, output, .. } = long.rates;
        format!("above {} tokens {} and {}", long.above, million(input), million(output))
    });
    let until = facts.deprecated.as_ref().map(|date| format!("until {date}"));
    let mode = Some(entry.mode).filter(|mode| *mode != "chat").map(str::to_owned);
    let is = |known: Option<bool>, wanted: bool, words: &str| {
        (known == Some(wanted)).then(|| words.to_owned())
    };
    let notes = [
        mode,
        is(traits.response_schema, true, "schema"),
        is(traits.reasoning, true, "reasoning"),
        is(traits.sampling, false, "no temperature"),
        is(traits.system_messages, false, "no system message"),
        long,
        until,
    ];
    notes.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn to_json(table: &PriceTable, entries: &[Entry<'_>]) -> String {
    let models: Vec<Value> = entries.iter().map(|entry| model_json(table, entry)).collect();
    pretty(&json!({"table": table.origin(), "models": models}))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn model_json(table: &PriceTable, entry: &Entry<'_>) -> Value {
    let mut model = json!({
        "model": entry.name,
        "provider": entry.provider,
        "mode": entry.mode,
    });
    let facts = match table.lookup(entry.name) {
        Ok(Some(facts)) => facts,
        unusable => {
            model["unusable"] = unusable.err().map(|error| error.to_string()).into();
            return model;
        }
    };
    model["usd_per_million_tokens"] = price_json(&facts.price);
    model["batch_usd_per_million_tokens"] = facts.batch_price.as_ref().map(price_json).into();
    model["max_input_tokens"] = facts.max_input_tokens.into();
    model["max_output_tokens"] = facts.max_output_tokens.into();
    model["cached_from_tokens"] = facts.cached_from_tokens.into();
    model["reasoning"] = facts.traits.reasoning.into();
    model["response_schema"] = facts.traits.response_schema.into();
    model["system_messages"] = facts.traits.system_messages.into();
    model["sampling"] = facts.traits.sampling.into();
    model["default_reasoning_effort"] =
        facts.traits.default_effort.map(ReasoningEffort::as_str).into();
    model["end_of_service"] = facts.deprecated.into();
    model["source"] = facts.source.into();
    model
}

fn price_json(price: &Price) -> Value {
    let rates = |rates: Rates| {
        json!({
            "input": million(rates.input),
            "cached_input": million(rates.cached_input),
            "cache_write": million(rates.cache_write),
            "output": million(rates.output),
            "reasoning": million(rates.reasoning),
        })
    };
    let mut value = rates(price.rates(0));
    if let Some(long) = price.long_context {
        value["long_context"] = rates(long.rates);
        value["long_context"]["above_prompt_tokens"] = long.above.into();
    }
    value
}

/// What differs; exit code 1 when something does.
fn check(table: &PriceTable, newer: &PriceTable, as_json: bool) -> Result<ExitCode, CliError> {
    let comparison = compare(table, newer);
    let text = if as_json {
        comparison_json(table, newer, &comparison)
    } else {
        comparison_text(table, newer, &comparison)
    };
    io::stdout().write_all(text.as_bytes())?;
    let same = comparison.differences.is_empty() && comparison.gone.is_empty();
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn comparison_text(table: &PriceTable, newer: &PriceTable, comparison: &Comparison) -> String {
    let Comparison { same, added, gone, differences } = comparison;
    let mut text = String::new();
    for difference in differences {
        let Difference { model, what, here, there } = difference;
        text += &format!("{model}: {what}\n  - {here}\n  + {there}\n");
    }
    for (names, words) in [(gone, "is not there any more"), (added, "is new")] {
        for name in names {
            text += &format!("{name}: {words}\n");
        }
    }
    text + &format!(
        "{same} models are the same, {} facts differ, {} models are gone, {} are new\n\
         - {}\n+ {}\n",
        differences.len(),
        gone.len(),
        added.len(),
        table.origin(),
        newer.origin()
    )
}

fn comparison_json(table: &PriceTable, newer: &PriceTable, comparison: &Comparison) -> String {
    let Comparison { same, added, gone, differences } = comparison;
    let differences: Vec<Value> = differences
        .iter()
        .map(|d| json!({"model": d.model, "fact": d.what, "here": d.here, "there": d.there}))
        .collect();
    pretty(&json!({
        "table": table.origin(),
        "newer": newer.origin(),
        "same": same,
        "differences": differences,
        "gone": gone,
        "new": added,
    }))
}
