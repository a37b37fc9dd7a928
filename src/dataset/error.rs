//! What can be wrong with a record file, where, and how to mend it.

use std::fmt;
use std::io;

/// A record file can't be used. Every message says how to mend it, and shows text of the file only
/// as an excerpt that cannot steer a terminal.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The file can't be opened or read.
    #[error("cannot read {file}: {source}")]
    NotReadable {
        /// The file.
        file: String,
        /// What the operating system or the decompressor said.
        source: io::Error,
    },
    /// A directory where a file is expected.
    #[error("{file} is a directory: name one file in it")]
    IsDirectory {
        /// The directory.
        file: String,
    },
    /// The bytes are text in an encoding other than UTF-8.
    #[error("{file} is {found}{}: save it as UTF-8", on_line(*.line))]
    NotUtf8 {
        /// The file.
        file: String,
        /// What the bytes look like, such as `in UTF-16`.
        found: &'static str,
        /// The line, from 1, where that says something.
        line: Option<u64>,
    },
    /// Neither the name nor the first bytes say what it is.
    #[error(
        "{file} does not say what it is, it starts with `{start}`: name its format with --format"
    )]
    UnknownFormat {
        /// The file.
        file: String,
        /// Its first characters.
        start: String,
    },
    /// The file is not in its format, as a whole or from some place on.
    #[error("{file}{}: {reason}", comma(.place.as_ref()))]
    Malformed {
        /// The file.
        file: String,
        /// Where, if at one place.
        place: Option<Place>,
        /// What is wrong, with the mend.
        reason: String,
    },
    /// The records are in none of the known shapes.
    #[error(
        "{file}: its records have {}, which is none of the shapes {shapes}: \
         name the field with the text to compare with --field", listed(.keys)
    )]
    UnknownShape {
        /// The file.
        file: String,
        /// The fields of the first record.
        keys: Vec<String>,
        /// The names of the known shapes.
        shapes: String,
    },
    /// A record does not fit the shape of the first.
    #[error("{file}, {place}: {flaw}")]
    Record {
        /// The file.
        file: String,
        /// Which record.
        place: Place,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The program was built without this format.
    #[error(
        "{file} is Parquet, which this build of the program leaves out: build it with \
         `cargo build --release --features parquet`, or convert the file to JSONL"
    )]
    NoParquet {
        /// The file.
        file: String,
    },
    /// The output takes no more.
    #[error("cannot write: {0}")]
    Output(#[source] io::Error),
}

/// Where a record is in its file. A record whose row is its line shows as `line 3`, others as
/// `row 5 (line 23)` or `row 5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which record of the file, from 1.
    pub row: u64,
    /// The line, from 1, on which it starts; `None` where there are no lines.
    pub line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { row, line: None } => write!(f, "row {row}"),
            Self { row, line: Some(line) } if row == line => write!(f, "line {line}"),
            Self { row, line: Some(line) } => write!(f, "row {row} (line {line})"),
        }
    }
}

/// One thing to mend in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Which field, such as `messages.0.content`; `None` when it is about the record as a whole.
    pub field: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

impl Flaw {
    pub(super) fn of_record(fault: Fault) -> Self {
        Self { field: None, fault }
    }

    pub(super) fn of_field(field: impl Into<String>, fault: Fault) -> Self {
        Self { field: Some(field.into()), fault }
    }

    /// Says where the record is.
    pub(super) fn at(self, file: &str, mut place: Place) -> DatasetError {
        if let Fault::BrokenJson { line, .. } = self.fault {
            place.line = place.line.map(|first| first + line);
        }
        DatasetError::Record { file: file.to_owned(), place, flaw: self }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => {
                let verb = if matches!(self.fault, Fault::BrokenJson { .. }) { "is " } else { "" };
                write!(f, "`{}` {verb}{}", excerpt(field, 100), self.fault)
            }
            None => self.fault.fmt(f),
        }
    }
}

/// What is wrong with a record. Texts in it are excerpts that are safe to print.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not JSON.
    #[error("not valid JSON at column {column} ({reason}): mend the quotes, commas or brackets")]
    BrokenJson {
        /// How many lines after the record's first.
        line: u64,
        /// The character at which reading failed, from 1, counted from the start of the record or,
        /// further down, of the line.
        column: usize,
        /// What the reader expected there.
        reason: String,
    },
    /// The first record of a JSONL file goes on after its line.
    #[error(
        "the record does not end on this line: write each record on one line of its own, or put \
         all of them into one JSON array"
    )]
    SpreadOverLines,
    /// JSON, but not an object.
    #[error("{found} where an object in {{}} is expected: write one object for each record")]
    NotAnObject {
        /// What is there.
        found: &'static str,
    },
    /// A field that must be there is not.
    #[error(
        "is missing (the record has {}): add it, remove the record, or compare another field \
         with --field", listed(.keys)
    )]
    Missing {
        /// The fields that the record has.
        keys: Vec<String>,
    },
    /// A value of another type.
    #[error("is {found}: {expected} is expected; mend it, or compare another field with --field")]
    WrongType {
        /// What is there.
        found: &'static str,
        /// What should be.
        expected: &'static str,
    },
    /// A conversation in which nobody asks.
    #[error("has no turn of the user: add one, or compare another field with --field")]
    NobodyAsks,
}

/// The start of a text, on one line and without anything that could steer a terminal or reorder
/// what it shows: such characters are written as `\n` or `\u{202e}`.
pub(super) fn excerpt(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref().take(max_chars) {
        let is_invisible = matches!(
            c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        );
        if c.is_control() || is_invisible {
            shown.extend(c.escape_debug());
        } else {
            shown.push(c);
        }
    }
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Field names for a message, at most eight.
fn listed(keys: &[String]) -> String {
    const SHOWN: usize = 8;
    if keys.is_empty() {
        return "no fields".to_owned();
    }
    let shown: Vec<String> =
        keys.iter().take(SHOWN).map(|key| format!("`{}`", excerpt(key, 30))).collect();
    format!("{}{}", shown.join(", "), if keys.len() > SHOWN { ", …" } else { "" })
}

fn on_line(line: Option<u64>) -> String {
    line.map(|line| format!(" on line {line}")).unwrap_or_default()
}

fn comma(place: Option<&Place>) -> String {
    place.map(|place| format!(", {place}")).unwrap_or_default()
}
