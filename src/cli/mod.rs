//! The command line: the only place that knows flags, stdout, stderr and exit codes.
//!
//! stdout is data, stderr is talk. Exit codes: 0 when a run stopped by design (target, budget,
//! `--max-requests`), 1 for failures, 2 for usage and configuration, 130 when interrupted.

mod args;
mod dedup;
mod export;
mod failure;
mod generate;
mod logs;
mod progress;
mod replay;
mod simulate;
mod status;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
pub use failure::CliError;

/// Runs the program with the process's arguments.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    logs::start(arguments.verbose);
    let result = match arguments.command {
        Command::Generate(args) => generate::run(*args),
        Command::Status(args) => status::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Dedup(args) => dedup::run(&args),
        Command::Simulate(args) => simulate::run(args),
    };
    match result {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}
