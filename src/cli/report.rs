//! `instructmill report`: a run as one page.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::failure::{CliError, say};
use super::output::check_output;
use super::status;
use crate::export::AtomicFile;
use crate::pipeline;
use crate::report::to_html;
use crate::store::RunDir;

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The run directory
    #[arg(long, value_name = "DIR", default_value = "output/simulated", env = "INSTRUCTMILL_RUN")]
    pub(super) run: PathBuf,
    /// The file to write, whole or not at all (`-` for stdout)
    #[arg(long, short, value_name = "FILE", default_value = "report.html")]
    pub(super) output: PathBuf,
}

pub(super) fn run(args: &ReportArgs) -> Result<ExitCode, CliError> {
    let dir = RunDir::new(&args.run);
    let reader = dir.read()?;
    let settings = status::settings(&dir)?;
    let figures = reader.snapshot::<_, CliError>(|| {
        let (state, summary) = (reader.state()?, reader.summary()?);
        let simulated = pipeline::is_simulated(&reader)?;
        let totals = status::report(&dir, &settings, simulated, state, summary);
        Ok(pipeline::run_figures(&reader, &settings, totals)?)
    })?;
    let page = to_html(&figures);
    if args.output == Path::new("-") {
        io::stdout().write_all(page.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    check_output(&dir, &args.output)?;
    let mut file = AtomicFile::create(&args.output)?;
    file.write_all(page.as_bytes())?;
    file.commit()?;
    say(&format!("report on {} in {}", args.run.display(), args.output.display()));
    Ok(ExitCode::SUCCESS)
}
