//! Errors at the door: a message, its causes, a hint, an exit code.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use serde_json::{Map, json};
use tracing::Level;

use super::logs;
use crate::config::{ConfigError, FileError};
use crate::dataset::DatasetError;
use crate::export::AtomicFileError;
use crate::pipeline::{DedupError, PrepareError, RunError};
use crate::store::StoreError;

const FAILURE: u8 = 1;
const USAGE: u8 = 2;

/// What a command ends with when it cannot do its job.
#[derive(Debug)]
pub struct CliError {
    message: String,
    hint: String,
    code: u8,
    /// Whether time alone mends nothing: a key, a model or an account is wrong.
    lasting: bool,
}

impl CliError {
    /// The command or the configuration is at fault.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: String::new(), code: USAGE, lasting: true }
    }

    /// The world is at fault.
    pub(super) fn failure(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: String::new(), code: FAILURE, lasting: false }
    }

    pub(super) fn with_hint(mut self, hint: &str) -> Self {
        hint.clone_into(&mut self.hint);
        self
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn hint(&self) -> &str {
        &self.hint
    }

    pub(super) fn code(&self) -> u8 {
        self.code
    }

    /// Whether time alone mends nothing.
    pub(super) fn is_lasting(&self) -> bool {
        self.lasting
    }

    /// Says it on stderr and gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        if logs::is_json() {
            let fields = [("exit_code", json!(self.code)), ("hint", json!(self.hint))];
            let fields = Map::from_iter(fields.map(|(name, value)| (name.to_owned(), value)));
            logs::record(Level::ERROR, &self.message, &fields);
            return ExitCode::from(self.code);
        }
        say(&format!("error: {}", self.message));
        if !self.hint.is_empty() {
            say(&format!("hint: {}", self.hint));
        }
        ExitCode::from(self.code)
    }
}

/// One line or more of talk. A closed stderr has nobody to listen.
pub(super) fn say(text: &str) {
    if logs::is_json() {
        return logs::record(Level::INFO, text.trim_matches('\n'), &Map::new());
    }
    drop(writeln!(io::stderr().lock(), "{}", harmless(text)));
}

/// `text` as a terminal can show it: paths, names and messages may hold characters that move the
/// cursor, colour or turn around what is read. Line ends stay.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_harmful = |c: char| (c.is_control() && c != '\n') || turns(c);
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string()).with_hint(error.hint())
    }
}

impl From<FileError> for CliError {
    fn from(error: FileError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        let wrap = if error.is_usage() { Self::usage } else { Self::failure };
        let lasting = error.is_usage() || error.is_final();
        Self { lasting, ..wrap(error.to_string()).with_hint(error.hint()) }
    }
}

impl From<PrepareError> for CliError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Config(error) => error.into(),
            PrepareError::Run(RunError::Store(error)) => error.into(),
            PrepareError::Run(error) => error.into(),
        }
    }
}

/// Opening a run: a directory that cannot be used is the command's fault.
impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let wrap = match &error {
            StoreError::Foreign { .. }
            | StoreError::Missing { .. }
            | StoreError::Newer { .. }
            | StoreError::Locked { .. }
            | StoreError::Network { .. }
            | StoreError::Io { .. } => Self::usage,
            _ => Self::failure,
        };
        wrap(error.to_string()).with_hint(error.hint())
    }
}

impl From<AtomicFileError> for CliError {
    fn from(error: AtomicFileError) -> Self {
        Self::failure(error.to_string())
    }
}

/// A file that cannot be read as records is the command's fault.
impl From<DatasetError> for CliError {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::Output(error) => error.into(),
            error => Self::usage(error.to_string()),
        }
    }
}

impl From<DedupError> for CliError {
    fn from(error: DedupError) -> Self {
        match error {
            DedupError::Dataset(error) => error.into(),
            error => Self::failure(error.to_string()),
        }
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe {
            // Whoever reads our stdout has seen enough.
            return Self::failure("the output was closed");
        }
        Self::failure(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_is_shown_and_not_done() {
        assert_eq!(
            harmless("a\tb\n\u{1b}[2J\u{202e}\u{9b}\r"),
            "a\\u{9}b\n\\u{1b}[2J\\u{202e}\\u{9b}\\u{d}"
        );
        assert!(matches!(harmless("é, 漢字, 👨‍👩‍👧\n"), Cow::Borrowed(_)));
    }
}
