//! What can be wrong with a configuration, and the mend.

use super::settings::Change;
use crate::benchmark::BenchmarkError;
use crate::filter::FilterError;
use crate::ledger::{PriceError, PriceTableError};
use crate::pool::SeedError;
use crate::provider::{ApiKeyError, BaseUrlError};

/// What can be wrong with a configuration. Nothing has been sent or spent yet.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A setting's value cannot be used.
    #[error("--{flag}: {message}")]
    Value {
        /// The flag's name; the same setting in a file has underscores.
        flag: &'static str,
        /// What is wrong and how to mend it.
        message: String,
    },
    /// A real API was asked for, but nothing says which model.
    #[error("no model is named: give --model NAME (or --provider simulated for a rehearsal)")]
    NoModel,
    /// Several providers serve the model.
    #[error("`{model}` is served by {}: name one with --provider", .providers.join(", "))]
    Providers {
        /// The model.
        model: String,
        /// Their names.
        providers: Vec<&'static str>,
    },
    /// The provider has no address of its own.
    #[error("no address is known: give --base-url{}", .variable.map(|name| format!(", or set {name}")).unwrap_or_default())]
    NoBaseUrl {
        /// The variable that was looked at.
        variable: Option<&'static str>,
    },
    /// The API needs a key.
    #[error(
        "no API key: set the environment variable {variable}, or name another with --api-key-env"
    )]
    NoKey {
        /// The variable that was looked at.
        variable: String,
    },
    /// The key cannot be one.
    #[error("the API key in {variable} cannot be used: {source}")]
    Key {
        /// The variable.
        variable: String,
        /// What is wrong with it.
        source: ApiKeyError,
    },
    /// Nobody knows what the model costs.
    #[error(
        "the price of `{model}` is not known: give --price-in and --price-out in USD per million \
         tokens (0 for a server of your own), the table's name of it with --price-model, or a \
         newer table with --prices{similar}"
    )]
    UnknownPrice {
        /// The model.
        model: String,
        /// Names that are much like it, as the end of the sentence.
        similar: String,
    },
    /// The table has a price of nothing for a service.
    #[error(
        "{origin} says that `{model}` costs nothing, which is also what it says of models whose \
         price is not known: give --price-in and --price-out in USD per million tokens (0 if it \
         is free indeed)"
    )]
    Free {
        /// Which table.
        origin: String,
        /// The model.
        model: String,
    },
    /// The table has no price of batches with the model.
    #[error(
        "the price of batches with `{model}` is not known to {origin}: give that price with \
         --price-in and --price-out in USD per million tokens, or leave out --batch"
    )]
    NoBatchPrice {
        /// Which table.
        origin: String,
        /// The model.
        model: String,
    },
    /// A price from the flags.
    #[error("--{flag}: {source}")]
    Price {
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        source: PriceError,
    },
    /// The price table.
    #[error(transparent)]
    Table(#[from] PriceTableError),
    /// A cap is needed.
    #[error("--budget is required: `{model}` costs money. Give the most that may be spent, in USD")]
    NoBudget {
        /// The model.
        model: String,
    },
    /// The seed tasks.
    #[error(transparent)]
    Seeds(#[from] SeedError),
    /// The benchmarks.
    #[error(transparent)]
    Benchmarks(#[from] BenchmarkError),
    /// The filters.
    #[error(transparent)]
    Filters(#[from] FilterError),
    /// The base URL.
    #[error("--base-url: {0}")]
    BaseUrl(#[from] BaseUrlError),
    /// Something in the table of a phase, or what it takes from the settings above it.
    #[error("in [{table}]: {source}")]
    Phase {
        /// The table's name.
        table: &'static str,
        /// What is wrong.
        source: Box<Self>,
    },
    /// The run began with other settings.
    #[error("the run began with other settings: {}", list(.0))]
    Changed(Vec<Change>),
    /// Batches are open at another place than requests would go to, or under another key.
    #[error(
        "{batches} {} open at the provider, and would be looked for elsewhere: {}",
        if *.batches == 1 { "batch is" } else { "batches are" },
        list(.changes)
    )]
    BatchesElsewhere {
        /// How many batches.
        batches: usize,
        /// The settings that say where.
        changes: Vec<Change>,
    },
    /// The run began with other benchmarks, or none.
    #[error(
        "the run began with {}, and --decontaminate names {}",
        if *.before { "other benchmark texts" } else { "no benchmark" },
        if *.now { "other ones now" } else { "none now" }
    )]
    BenchmarksChanged {
        /// Whether there were any.
        before: bool,
        /// Whether there are any.
        now: bool,
    },
    /// The run began with other seed tasks.
    #[error("the run began with other seed tasks than {path} holds now")]
    SeedsChanged {
        /// The seed file.
        path: String,
    },
}

impl ConfigError {
    /// What a person can do about it; empty when the message says it already.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Changed(_) | Self::SeedsChanged { .. } | Self::BenchmarksChanged { .. } => {
                "the tasks of a run follow from one configuration: start another run with a new \
                 --run directory, or derive this one again with `instructmill replay`"
            }
            Self::BatchesElsewhere { .. } => {
                "go on with the address and the key of before until these batches are at their end; \
                 `status` lists them"
            }
            _ => "",
        }
    }
}

fn list(changes: &[Change]) -> String {
    let each = changes.iter().map(|c| format!("{} was {} and is now {}", c.key, c.before, c.now));
    each.collect::<Vec<_>>().join("; ")
}
