//! `instructmill completions` and `instructmill man`: what a package installs beside the program.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::args::Arguments;
use super::failure::{CliError, say};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The folder to write them to, such as ~/.local/share/man/man1
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(args.shell, &mut command, "instructmill", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// One page for the program and one for each command.
pub(super) fn man(args: &ManArgs) -> Result<ExitCode, CliError> {
    let failed = |error: io::Error| {
        CliError::failure(format!("cannot write man pages to {}: {error}", args.output.display()))
    };
    fs::create_dir_all(&args.output).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), &args.output).map_err(failed)?;
    say(&format!("man pages are in {}", args.output.display()));
    Ok(ExitCode::SUCCESS)
}
