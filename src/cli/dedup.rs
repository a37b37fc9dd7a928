//! `instructmill dedup`: any record file without its duplicates.

use std::ffi::OsStr;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use super::failure::{CliError, say};
use super::progress::FileProgress;
use crate::config::check_similarity;
use crate::dataset::{self, FORMATS, Format, PackedWriter, Selection, Source};
use crate::export::AtomicFile;
use crate::novelty::Combination;
use crate::pipeline::{self, DedupInput, DedupOutputs, DedupRules, DedupTotals, DuplicateRule};
use crate::report::{count, duration};
use crate::task::Compared;

/// Flags of `dedup`.
#[derive(Debug, Args)]
pub(super) struct DedupArgs {
    /// JSON, JSONL, CSV or Parquet, also as .gz or .zst [default: stdin]
    #[arg(value_name = "INPUT")]
    input: Option<PathBuf>,
    /// The file to write, whole or not at all; may be the input [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How texts are compared, or several ways as in rouge-l+minhash@0.8 [default: rouge-l, or
    /// rouge-l-unicode by the first records]
    #[arg(long, value_parser = check_similarity)]
    similarity: Option<String>,
    /// More similar than this is a duplicate, by the first similarity [default: its own, 0.7 for rouge-l]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Which part of a record is compared
    #[arg(long, default_value = "instruction", value_parser = PossibleValuesParser::new(Compared::ALL.map(Compared::name)))]
    compare: String,
    /// Compare these fields instead: columns, or dotted paths such as messages.0.content
    #[arg(long = "field", value_name = "NAME", value_delimiter = ',', conflicts_with = "compare")]
    fields: Vec<String>,
    /// Remove also what is like a record of this file, in any format; can be repeated
    #[arg(long, value_name = "FILE")]
    against: Vec<PathBuf>,
    /// Write each removed record, its score and what it duplicates here, as JSONL
    #[arg(long, value_name = "FILE")]
    removed: Option<PathBuf>,
    /// Write each record that has duplicates, with their rows and scores, here, as JSONL
    #[arg(long, value_name = "FILE")]
    clusters: Option<PathBuf>,
    /// The format of the input and the output [default: by name and content]
    #[arg(long, visible_alias = "input-format", value_parser = PossibleValuesParser::new(FORMATS.iter().map(|f| f.name())))]
    format: Option<String>,
    /// Print the summary as JSON on stdout; needs --output
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DedupArgs) -> Result<ExitCode, CliError> {
    let started = Instant::now();
    let rules = rules(args)?;
    if args.json && file(args.output.as_ref()).is_none() {
        let message = "--json prints on stdout, where the records go: add --output FILE";
        return Err(CliError::usage(message));
    }
    check_paths(args)?;
    let input = input(args)?;
    let against = args.against.iter().map(|path| opened(Source::file(path)?, None));
    let against = against.collect::<Result<Vec<_>, CliError>>()?;
    let mut kept = Sink::new(file(args.output.as_ref()))?;
    let mut removed = args.removed.as_deref().map(|path| Sink::new(Some(path))).transpose()?;
    let mut clusters = args.clusters.as_deref().map(|path| Sink::new(Some(path))).transpose()?;
    let outputs = DedupOutputs {
        kept: &mut kept.out,
        removed: removed.as_mut().map(|sink| &mut sink.out as &mut dyn Write),
        clusters: clusters.as_mut().map(|sink| &mut sink.out as &mut dyn Write),
    };
    let totals = {
        let mut view = FileProgress::new();
        pipeline::dedup(&rules, input, against, outputs, &mut |progress| view.update(progress))?
    };
    // The kept records last: they may replace the input, of which the others hold the rest.
    for sink in [removed, clusters, Some(kept)].into_iter().flatten() {
        sink.commit()?;
    }
    conclude(args, &rules, &totals, started.elapsed())?;
    Ok(ExitCode::SUCCESS)
}

fn rules(args: &DedupArgs) -> Result<DedupRules, CliError> {
    if args.fields.iter().any(String::is_empty) {
        return Err(CliError::usage("--field has an empty name: write NAME or NAME,NAME"));
    }
    let selection = if args.fields.is_empty() {
        Selection::Part(Compared::by_name(&args.compare).unwrap_or_default())
    } else {
        Selection::Fields(args.fields.clone())
    };
    let combination = |names: &str| {
        Combination::parse(names, args.threshold)
            .map_err(|error| CliError::usage(format!("--threshold: {error}")))
    };
    let duplicates = match &args.similarity {
        Some(names) => DuplicateRule::By(by_text(combination(names)?)?),
        None => DuplicateRule::ByScript {
            ascii: combination("rouge-l")?,
            other: combination("rouge-l-unicode")?,
        },
    };
    Ok(DedupRules { selection, duplicates })
}

/// Embeddings are bought by runs, which have a budget and a journal to keep them in.
fn by_text(duplicates: Combination) -> Result<Combination, CliError> {
    if !duplicates.needs_embeddings() {
        return Ok(duplicates);
    }
    let hint = "leave `embedding` out: `minhash` finds other wordings too; in `generate` tasks can \
                be compared by embeddings";
    Err(CliError::usage("`dedup` buys no embeddings").with_hint(hint))
}

/// A path that is not `-`, which stands for stdin or stdout.
fn file(path: Option<&PathBuf>) -> Option<&Path> {
    path.map(PathBuf::as_path).filter(|path| *path != Path::new("-"))
}

/// Refuses two results in one file, and a result in place of a file that is read. The kept records
/// may take the place of the input: they appear when all of it is read.
fn check_paths(args: &DedupArgs) -> Result<(), CliError> {
    let mut taken: Vec<(&str, PathBuf)> =
        args.against.iter().map(|path| ("--against", place(path))).collect();
    let mut take = |flag, path: Option<&Path>, may_be_taken: bool| {
        let Some(path) = path else { return Ok(()) };
        let there = place(path);
        if let Some((other, _)) = taken.iter().find(|(_, taken)| *taken == there && !may_be_taken) {
            let message = format!("{flag} and {other} are the same file, {}", path.display());
            return Err(CliError::usage(message).with_hint("write to another file"));
        }
        taken.push((flag, there));
        Ok(())
    };
    take("--output", file(args.output.as_ref()), false)?;
    take("the input", file(args.input.as_ref()), true)?;
    for (flag, path) in [("--removed", &args.removed), ("--clusters", &args.clusters)] {
        if path.as_deref() == Some(Path::new("-")) {
            return Err(CliError::usage(format!("{flag} needs the name of a file")));
        }
        take(flag, path.as_deref(), false)?;
    }
    Ok(())
}

/// A path by which files can be told apart, whether or not there is one yet.
fn place(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    folder.map_or(path.to_owned(), |folder| folder.join(path.file_name().unwrap_or(OsStr::new(""))))
}

fn input(args: &DedupArgs) -> Result<DedupInput, CliError> {
    let source = match file(args.input.as_ref()) {
        Some(path) => Source::file(path)?,
        None if args.input.is_none() && io::stdin().is_terminal() => {
            return Err(CliError::usage("there is nothing to read")
                .with_hint("name a file, or pipe records in"));
        }
        None => Source::stream("stdin", io::stdin())?,
    };
    let input = opened(source, args.format.as_deref())?;
    let output = file(args.output.as_ref());
    if let Some((path, named)) = output.and_then(|path| Some((path, dataset::by_file_name(path)?)))
    {
        let same_name = file(args.input.as_ref()).and_then(dataset::by_file_name);
        let is_same = same_name.is_some_and(|same| same.name() == named.name());
        if named.name() != input.format.name() && !is_same {
            let message = format!(
                "the output has the format of the input, {}, but {} has a name of {} files",
                input.format.name(),
                path.display(),
                named.name()
            );
            let extension = input.format.extensions().first().unwrap_or(&"");
            return Err(CliError::usage(message)
                .with_hint(&format!("let the name of the output end in .{extension}")));
        }
    }
    Ok(input)
}

fn opened(source: Source, format: Option<&str>) -> Result<DedupInput, CliError> {
    let named: Option<&'static dyn Format> = format.and_then(dataset::by_name);
    let format = named.map_or_else(|| dataset::format_of(&source), Ok)?;
    Ok(DedupInput { source, format })
}

/// A result on its way.
struct Sink {
    out: PackedWriter<Target>,
}

enum Target {
    File(Box<AtomicFile>),
    Stdout(BufWriter<Stdout>),
}

impl Sink {
    fn new(path: Option<&Path>) -> Result<Self, CliError> {
        let target = match path {
            Some(path) => Target::File(Box::new(AtomicFile::create(path)?)),
            None => Target::Stdout(BufWriter::with_capacity(256 * 1024, io::stdout())),
        };
        Ok(Self { out: PackedWriter::new(path, target)? })
    }

    fn commit(self) -> Result<(), CliError> {
        match self.out.finish()? {
            Target::File(file) => Ok(file.commit()?),
            Target::Stdout(mut stdout) => Ok(stdout.flush()?),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(out) => out.write(bytes),
            Self::Stdout(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(out) => out.flush(),
            Self::Stdout(out) => out.flush(),
        }
    }
}

fn conclude(
    args: &DedupArgs,
    rules: &DedupRules,
    totals: &DedupTotals,
    elapsed: Duration,
) -> Result<(), CliError> {
    say(&summary(rules, totals, elapsed));
    if args.json {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{:#}", to_json(rules, totals, elapsed))?;
        stdout.flush()?;
    }
    Ok(())
}

fn summary(rules: &DedupRules, totals: &DedupTotals, elapsed: Duration) -> String {
    let compared = match (&rules.selection, totals.shape) {
        (Selection::Fields(fields), _) => {
            format!("{} of {} records", fields.join(", "), totals.format)
        }
        (Selection::Part(part), Some(shape)) => {
            format!("{} of {shape} records in {}", part.name(), totals.format)
        }
        (Selection::Part(part), None) => {
            format!("{} of no records in {}", part.name(), totals.format)
        }
    };
    let why = match totals.duplicates.first().name() {
        "rouge-l-unicode" if totals.is_similarity_chosen => {
            " (because the first records are not mostly ASCII)"
        }
        _ => "",
    };
    let mut text = format!(
        "read {}, kept {}, removed {}",
        count(totals.read),
        count(totals.kept),
        count(totals.removed + totals.removed_by_against),
    );
    if totals.against > 0 {
        let by_against = count(totals.removed_by_against);
        text.push_str(&format!(
            " ({by_against} by {} records of --against)",
            count(totals.against)
        ));
    }
    text.push_str(&format!(
        " in {}\ncompared {compared}: {} is a duplicate{why}",
        duration(elapsed),
        totals.duplicates
    ));
    text
}

fn to_json(rules: &DedupRules, totals: &DedupTotals, elapsed: Duration) -> serde_json::Value {
    let (compare, fields) = match &rules.selection {
        Selection::Part(compare) => (Some(compare.name()), None),
        Selection::Fields(fields) => (None, Some(fields)),
    };
    json!({
        "read": totals.read,
        "kept": totals.kept,
        "removed": totals.removed + totals.removed_by_against,
        "removed_by_against": totals.removed_by_against,
        "against": totals.against,
        "seconds": elapsed.as_secs_f64(),
        "similarity": totals.duplicates.to_text(),
        "threshold": totals.duplicates.first().threshold,
        "format": totals.format,
        "shape": totals.shape,
        "compare": compare,
        "fields": fields,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_was_compared_and_why() {
        let by = |names| Combination::parse(names, None).unwrap();
        let mut rules = DedupRules {
            selection: Selection::Part(Compared::Instruction),
            duplicates: DuplicateRule::By(by("rouge-l")),
        };
        let mut totals = DedupTotals {
            read: 52_002,
            kept: 51_000,
            removed: 1_002,
            removed_by_against: 0,
            against: 0,
            format: "jsonl",
            shape: Some("alpaca"),
            duplicates: by("rouge-l"),
            is_similarity_chosen: true,
        };
        let elapsed = Duration::from_millis(321);
        insta::assert_snapshot!(summary(&rules, &totals, elapsed), @r"
        read 52,002, kept 51,000, removed 1,002 in 0.3s
        compared instruction of alpaca records in jsonl: rouge-l above 0.7 is a duplicate
        ");
        totals.duplicates = by("rouge-l-unicode+minhash");
        (totals.against, totals.removed_by_against) = (80, 5);
        rules.selection = Selection::Fields(vec!["a".into(), "b.c".into()]);
        insta::assert_snapshot!(summary(&rules, &totals, elapsed), @r"
        read 52,002, kept 51,000, removed 1,007 (5 by 80 records of --against) in 0.3s
        compared a, b.c of jsonl records: rouge-l-unicode above 0.7 or minhash above 0.65 is a duplicate (because the first records are not mostly ASCII)
        ");
    }

    #[test]
    fn paths_are_told_apart_by_where_they_lead() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new.jsonl");
        assert_eq!(place(&new), place(&folder.path().join("./new.jsonl")));
        assert_ne!(place(&new), place(&folder.path().join("old.jsonl")));
        assert_eq!(place(Path::new("new.jsonl")), place(Path::new("./new.jsonl")));
    }
}
