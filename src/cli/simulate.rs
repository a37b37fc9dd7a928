//! `instructmill simulate`: the simulated provider as a server.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use clap::Args;

use super::failure::{CliError, say};
use crate::config::Money;
use crate::ledger::per_million;
use crate::pipeline::{self, Shutdown};
use crate::simulator::{LimitsChange, Simulator, SimulatorSettings};
use crate::usd::Usd;

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// The port; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    pub(super) port: u16,
    /// The address
    #[arg(long, default_value = "127.0.0.1")]
    pub(super) host: IpAddr,
    /// Seeds what is written
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// The only model that exists [default: any]
    #[arg(long)]
    pub(super) model: Option<String>,
    /// USD per million prompt tokens
    #[arg(long, value_name = "USD", default_value = "0.15")]
    pub(super) price_in: Money,
    /// USD per million output tokens
    #[arg(long, value_name = "USD", default_value = "0.60")]
    pub(super) price_out: Money,
    /// USD per million prompt tokens from the cache [default: --price-in]
    #[arg(long, value_name = "USD")]
    pub(super) price_cached: Option<Money>,
    /// USD per million prompt tokens that a request puts into the cache [default: --price-in]
    #[arg(long, value_name = "USD")]
    pub(super) price_cache_write: Option<Money>,
    /// USD per million tokens of texts that are embedded
    #[arg(long, value_name = "USD", default_value = "0.02")]
    pub(super) embedding_price: Money,
    /// How long a batch takes, in milliseconds; its requests cost half
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(super) batch_latency_ms: u64,
    /// Hidden reasoning before each answer, in output tokens
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) reasoning_tokens: u64,
    /// Requests per minute [default: no limit]
    #[arg(long, value_name = "N")]
    pub(super) rpm: Option<u64>,
    /// Tokens per minute, `max_tokens` counted at admission [default: no limit]
    #[arg(long, value_name = "N")]
    pub(super) tpm: Option<u64>,
    /// Enforce --rpm and --tpm by the second, with a burst of one second's worth
    #[arg(long)]
    pub(super) smooth: bool,
    /// Keep the limits from the client: no headers say them
    #[arg(long)]
    pub(super) hide_limits: bool,
    /// Other limits so many seconds after the first request, such as 30s:rpm=300,tpm=90000
    #[arg(long = "limits-change", value_name = "CHANGE")]
    pub(super) limits_changes: Vec<LimitsChange>,
    /// Write so many answers at once, and let other requests wait [default: any number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) slots: Option<u32>,
    /// Mean latency in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(super) latency_ms: u64,
    /// Faults and their probabilities, such as 429:0.02,drop:0.01
    #[arg(long, value_name = "LIST", default_value = "")]
    pub(super) faults: String,
    /// The only key that is accepted [default: any or none]
    #[arg(long, value_name = "KEY")]
    pub(super) api_key: Option<String>,
    /// Refuse an answer that would take the bill above this, with `insufficient_quota`
    #[arg(long, value_name = "USD")]
    pub(super) quota: Option<Money>,
    /// Refuse requests with this parameter, as some models do
    #[arg(long = "reject-param", value_name = "NAME")]
    pub(super) reject_params: Vec<String>,
}

pub(super) fn run(args: SimulateArgs) -> Result<ExitCode, CliError> {
    let address = SocketAddr::new(args.host, args.port);
    let mut limits_changes = args.limits_changes;
    limits_changes.sort_by_key(|change| change.after);
    let settings = SimulatorSettings {
        seed: args.seed,
        model: args.model,
        price_in: per_token("price-in", args.price_in)?,
        price_out: per_token("price-out", args.price_out)?,
        price_cached: optional("price-cached", args.price_cached)?,
        price_cache_write: optional("price-cache-write", args.price_cache_write)?,
        cached_percent: 0,
        reasoning_tokens: args.reasoning_tokens,
        price_embedding: per_token("embedding-price", args.embedding_price)?,
        price_batch_in: None,
        price_batch_out: None,
        batch_latency_ms: args.batch_latency_ms,
        batch_tokens: None,
        hides_batches: false,
        rpm: args.rpm,
        tpm: args.tpm,
        smooth: args.smooth,
        hides_limits: args.hide_limits,
        limits_changes,
        slots: args.slots.map(|slots| slots as usize),
        latency_ms: args.latency_ms,
        faults: args.faults.parse().map_err(|e| CliError::usage(format!("--faults: {e}")))?,
        api_key: args.api_key,
        quota: args.quota.map(|money| money.0),
        reject_params: args.reject_params,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(settings, address))
}

fn optional(flag: &str, price: Option<Money>) -> Result<Option<Usd>, CliError> {
    price.map(|price| per_token(flag, price)).transpose()
}

fn per_token(flag: &str, price: Money) -> Result<Usd, CliError> {
    per_million(price.0).map_err(|error| CliError::usage(format!("--{flag}: {error}")))
}

async fn serve(settings: SimulatorSettings, address: SocketAddr) -> Result<ExitCode, CliError> {
    let (mut shutdown, listener) = pipeline::listen()?;
    let simulator = Simulator::start(settings, address).await.map_err(|error| {
        CliError::failure(format!("cannot listen on {address}: {error}"))
            .with_hint("give another --port; 0 takes a free one")
    })?;
    say(&format!(
        "SIMULATED provider at {}. What it answers is made up: do not train on it.\n\
         Its bill is at http://{}/simulator/bill. Ctrl-C ends it.",
        simulator.base_url(),
        simulator.addr()
    ));
    tokio::select! {
        () = listener => {}
        _ = shutdown.wait_for(|level| *level != Shutdown::No) => {}
    }
    let bill = simulator.bill();
    simulator.stop().await;
    say(&format!("served {} requests, billed {} USD", bill.requests, bill.cost));
    Ok(ExitCode::SUCCESS)
}
