//! `instructmill init`: a commented configuration file and seed tasks to start from.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::failure::{CliError, say};
use super::reference::configuration;
use crate::config::{Money, SIMULATED, provider_names};
use crate::export::AtomicFile;
use crate::pool::BUNDLED_SEED_TASKS;

const CONFIG: &str = "instructmill.toml";
const SEEDS: &str = "seed_tasks.jsonl";

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The folder to write to
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Do not ask; write what can be known without
    #[arg(long, short)]
    yes: bool,
}

/// What a person was asked, as TOML.
type Given = Vec<(&'static str, String)>;

pub(super) fn run(args: &InitArgs) -> Result<ExitCode, CliError> {
    let here = args.dir == Path::new(".");
    let files =
        [CONFIG, SEEDS].map(|name| if here { PathBuf::from(name) } else { args.dir.join(name) });
    if let Some(there) = files.iter().find(|file| file.exists()).filter(|_| !args.force) {
        let hint = "give another DIR, or --force to replace it";
        return Err(CliError::usage(format!("{} exists", there.display())).with_hint(hint));
    }
    let asks = !args.yes && io::stdin().is_terminal() && io::stderr().is_terminal();
    let mut given = if asks { ask(&mut io::stdin().lock())? } else { Given::new() };
    let [config, seeds] = files;
    let Some(seeds_text) = seeds.to_str() else {
        let message = format!("{} is no UTF-8, which TOML needs", args.dir.display());
        return Err(CliError::usage(message).with_hint("give another DIR"));
    };
    // As a path from here, where the next command is likely to be run too.
    given.push(("seeds", quoted(seeds_text)));
    std::fs::create_dir_all(&args.dir).map_err(|error| {
        CliError::failure(format!("cannot make the folder {}: {error}", args.dir.display()))
    })?;
    write(&seeds, BUNDLED_SEED_TASKS)?;
    write(&config, &configuration(&given))?;
    say(&format!(
        "wrote {config} and {seeds}. Edit both, then:\n  instructmill generate --config {config}",
        config = config.display(),
        seeds = seeds.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.commit()?)
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Asks for what has no default. An empty answer leaves a setting open.
fn ask(answers: &mut dyn BufRead) -> Result<Given, CliError> {
    let mut given = Given::new();
    let names = provider_names();
    let provider = question(answers, &format!("provider ({})", names.join(", ")), &|text| {
        names.contains(&text).then(|| quoted(text)).ok_or_else(|| "no such provider".to_owned())
    })?;
    let simulated = provider.as_ref().is_none_or(|name| *name == quoted(SIMULATED));
    given.extend(provider.map(|name| ("provider", name)));
    if !simulated {
        let model = question(answers, "model", &|text| Ok(quoted(text)))?;
        given.extend(model.map(|model| ("model", model)));
    }
    let budget = question(answers, "budget in USD", &|text| {
        let parsed: Result<Money, _> = text.parse();
        parsed.map(|_| quoted(text)).map_err(|error| error.to_string())
    })?;
    given.extend(budget.map(|budget| ("budget", budget)));
    let target = question(answers, "accepted tasks wanted", &|text| match text.parse::<u64>() {
        Ok(1..) => Ok(text.to_owned()),
        _ => Err("a whole number, 1 or more".to_owned()),
    })?;
    given.extend(target.map(|target| ("target", target)));
    Ok(given)
}

/// The answer as TOML; asks again when it is none.
fn question(
    answers: &mut dyn BufRead,
    text: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Option<String>, CliError> {
    loop {
        drop(write!(io::stderr().lock(), "{text}: "));
        let mut line = String::new();
        let at_end = answers.read_line(&mut line)? == 0;
        let line = line.trim();
        if at_end || line.is_empty() {
            return Ok(None);
        }
        match read(line) {
            Ok(value) => return Ok(Some(value)),
            Err(error) => say(&format!("{error}; an empty line leaves it open")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_toml_and_bad_ones_are_asked_again() {
        let given = ask(&mut "clippy\nopenai\ngpt \"x\"\nmuch\n2.50\n0\n500\n".as_bytes()).unwrap();
        let text: Vec<String> =
            given.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        provider = "openai"
        model = 'gpt "x"'
        budget = "2.50"
        target = 500
        "#);
    }

    #[test]
    fn a_simulated_run_is_not_asked_for_a_model() {
        assert_eq!(ask(&mut "\n\n7\n".as_bytes()).unwrap(), [("target", "7".to_owned())]);
        assert_eq!(ask(&mut "".as_bytes()).unwrap(), []);
    }
}
