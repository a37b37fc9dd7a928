//! The flags of `instructmill export`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::hub::{DATA_FORMATS, HF};
use crate::export::{Condition, EXPORTERS, ExportOptions, PromptTemplate, ProvenanceForm};
use crate::pipeline::Shares;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(in crate::cli) struct ExportArgs {
    /// The run directory
    #[arg(long, value_name = "DIR", default_value = "output/simulated", env = "INSTRUCTMILL_RUN")]
    pub(super) run: PathBuf,
    /// The file to write, whole or not at all; packed when its name ends in .gz or .zst; for hf a
    /// directory [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    #[arg(long, default_value = "alpaca", value_parser = formats(), help = format_help())]
    pub(super) format: String,
    /// hf: the format of the data files
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", value_parser = DATA_FORMATS)]
    pub(super) data_format: String,
    /// hf: the licence that you give the data, as the hub names it; without it, none is named
    #[arg(long, value_name = "NAME")]
    pub(super) license: Option<String>,
    /// hf: the languages of the data by ISO 639-1, instead of a guess
    #[arg(long = "language", value_name = "CODE,...", value_delimiter = ',')]
    pub(super) languages: Vec<String>,
    /// hf: the name of the data set [default: that of the directory]
    #[arg(long, value_name = "TEXT")]
    pub(super) title: Option<String>,
    /// Add where each task came from: request, model, examples, cost, time
    #[arg(long)]
    pub(super) with_provenance: bool,
    /// Add Alpaca's `most_similar_instructions` and `avg_similarity_score`: each task compared with
    /// all before it, about a minute for 50,000 tasks and four for 100,000
    #[arg(long)]
    pub(super) with_similarity: bool,
    /// These columns (or keys) in this order, instead of the format's own; an unknown one is
    /// answered with those that there are
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(super) columns: Option<Vec<String>>,
    /// A system text for every task: a turn, a column, or the start of the prompt
    #[arg(long, value_name = "TEXT")]
    pub(super) system: Option<String>,
    /// What is put around instruction and input where the format has a prompt: nothing, or the
    /// text that Stanford Alpaca was trained with
    #[arg(long, default_value = "none", value_parser = templates())]
    pub(super) prompt_template: String,
    /// Leave out tasks with more tokens, prompt and answer together, by an estimate that is rather
    /// high: four letters a token
    #[arg(long, value_name = "N")]
    pub(super) max_tokens: Option<u64>,
    /// Leave out tasks that do not meet this condition, such as `output_chars >= 20` or
    /// `nearest_score < 0.5`; can be repeated
    #[arg(long = "where", value_name = "FIELD OP VALUE", value_parser = Condition::parse)]
    pub(super) conditions: Vec<Condition>,
    /// One file for each split, such as train=0.98,test=0.02; tasks that are alike stay together
    #[arg(long, value_name = "NAME=SHARE,...")]
    pub(super) split: Option<Shares>,
    /// The tasks in a random order that this number decides, as it decides what --split draws;
    /// without it they are in the order of acceptance
    #[arg(long, value_name = "N", conflicts_with = "with_similarity")]
    pub(super) shuffle_seed: Option<u64>,
    /// Tasks more similar than this stay in one split [default: 0.1 below the run's threshold]
    #[arg(long, value_name = "F", requires = "split")]
    pub(super) split_threshold: Option<f64>,
    /// CSV: put an apostrophe before cells that a spreadsheet would take for a formula
    #[arg(long)]
    pub(super) spreadsheet_safe: bool,
    /// Print what LLaMA-Factory and Axolotl have to be told about the file; they are told to a
    /// terminal anyway
    #[arg(long)]
    pub(super) snippets: bool,
}

fn formats() -> PossibleValuesParser {
    let names = EXPORTERS.iter().map(|exporter| exporter.name());
    PossibleValuesParser::new(names.chain([HF]))
}

fn format_help() -> String {
    let each = EXPORTERS.iter().map(|e| format!("- {}: {}\n", e.name(), e.about()));
    format!(
        "The format\n{}- {HF}: a directory for the Hugging Face hub, with data files and a card\n",
        each.collect::<String>()
    )
}

fn templates() -> PossibleValuesParser {
    PossibleValuesParser::new(PromptTemplate::ALL.map(PromptTemplate::name))
}

impl ExportArgs {
    /// The options, with provenance in this form when it is asked for.
    pub(super) fn options(&self, form: ProvenanceForm) -> ExportOptions {
        ExportOptions {
            provenance: if self.with_provenance { form } else { ProvenanceForm::Absent },
            with_similarity: self.with_similarity,
            system: self.system.clone(),
            prompt_template: PromptTemplate::by_name(&self.prompt_template).unwrap_or_default(),
            columns: self.columns.clone(),
            spreadsheet_safe: self.spreadsheet_safe,
        }
    }
}
