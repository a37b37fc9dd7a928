//! Which tasks are exported, in which order, into which split.

use std::collections::BTreeSet;

use super::args::ExportArgs;
use crate::cli::failure::CliError;
use crate::config::{Environment, RunConfig, Settings};
use crate::export::{Condition, estimate_tokens};
use crate::novelty::{Combination, Measure, Part};
use crate::pipeline::{Division, Lookback, Shares, SplitRules, divide};
use crate::store::{RowId, RunReader, TaskKey};
use crate::task::{AcceptedTask, Compared, Provenance};

/// How far below the run's threshold tasks are alike enough to stay in one split.
const MARGIN: f64 = 0.1;
/// The field that only runs with `record_nearest` have.
const NEAREST_SCORE: &str = "nearest_score";
/// The similarity of Stanford Alpaca.
const ORIGINAL: &str = "rouge-l";
/// What an Alpaca prompt or a conversation adds to its texts at most, in tokens.
const TOKENS_AROUND: u64 = 64;

/// What is asked of the tasks.
#[derive(Debug, Default)]
pub(super) struct Selection {
    conditions: Vec<Condition>,
    /// What a person has marked as bad.
    marked: BTreeSet<RowId>,
    max_tokens: Option<u64>,
    /// What every task has beside its own tokens.
    tokens_around: u64,
}

impl Selection {
    /// All tasks but those that are marked as bad.
    fn all(reader: &RunReader) -> Result<Self, CliError> {
        Ok(Self { marked: reader.marks()?.rows().clone(), ..Self::default() })
    }

    pub(super) fn new(reader: &RunReader, args: &ExportArgs) -> Result<Self, CliError> {
        let system = args.system.as_deref().map_or(0, estimate_tokens);
        Ok(Self {
            conditions: args.conditions.clone(),
            max_tokens: args.max_tokens,
            tokens_around: TOKENS_AROUND + system,
            ..Self::all(reader)?
        })
    }

    pub(super) fn takes(&self, accepted: &AcceptedTask) -> bool {
        let Provenance { response_seq, item_index, .. } = accepted.provenance;
        !self.marked.contains(&RowId { response_seq, item_index })
            && self.conditions.iter().all(|condition| condition.holds(accepted))
            && self.max_tokens.is_none_or(|most| self.tokens(accepted) <= most)
    }

    fn tokens(&self, accepted: &AcceptedTask) -> u64 {
        let task = &accepted.task;
        let texts = [&task.instruction, &task.input, &task.output];
        let own: u64 = texts.into_iter().map(|text| estimate_tokens(text)).sum();
        own + self.tokens_around
    }
}

/// The tasks of a run, ready to be read.
pub(super) struct Tasks<'r> {
    reader: &'r RunReader,
    model: String,
    selection: Selection,
    division: Option<Division>,
    /// The order, when it is not that of acceptance.
    order: Option<Vec<TaskKey>>,
    lookback: Option<Lookback>,
}

impl<'r> Tasks<'r> {
    /// All accepted tasks in the order of acceptance, but those that are marked as bad.
    pub(super) fn all(reader: &'r RunReader, settings: &Settings) -> Result<Self, CliError> {
        let model = settings.output_model().unwrap_or_default().to_owned();
        let selection = Selection::all(reader)?;
        Ok(Self { reader, model, selection, division: None, order: None, lookback: None })
    }

    /// What the flags ask for.
    pub(super) fn new(
        reader: &'r RunReader,
        settings: &Settings,
        args: &ExportArgs,
    ) -> Result<Self, CliError> {
        refuse_unrecorded(settings, args)?;
        let selection = Selection::new(reader, args)?;
        let seed = args.shuffle_seed.unwrap_or_default();
        let division = match &args.split {
            Some(shares) => Some(division(reader, settings, args, (shares, seed), &selection)?),
            None => None,
        };
        let order = match args.shuffle_seed {
            Some(seed) => Some(shuffled(reader, seed)?),
            None => None,
        };
        let lookback = if args.with_similarity { Some(lookback(settings)?) } else { None };
        let tasks = Self::all(reader, settings)?;
        Ok(Self { selection, division, order, lookback, ..tasks })
    }

    /// How many tasks are kept in one split with another that is alike.
    pub(super) fn together(&self) -> u64 {
        self.division.as_ref().map_or(0, |division| division.together)
    }

    /// Calls `each` for every selected task, with the place of its split in the list.
    pub(super) fn for_each(
        &mut self,
        mut each: impl FnMut(usize, &AcceptedTask) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let Self { reader, model, selection, division, order, lookback } = self;
        let each = |task: &mut AcceptedTask| {
            // A task that is left out is still one that later ones are like.
            if let Some(lookback) = lookback {
                lookback.compare(task);
            }
            match division {
                Some(division) => division.of(task).map_or(Ok(()), |split| each(split, task)),
                None if selection.takes(task) => each(0, task),
                None => Ok(()),
            }
        };
        match order {
            Some(keys) => reader.for_each_of(model, keys, each),
            None => reader.for_each_accepted(model, each),
        }
    }
}

/// Most runs record the nearest task of duplicates alone, and then no accepted task has a score.
fn refuse_unrecorded(settings: &Settings, args: &ExportArgs) -> Result<(), CliError> {
    let asks = |condition: &&Condition| condition.field() == NEAREST_SCORE;
    match args.conditions.iter().find(asks) {
        Some(condition) if settings.record_nearest != Some(true) => {
            let message = format!(
                "--where {condition}: no task has a {NEAREST_SCORE}, since the run did not record it"
            );
            Err(CliError::usage(message)
                .with_hint("begin a run with --record-nearest true to have it of every task"))
        }
        _ => Ok(()),
    }
}

fn shuffled(reader: &RunReader, seed: u64) -> Result<Vec<TaskKey>, CliError> {
    let mut keys = reader.accepted_keys()?;
    fastrand::Rng::with_seed(seed).shuffle(&mut keys);
    Ok(keys)
}

fn division(
    reader: &RunReader,
    settings: &Settings,
    args: &ExportArgs,
    (shares, seed): (&Shares, u64),
    selection: &Selection,
) -> Result<Division, CliError> {
    let alike = alike(settings, args.split_threshold)?;
    let compared = settings.compare.as_deref().and_then(Compared::by_name).unwrap_or_default();
    let rules = SplitRules { shares, seed, alike: &alike, compared };
    Ok(divide(reader, &rules, |task| selection.takes(task))?)
}

/// The run's own similarities with lower thresholds. Embeddings are not asked: they cost money, and a
/// run that has no other similarity is divided by the original's.
pub(super) fn alike(settings: &Settings, threshold: Option<f64>) -> Result<Combination, CliError> {
    let wrong = |error| CliError::usage(format!("--split-threshold: {error}"));
    let name = settings.similarity.as_deref().unwrap_or(ORIGINAL);
    let own = Combination::parse(name, settings.threshold).map_err(wrong)?;
    let texts = |part: &&Part| matches!(part.measure, Measure::Text(_));
    let own = if own.parts().iter().any(|part| texts(&part)) {
        own
    } else {
        Combination::parse(ORIGINAL, None).map_err(wrong)?
    };
    let parts: Vec<&Part> = own.parts().iter().filter(texts).collect();
    let first = parts.first().map_or(own.first(), |part| **part);
    let margin = threshold.map_or(MARGIN, |threshold| first.threshold - threshold);
    let lowered = parts.into_iter().map(|part| {
        // Rounded, because 0.7 - 0.1 is not 0.6 in doubles.
        let threshold = ((part.threshold - margin) * 1e6).round() / 1e6;
        format!("{}@{threshold}", part.name())
    });
    Combination::parse(&lowered.collect::<Vec<_>>().join("+"), None).map_err(wrong)
}

/// The seed tasks of a run, and how it compares.
fn lookback(settings: &Settings) -> Result<Lookback, CliError> {
    // An export sends nothing, so it needs no key: a placeholder stands in for it.
    let environment = Environment { get: &|_name| Some("unused-by-export".to_owned()) };
    let config = RunConfig::resolve(settings.clone(), environment)?;
    Ok(Lookback::new(&config.rules, &config.seeds.tasks))
}
