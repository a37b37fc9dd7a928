//! The settings as text, written from the flags themselves: the reference in `docs/`, and the
//! configuration file that `init` writes.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Arg, CommandFactory};

use super::args::Arguments;
use super::failure::CliError;
use crate::config::{PhaseSettings, Settings};

/// The columns of comments in a configuration file.
const COMMENT_COLUMNS: usize = 98;

/// What there is to say of one setting.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its key in a configuration file.
    pub(super) key: String,
    flag: String,
    variable: String,
    /// What it means, and its default in brackets at the end.
    help: String,
    /// The values that it takes, if they are few.
    values: Vec<String>,
    takes_many: bool,
    takes_text: bool,
}

/// Every setting that is a flag of `generate`, in the order of its help.
pub(super) fn entries() -> Vec<Entry> {
    let program = Arguments::command();
    let generate = program.find_subcommand("generate").map(clap::Command::get_arguments);
    // Those of the program itself are flags of all commands.
    let all = generate.into_iter().flatten().chain(program.get_arguments());
    all.filter(|arg| Settings::KEYS.contains(&arg.get_id().as_str())).map(entry).collect()
}

fn entry(arg: &Arg) -> Entry {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let values = arg.get_possible_values();
    let values: Vec<String> = values.iter().map(|value| value.get_name().to_owned()).collect();
    let name = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    Entry {
        key: arg.get_id().to_string(),
        flag: format!("--{}", arg.get_long().unwrap_or_default()),
        variable: arg
            .get_env()
            .map(|variable| variable.to_string_lossy().into_owned())
            .unwrap_or_default(),
        help: help.map(ToString::to_string).unwrap_or_default(),
        // Switches list `true` and `false`, which nobody has to be told.
        takes_text: !matches!(name.as_deref(), Some("N" | "F" | "S" | "MS" | "BOOL")),
        values: values.into_iter().filter(|value| value != "true" && value != "false").collect(),
        takes_many: matches!(arg.get_action(), clap::ArgAction::Append)
            || arg.get_num_args().is_some_and(|number| number.max_values() > 1),
    }
}

pub(super) fn run() -> Result<ExitCode, CliError> {
    io::stdout().lock().write_all(markdown().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// `docs/configuration.md`.
fn markdown() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         Written by `instructmill reference` from the flags themselves; a test compares the two.\n\n\
         Each setting is a flag of `instructmill generate`, most are a variable of the environment, and all are a \
         key of the TOML file that `--config` names. A flag wins over the environment, the environment over the file, \
         the file over what the run began with, and that over the default. `instructmill init` writes a file with all of \
         them in comments.\n\n\
         | key | flag | variable | what it is |\n|---|---|---|---|\n",
    );
    for entry in entries() {
        let variable = match &*entry.variable {
            "" => String::new(),
            variable => format!("`{variable}`"),
        };
        let values = match &*entry.values {
            [] => String::new(),
            values => format!(": `{}`", values.join("`, `")),
        };
        let help = entry.help.trim().replace('|', "\\|").replace('\n', "<br>");
        let Entry { key, flag, .. } = &entry;
        text.push_str(&format!("| `{key}` | `{flag}` | {variable} | {help}{values} |\n"));
    }
    text.push_str(&format!(
        "\n## Tables\n\n\
         With `phases = \"instructions+responses\"` the file may have the tables `[instructions]` and `[responses]`, \
         which say of the one phase what differs from the settings above: `{}`. Without two phases they are refused. `system` takes the place of the \
         program's own standing instructions; `[responses]` does not take it from above. In `[responses]`, `tasks_per_request` is 1 and `max_output_tokens` (for one \
         task) 2000 unless said. A table that names another API takes neither URL, key nor price from above, and one that names another \
         model no price. The flags `--responses-model`, `--responses-price-in`, `--responses-price-out`, \
         `--responses-tasks-per-request` and `--responses-max-output-tokens` are those keys of `[responses]`.\n\n\
         With `[[endpoints]]` the model is asked in several places at once: `base_url` and `api_key_env` (where they are not \
         the run's), `weight` (its share of the requests while it has room, 1 unless said), `requests_per_minute` and \
         `tokens_per_minute` (`rpm` and `tpm` of the run unless said). All have one wire format, model, price and budget, each \
         its own limits. One whose key or address turns out to be wrong is set aside, and the run goes on with the others.\n",
        PhaseSettings::KEYS.join("`, `")
    ));
    text
}

/// A configuration file with every setting in it, those in comments that `given` has no value for.
/// Values are TOML.
pub(super) fn configuration(given: &[(&str, String)]) -> String {
    let mut text = String::from(
        "# Settings of `instructmill generate --config FILE`: the names of its flags with underscores.\n\
         # A flag wins over a variable of the environment (INSTRUCTMILL_MODEL and so on), and that\n\
         # over this file. The API key is never written here: `api_key_env` names its variable.\n",
    );
    for entry in entries() {
        text.push('\n');
        for line in entry.help.lines() {
            for part in wrapped(line) {
                text.push_str(&format!("# {part}\n"));
            }
        }
        if !entry.values.is_empty() {
            for part in wrapped(&format!("One of: {}", entry.values.join(", "))) {
                text.push_str(&format!("# {part}\n"));
            }
        }
        let value = given.iter().find(|(key, _)| *key == entry.key).map(|(_, value)| value);
        let key = &entry.key;
        match value {
            Some(value) => text.push_str(&format!("{key} = {value}\n")),
            None if entry.takes_many => text.push_str(&format!("#{key} = []\n")),
            None if entry.takes_text => text.push_str(&format!("#{key} = \"\"\n")),
            None => text.push_str(&format!("#{key} =\n")),
        }
    }
    text.push_str(
        "\n# Several keys or servers for the model, each with its own limits.\n\
         #[[endpoints]]\n#base_url = \"\"\n#api_key_env = \"\"\n#weight = 1\n\
         #requests_per_minute =\n#tokens_per_minute =\n\
         \n# With phases = \"instructions+responses\", what differs in requests for outputs; the same for\n\
         # instructions stands in [instructions].\n\
         #[responses]\n#model = \"\"\n#system = \"\"\n#tasks_per_request = 1\n#max_output_tokens = 2000\n",
    );
    text
}

fn wrapped(line: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split_whitespace() {
        let last = lines.last_mut().filter(|last| last.len() + word.len() < COMMENT_COLUMNS);
        match last {
            Some(last) if last.is_empty() => word.clone_into(last),
            Some(last) => last.extend([" ", word]),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_the_documentation_is_the_flags() {
        let written = include_str!("../../docs/configuration.md");
        let mend = "run: cargo run -- reference > docs/configuration.md";
        assert!(written == markdown(), "docs/configuration.md is not what the flags say; {mend}");
    }

    #[test]
    fn every_setting_is_in_the_reference() {
        let entries = entries();
        let tables = ["instructions", "responses", "endpoints"];
        for key in Settings::KEYS.iter().filter(|key| !tables.contains(key)) {
            assert!(entries.iter().any(|entry| entry.key == **key), "{key}");
        }
    }

    #[test]
    fn a_configuration_with_nothing_given_and_no_comments_is_read() {
        let text = configuration(&[("target", "12".to_owned()), ("model", "\"m\"".to_owned())]);
        let settings: Settings = toml::from_str(&text).unwrap();
        let expected =
            Settings { target: Some(12), model: Some("m".to_owned()), ..Settings::default() };
        assert_eq!(settings, expected);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
