//! `export --format hf`: a directory for the Hugging Face hub.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::args::ExportArgs;
use super::files::to_files;
use super::selection::{Tasks, alike};
use super::{layout, say_remarks, settings};
use crate::cli::failure::{CliError, say};
use crate::config::{BENCHMARKS_KEY, Environment, RunConfig, SEEDS_KEY, Settings};
use crate::export::{
    AtomicDirectory, AtomicFile, Card, DataFile, DirectoryError, Exporter, Layout, MANIFEST,
    Portrait, ProvenanceForm,
};
use crate::novelty::Combination;
use crate::pipeline;
use crate::report::count;
use crate::store::{RunDir, RunReader};
use crate::summary::Summary;
use crate::usd::Usd;

/// The name of the format, which is a directory rather than a file.
pub(super) const HF: &str = "hf";
/// The data formats that the hub's loaders read without being told more.
pub(super) const DATA_FORMATS: [&str; 6] =
    ["jsonl", "parquet", "messages", "prompt-completion", "sharegpt", "self-instruct"];
const CARD: &str = "README.md";

/// What of a run's settings goes into the manifest: what decided the tasks, and nothing that names
/// a place on the machine where it ran.
const TOLD: [&str; 18] = [
    "provider",
    "model",
    "price_in",
    "price_out",
    "template",
    "system",
    "num_examples",
    "tasks_per_request",
    "temperature",
    "top_p",
    "similarity",
    "threshold",
    "compare",
    "seed",
    "disable_filters",
    "min_words",
    "max_words",
    "keywords",
];

pub(super) fn run(args: &ExportArgs) -> Result<(), CliError> {
    let target = target(args)?;
    let options = args.options(ProvenanceForm::Columns);
    let (exporter, layout) = layout(&args.data_format, &options)?;
    let dir = RunDir::new(&args.run);
    let reader = dir.read()?;
    reader.hold_still()?;
    let settings = settings(&dir, &reader)?;
    let directory = AtomicDirectory::create(target)?;
    let mut tasks = Tasks::new(&reader, &settings, args)?;
    let (files, portrait) = write_data(args, &directory, (exporter, &layout), &mut tasks)?;
    let summary = reader.summary()?;
    let card = Card {
        title: &title(args, target),
        license: args.license.as_deref(),
        languages: &args.languages,
        simulated: pipeline::is_simulated(&reader)?,
        model: settings.output_model().unwrap_or("an unknown model"),
        origin: &origin(&reader, &settings, &summary)?,
        selection: &selection(args, &settings)?,
        summary: &summary,
        files: &files,
        columns: layout.columns(),
        portrait: &portrait,
    };
    write_file(&directory.path().join(CARD), card.to_markdown().as_bytes())?;
    let manifest = manifest(&reader, &settings, &card)?;
    write_file(&directory.path().join(MANIFEST), manifest.as_bytes())?;
    directory.commit()?;
    conclude(target, &card);
    Ok(())
}

fn target(args: &ExportArgs) -> Result<&Path, CliError> {
    let path = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let path = path
        .ok_or_else(|| CliError::usage("--format hf writes a directory: name it with --output"))?;
    if args.with_similarity {
        let message =
            "--with-similarity is not for --format hf: its keys are other ones in each row";
        return Err(CliError::usage(message));
    }
    Ok(path)
}

impl From<DirectoryError> for CliError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Failed { .. } => Self::failure(error.to_string()),
            _ => Self::usage(error.to_string()),
        }
    }
}

fn title(args: &ExportArgs, target: &Path) -> String {
    let own = args.title.clone();
    own.unwrap_or_else(|| target.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

/// Writes a data file for each split, and counts what goes into them.
fn write_data(
    args: &ExportArgs,
    directory: &AtomicDirectory,
    (exporter, layout): (&dyn Exporter, &Layout),
    tasks: &mut Tasks<'_>,
) -> Result<(Vec<DataFile>, Portrait), CliError> {
    let splits: Vec<String> = match &args.split {
        Some(shares) => shares.names().map(str::to_owned).collect(),
        None => vec!["train".to_owned()],
    };
    let names: Vec<String> =
        splits.iter().map(|split| format!("data/{split}.{}", exporter.extension())).collect();
    let paths: Vec<PathBuf> = names.iter().map(|name| directory.path().join(name)).collect();
    fs::create_dir(directory.path().join("data"))?;
    let mut portrait = Portrait::default();
    let written = to_files(exporter, layout, &paths, |rows| {
        let mut counts = vec![0_u64; rows.len()];
        tasks.for_each(|split, task| {
            if let (Some(rows), Some(count)) = (rows.get_mut(split), counts.get_mut(split)) {
                rows.write(task)?;
                *count += 1;
                portrait.add(task);
            }
            Ok(())
        })?;
        Ok(counts)
    })?;
    say_remarks(&written);
    let mut files = Vec::new();
    for (((split, path), rows), place) in
        splits.into_iter().zip(names).zip(written.result).zip(&paths)
    {
        let (bytes, sha256) = digest(place)?;
        files.push(DataFile { split, path, rows, bytes, sha256 });
    }
    Ok((files, portrait))
}

/// The size of a file and its SHA-256.
fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, format!("{:x}", hasher.finalize())));
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        bytes += read as u64;
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    Ok(file.commit()?)
}

/// Where the data comes from, as rows of a table.
fn origin(
    reader: &RunReader,
    settings: &Settings,
    summary: &Summary,
) -> Result<Vec<(&'static str, String)>, CliError> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not known".to_owned());
    let number = |value: Option<f64>| value.map_or("not known".to_owned(), |n| n.to_string());
    let mut rows = vec![
        ("model", text(&settings.first_model().map(str::to_owned))),
        ("provider", text(&settings.provider)),
        ("dates", dates(reader)?),
        ("price", price(settings)),
        ("spent", money(summary.spent)),
    ];
    if settings.output_model() != settings.first_model() {
        let outputs = settings.output_model().map(str::to_owned);
        rows.push(("model of the outputs", text(&outputs)));
    }
    if !summary.unconfirmed.is_zero() {
        rows.push(("spent at most, beside that", money(summary.unconfirmed)));
    }
    rows.extend([
        ("seed tasks", hash(reader.meta(SEEDS_KEY)?)),
        ("template", text(&settings.template)),
        (
            "temperature, top_p",
            format!("{}, {}", number(settings.temperature), number(settings.top_p)),
        ),
        ("a duplicate", duplicate(settings)),
        ("words of an instruction", words(settings)),
    ]);
    let disabled = settings.disable_filters.clone().unwrap_or_default();
    if !disabled.is_empty() {
        rows.push(("filters switched off", disabled.join(", ")));
    }
    if settings.decontaminate.as_ref().is_some_and(|files| !files.is_empty()) {
        rows.push(("benchmarks kept out", hash(reader.meta(BENCHMARKS_KEY)?)));
    }
    Ok(rows)
}

fn hash(sha256: Option<String>) -> String {
    sha256.map_or("not known".to_owned(), |sha256| format!("SHA-256 {sha256}"))
}

fn money(amount: Usd) -> String {
    format!("{} USD", amount.display(4))
}

/// The days, in UTC, on which the run was at work.
fn dates(reader: &RunReader) -> Result<String, CliError> {
    let day = |unix_ms| {
        let time = jiff::Timestamp::from_millisecond(unix_ms).ok();
        time.map_or("?".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
    };
    Ok(match reader.active_between()? {
        None => "not known".to_owned(),
        Some((first, last)) if day(first) == day(last) => day(first),
        Some((first, last)) => format!("{} to {}", day(first), day(last)),
    })
}

/// The price, looked up as the run did. A run made elsewhere may have files that are not here.
fn price(settings: &Settings) -> String {
    let environment = Environment { get: &|_name| Some("unused-by-export".to_owned()) };
    let Ok(config) = RunConfig::resolve(settings.clone(), environment) else {
        return "not known here".to_owned();
    };
    let per_million = |token: Usd| token.saturating_mul(1_000_000).display(2);
    format!(
        "{} in, {} out per million tokens, from {}",
        per_million(config.price.input),
        per_million(config.price.output),
        config.price_origin
    )
}

fn duplicate(settings: &Settings) -> String {
    let name = settings.similarity.as_deref().unwrap_or("rouge-l");
    let compared = settings.compare.as_deref().unwrap_or("instruction");
    match Combination::parse(name, settings.threshold) {
        Ok(combination) => format!("{combination}, comparing {compared}"),
        Err(_) => "not known".to_owned(),
    }
}

fn words(settings: &Settings) -> String {
    match (settings.min_words, settings.max_words) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "not known".to_owned(),
    }
}

/// What the flags left out or decided, as they were written.
fn selection(args: &ExportArgs, settings: &Settings) -> Result<Vec<String>, CliError> {
    let mut flags: Vec<String> =
        args.conditions.iter().map(|condition| format!("--where {condition}")).collect();
    if let Some(most) = args.max_tokens {
        flags.push(format!("--max-tokens {most}"));
    }
    if let Some(seed) = args.shuffle_seed {
        flags.push(format!("--shuffle-seed {seed}"));
    }
    if let Some(shares) = &args.split {
        let alike = alike(settings, args.split_threshold)?;
        flags.push(format!("--split {shares}"));
        flags.push(format!("--split-threshold {}", alike.first().threshold));
    }
    Ok(flags)
}

/// What a program can read about the directory: its files, and what decided the tasks.
fn manifest(reader: &RunReader, settings: &Settings, card: &Card<'_>) -> Result<String, CliError> {
    let all = settings.to_json();
    let told: serde_json::Map<String, Value> =
        TOLD.into_iter().filter_map(|key| Some((key.to_owned(), all.get(key)?.clone()))).collect();
    let mut files = serde_json::Map::new();
    files.insert(CARD.to_owned(), json!({}));
    for DataFile { split, path, rows, bytes, sha256 } in card.files {
        let file = json!({"split": split, "rows": rows, "bytes": bytes, "sha256": sha256});
        files.insert(path.clone(), file);
    }
    let manifest = json!({
        "made_by": concat!("instructmill ", env!("CARGO_PKG_VERSION")),
        "simulated": card.simulated,
        "files": files,
        "settings": told,
        "model_of_outputs": settings.output_model(),
        "seeds_sha256": reader.meta(SEEDS_KEY)?,
        "benchmarks_sha256": reader.meta(BENCHMARKS_KEY)?,
        "spent_usd": card.summary.spent.to_string(),
        "unconfirmed_usd": card.summary.unconfirmed.to_string(),
    });
    Ok(format!("{manifest:#}\n"))
}

fn conclude(target: &Path, card: &Card<'_>) {
    for file in card.files {
        say(&format!("exported {} tasks to {}/{}", count(file.rows), target.display(), file.path));
    }
    if card.license.is_none() {
        say("note: no licence is named; choose one with --license before you publish");
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    say(&format!(
        "to publish it: hf upload USER/{name} {} . --repo-type dataset",
        target.display()
    ));
}
