//! The command line: the only place that knows flags, stdout, stderr and exit codes.
//!
//! stdout is data, stderr is talk. Exit codes: 0 when a run stopped by design (target, budget,
//! `--max-requests`), 1 for failures, 2 for usage and configuration, 130 when interrupted.

mod args;
mod dedup;
mod ending;
mod estimate;
mod export;
mod failure;
mod generate;
mod init;
mod logs;
mod metrics;
mod models;
mod output;
mod pilot;
mod pipes;
mod progress;
mod question;
mod reference;
mod replay;
mod report;
mod shell;
mod simulate;
mod status;
mod view;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
pub use failure::CliError;

/// The version, with the commit where `build.rs` knows it.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("INSTRUCTMILL_COMMIT"));

/// Runs the program with the process's arguments.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    logs::start(arguments.verbose);
    if let Some(format) = &arguments.log_format
        && let Err(error) = logs::use_format(format)
    {
        return error.report();
    }
    let result = match arguments.command {
        Command::Generate(args) => generate::run(*args),
        Command::Estimate(args) => estimate::run(*args),
        Command::Status(args) => status::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Report(args) => report::run(&args),
        Command::View(args) => view::run(&args),
        Command::Dedup(args) => dedup::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Simulate(args) => simulate::run(args),
        Command::Init(args) => init::run(&args),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
        Command::Reference => reference::run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}
