//! The `instructmill` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    instructmill::cli::run()
}
