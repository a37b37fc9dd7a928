//! `instructmill simulate`: the simulated provider as a server.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::args::SimulateArgs;
use super::failure::{CliError, say};
use crate::config::Money;
use crate::ledger::per_million;
use crate::pipeline::{self, Shutdown};
use crate::simulator::{Simulator, SimulatorSettings};
use crate::usd::Usd;

pub(super) fn run(args: SimulateArgs) -> Result<ExitCode, CliError> {
    let address = SocketAddr::new(args.host, args.port);
    let settings = SimulatorSettings {
        seed: args.seed,
        model: args.model,
        price_in: per_token("price-in", args.price_in)?,
        price_out: per_token("price-out", args.price_out)?,
        price_cached: None,
        cached_percent: 0,
        reasoning_tokens: args.reasoning_tokens,
        rpm: args.rpm,
        tpm: args.tpm,
        latency_ms: args.latency_ms,
        faults: args.faults.parse().map_err(|e| CliError::usage(format!("--faults: {e}")))?,
        api_key: args.api_key,
        quota: args.quota.map(|money| money.0),
        reject_params: args.reject_params,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(settings, address))
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
