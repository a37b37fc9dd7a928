//! `instructmill replay`: the accepted tasks again, from the journal, at no cost.

use std::path::Path;
use std::process::ExitCode;

use super::args::ReplayArgs;
use super::export::{say_simulated, to_output};
use super::failure::{CliError, say};
use super::output::check_output;
use super::pipes;
use crate::config::{ConfigError, Environment, RunConfig, SEEDS_KEY, Settings};
use crate::novelty::Combination;
use crate::pipeline::{self, ReplayTotals};
use crate::report::count;
use crate::store::{RowId, RunDir, RunReader};
use crate::task::{AcceptedTask, Candidate, Provenance};

/// What to do about a seed file that is not there, or is another one.
const NAME_SEEDS: &str = "name the file that the run began with: --seeds FILE";

pub(super) fn run(args: &ReplayArgs) -> Result<ExitCode, CliError> {
    let dir = RunDir::new(&args.run);
    let reader = dir.read()?;
    let begun = pipeline::stored_settings(&dir)?.unwrap_or_default();
    // A replay sends nothing, so it needs no key: a placeholder stands in for it.
    let environment = Environment { get: &|_name| Some("unused-by-replay".to_owned()) };
    ensure_embeddings(args, &begun)?;
    let config = pipes::resolve(changed(args).or(begun), environment).map_err(|error| {
        let is_of_seeds = matches!(error, ConfigError::Seeds(_)) && args.seeds.is_none();
        let error = CliError::from(error);
        if is_of_seeds { error.with_hint(NAME_SEEDS) } else { error }
    })?;
    check_seeds(&config, &reader)?;
    say_simulated(&reader)?;
    let mut comparison = Comparison::new(&reader, config.output_model())?;
    let (marks, mut left_out) = (reader.marks()?, 0);
    let totals = match &args.output {
        None => pipeline::replay::<CliError>(&config, &reader, |task| {
            comparison.compare(task);
            Ok(())
        })?,
        Some(path) => {
            let output = Some(path.as_path()).filter(|path| *path != Path::new("-"));
            output.map_or(Ok(()), |output| check_output(&dir, output))?;
            to_output(&args.format, output, |rows| {
                pipeline::replay::<CliError>(&config, &reader, |task| {
                    comparison.compare(task);
                    if marks.rows().contains(&place(task)) {
                        left_out += 1;
                        return Ok(());
                    }
                    Ok(rows.write(task)?)
                })
            })?
        }
    };
    if left_out > 0 {
        let are = if left_out == 1 { "is" } else { "are" };
        let number = count(left_out);
        say(&format!("{number} of them {are} marked as bad and left out of the output"));
    }
    conclude(args, &totals, &comparison)
}

/// Marks name rows by their place in the journal, which is the same under any rules.
fn place(task: &AcceptedTask) -> RowId {
    let Provenance { response_seq, item_index, .. } = task.provenance;
    RowId { response_seq, item_index }
}

/// Other seed tasks give other verdicts.
fn check_seeds(config: &RunConfig, reader: &RunReader) -> Result<(), CliError> {
    let begun = reader.meta(SEEDS_KEY)?;
    if begun.is_none_or(|begun| begun == config.seeds.sha256) {
        return Ok(());
    }
    let path = config.settings.seeds.as_ref().map(|path| path.display().to_string());
    let path = path.unwrap_or_else(|| "this version of the program".to_owned());
    Err(CliError::usage(ConfigError::SeedsChanged { path }.to_string()).with_hint(NAME_SEEDS))
}

/// A replay buys nothing, so it compares by embeddings only where the run did.
fn ensure_embeddings(args: &ReplayArgs, begun: &Settings) -> Result<(), CliError> {
    let named = args.similarity.as_deref().map(|names| Combination::parse(names, args.threshold));
    let needed = named.and_then(Result::ok).is_some_and(|names| names.needs_embeddings());
    if needed && begun.embedding_model.is_none() {
        let hint = "a replay buys nothing: name similarities that need no embeddings, or start \
                    another run with this one";
        return Err(CliError::failure("the run has no embeddings").with_hint(hint));
    }
    Ok(())
}

fn changed(args: &ReplayArgs) -> Settings {
    Settings {
        seeds: args.seeds.clone(),
        target: args.target,
        similarity: args.similarity.clone(),
        threshold: args.threshold,
        compare: args.compare.clone(),
        decontaminate: args.decontaminate.clone(),
        record_nearest: args.record_nearest,
        disable_filters: args.disable_filters.clone(),
        min_words: args.min_words,
        max_words: args.max_words,
        keywords: args.keywords.clone(),
        ..Settings::default()
    }
}

fn conclude(
    args: &ReplayArgs,
    totals: &ReplayTotals,
    comparison: &Comparison,
) -> Result<ExitCode, CliError> {
    let equal = comparison.equal(totals.accepted);
    let beyond = totals.accepted.saturating_sub(comparison.live.len() as u64);
    let result = match (equal, beyond) {
        (false, _) => "other tasks than in the run".to_owned(),
        (true, 0) => "the same tasks as in the run".to_owned(),
        (true, more) => {
            let more = count(more);
            format!("the same tasks as in the run, and {more} from responses it has not judged yet")
        }
    };
    say(&format!(
        "replayed {} responses: {} accepted, {} rejected; {result}",
        count(totals.responses),
        count(totals.accepted),
        count(totals.rejections.values().sum()),
    ));
    if args.check && !equal {
        let message = format!(
            "the replay differs from the run, which has {} accepted tasks; the first {} are equal",
            count(comparison.live.len() as u64),
            count(comparison.equal_so_far)
        );
        return Err(CliError::failure(message));
    }
    Ok(ExitCode::SUCCESS)
}

/// The tasks of the run beside those of the replay.
struct Comparison {
    live: Vec<Candidate>,
    equal_so_far: u64,
    /// Whether the run holds responses that it has not judged, as after a crash: a replay goes on
    /// beyond it.
    is_behind: bool,
}

impl Comparison {
    fn new(reader: &RunReader, model: &str) -> Result<Self, CliError> {
        let mut live = Vec::new();
        reader.for_each_accepted::<CliError>(model, |accepted| {
            live.push(std::mem::take(&mut accepted.task));
            Ok(())
        })?;
        let is_behind = reader.summary()?.unjudged_responses > 0;
        Ok(Self { live, equal_so_far: 0, is_behind })
    }

    fn compare(&mut self, replayed: &AcceptedTask) {
        let index = usize::try_from(replayed.id).unwrap_or(usize::MAX);
        if replayed.id == self.equal_so_far && self.live.get(index) == Some(&replayed.task) {
            self.equal_so_far += 1;
        }
    }

    fn equal(&self, accepted: u64) -> bool {
        let live = self.live.len() as u64;
        self.equal_so_far == live && (accepted == live || (self.is_behind && accepted > live))
    }
}
