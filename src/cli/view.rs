//! `instructmill view`: a run's rows in a browser.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::failure::{CliError, say};
use super::status;
use crate::config::{Environment, RunConfig, SEEDS_KEY, Settings};
use crate::pipeline::{self, Shutdown};
use crate::store::{RunDir, RunReader};
use crate::task::{Candidate, Compared};
use crate::viewer::{Models, ViewedRun, Viewer, ViewerError};

#[derive(Debug, Args)]
pub(super) struct ViewArgs {
    /// The run directory
    #[arg(long, value_name = "DIR", default_value = "output/simulated", env = "INSTRUCTMILL_RUN")]
    pub(super) run: PathBuf,
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) port: u16,
}

pub(super) fn run(args: &ViewArgs) -> Result<ExitCode, CliError> {
    let dir = RunDir::new(&args.run);
    let reader = dir.read()?;
    let viewed = viewed(dir.clone(), &reader, status::settings(&dir)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(viewed, args.port))
}

fn viewed(dir: RunDir, reader: &RunReader, settings: Settings) -> Result<ViewedRun, CliError> {
    let compare = settings.compare.as_deref().and_then(Compared::by_name).unwrap_or_default();
    let simulated = pipeline::is_simulated(reader)?;
    let models = models(&settings);
    // A viewer sends nothing, so it needs no key: a placeholder stands in for it.
    let environment = Environment { get: &|_name| Some("unused-by-view".to_owned()) };
    let own = settings.similarity.clone().unwrap_or_default();
    let known = reader.meta(SEEDS_KEY)?;
    let seeds = match RunConfig::resolve(settings, environment) {
        Ok(config) if known.as_deref() == Some(&config.seeds.sha256) => {
            Ok(config.seeds.tasks.iter().map(|seed| seed_text(seed, compare)).collect())
        }
        Ok(_) => Err("The seed file is not the one that the run began with.".to_owned()),
        Err(error) => Err(format!("The seed tasks cannot be read any more: {error}.")),
    };
    Ok(ViewedRun { dir, models, simulated, similarity: own, compare, seeds })
}

fn models(settings: &Settings) -> Models {
    let first = settings.first_model().unwrap_or_default();
    if settings.has_two_phases() {
        Models::of_two_phases(first, settings.output_model().unwrap_or_default())
    } else {
        Models::of_tasks(first)
    }
}

fn seed_text(seed: &crate::task::SeedTask, compare: Compared) -> String {
    let (input, output) = seed
        .instances
        .first()
        .map_or_else(Default::default, |first| (first.input.clone(), first.output.clone()));
    compare.text(&Candidate { instruction: seed.instruction.clone(), input, output }).into_owned()
}

async fn serve(run: ViewedRun, port: u16) -> Result<ExitCode, CliError> {
    let (mut shutdown, listener) = pipeline::listen()?;
    let path = run.dir.path().display().to_string();
    let viewer = Viewer::start(run, port).await?;
    say(&format!("viewing {path} at {} until Ctrl-C", viewer.url()));
    tokio::select! {
        () = listener => {}
        _ = shutdown.wait_for(|level| *level != Shutdown::No) => {}
    }
    drop(viewer);
    Ok(ExitCode::SUCCESS)
}

impl From<ViewerError> for CliError {
    fn from(error: ViewerError) -> Self {
        match error {
            ViewerError::Store(error) => error.into(),
            ViewerError::Listen { .. } => Self::failure(error.to_string())
                .with_hint("give another --port; 0 takes a free one"),
            ViewerError::Random => Self::failure(error.to_string()),
        }
    }
}
