//! What can be wrong with a seeds file, where, and how to mend it.

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use super::seed::{MAX_FILE_BYTES, MAX_INSTRUCTION_CHARS, MAX_RECORD_BYTES, MAX_SEEDS};

/// The seed tasks can't be used. Every message says how to mend it; none has raw text of the file,
/// so that none can steer a terminal.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file can't be opened or read.
    #[error("cannot read the seeds file {}: check its path and permissions", show(.path))]
    NotReadable {
        /// The seeds file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A directory where a file is expected.
    #[error("{} is a directory: name one .jsonl or .json file in it", show(.path))]
    IsDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The file is larger than 256 MB.
    #[error(
        "the seeds file {} is larger than {} MB: is it the right file? Split it if it is",
        show(.path), MAX_FILE_BYTES / 1_000_000
    )]
    TooLarge {
        /// The seeds file.
        path: PathBuf,
    },
    /// The bytes are not UTF-8 text.
    #[error("the seeds file {} is {found}{}: {}", show(.path), at_line(*.line), found.mend())]
    NotUtf8 {
        /// The seeds file.
        path: PathBuf,
        /// What the bytes look like.
        found: Encoding,
        /// The first line that is not UTF-8, from 1, where that says something.
        line: Option<u64>,
    },
    /// No byte but white space, or a JSON array without items.
    #[error(
        "the seeds file {} has no seed task: write one JSON object a line, such as \
         {{\"instruction\": \"...\", \"input\": \"\", \"output\": \"...\"}}", show(.path)
    )]
    Empty {
        /// The seeds file.
        path: PathBuf,
    },
    /// The text starts like neither JSONL nor a JSON array.
    #[error(
        "the seeds file {} is not JSON, it starts with `{start}`: write JSONL, which has one \
         object in {{}} a line, or one JSON array of objects", show(.path)
    )]
    NotJson {
        /// The seeds file.
        path: PathBuf,
        /// Its first characters, safe to print.
        start: String,
    },
    /// More than a million seed tasks.
    #[error("the seeds file {} has more than {MAX_SEEDS} seed tasks: use a part of it", show(.path))]
    TooMany {
        /// The seeds file.
        path: PathBuf,
    },
    /// Some of the seed tasks are broken.
    #[error("{}", list(.path, .problems, *.more))]
    Invalid {
        /// The seeds file.
        path: PathBuf,
        /// The first problems, at most ten.
        problems: Vec<Problem>,
        /// How many further problems there are.
        more: usize,
    },
    /// Fewer seed tasks than one request shows.
    #[error(
        "the file has {}, but --num-examples is {num_examples}: add seed tasks or lower \
         --num-examples", count(*.seeds, "seed task")
    )]
    TooFew {
        /// How many seed tasks there are.
        seeds: usize,
        /// How many in-context examples a request has.
        num_examples: usize,
    },
}

/// What the bytes of a file look like when they are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Two bytes a character, as Windows' "Unicode" text files.
    Utf16,
    /// Four bytes a character.
    Utf32,
    /// A gzip, zip or Zstandard file.
    Compressed,
    /// Not text, or text in an older encoding such as Windows-1252, GBK or Shift JIS.
    Other,
}

impl Encoding {
    fn mend(self) -> &'static str {
        match self {
            Self::Compressed => "unpack it first",
            Self::Utf16 | Self::Utf32 | Self::Other => "save it as UTF-8",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf16 => "in UTF-16",
            Self::Utf32 => "in UTF-32",
            Self::Compressed => "compressed",
            Self::Other => "not UTF-8",
        })
    }
}

/// Where in a seeds file: `line 3`, or `item 5 (line 23)` in a JSON array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1, on which the object starts; for broken JSON the line of the mistake.
    pub line: u64,
    /// Position in the JSON array, from 1; `None` in JSONL and outside of the items.
    pub item: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, item } = self;
        match item {
            Some(item) => write!(f, "item {item} (line {line})"),
            None => write!(f, "line {line}"),
        }
    }
}

/// One thing to mend in a seeds file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// Which field of the object, such as `instruction` or `instances[0].output`; `None` when it
    /// is about the object as a whole.
    pub field: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a seed task. Texts in it are excerpts that are safe to print.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not JSON.
    #[error("not valid JSON at column {column} ({reason}): mend the quotes, commas or brackets")]
    BrokenJson {
        /// The character of the line at which reading failed, from 1.
        column: usize,
        /// What the reader expected there.
        reason: String,
    },
    /// The first object of a JSONL file goes on after its line.
    #[error(
        "the object does not end on this line: write each object on one line of its own, or put \
         all objects into one JSON array"
    )]
    SpreadOverLines,
    /// More than 1 MB for one task.
    #[error("longer than {} MB: a seed task is a short text", MAX_RECORD_BYTES / 1_000_000)]
    TooManyBytes,
    /// JSON, but not an object.
    #[error(
        "{found} where an object is expected, such as {{\"instruction\": \"...\", \"output\": \
         \"...\"}}"
    )]
    NotAnObject {
        /// What is there.
        found: String,
    },
    /// A field that must be there is not.
    #[error("is missing{}: {mend}", among(.keys))]
    Missing {
        /// The keys that the object has.
        keys: Vec<String>,
        /// What to write.
        mend: &'static str,
    },
    /// A text or list that must not be empty is.
    #[error("is empty: {mend}")]
    Empty {
        /// What to write.
        mend: &'static str,
    },
    /// A value of another type.
    #[error("is {found}: write {expected}")]
    WrongType {
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
    },
    /// An instruction of more than 100,000 characters.
    #[error("has {chars} characters: shorten it to {MAX_INSTRUCTION_CHARS} at most")]
    TooLong {
        /// How many characters it has.
        chars: usize,
    },
    /// Two seed tasks have the same identifier.
    #[error("`{id}` is the id of {first} too: give each seed task its own, or none")]
    DuplicateId {
        /// The identifier.
        id: String,
        /// Where it was first.
        first: Place,
    },
    /// Two seed tasks have the same instruction, but for white space and letter case.
    #[error("`{instruction}` is the instruction of {first} too: remove or change one of them")]
    DuplicateInstruction {
        /// The start of the instruction.
        instruction: String,
        /// Where it was first.
        first: Place,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, field, fault } = self;
        match field {
            Some(field) => write!(f, "{place}: `{field}` {fault}"),
            None => write!(f, "{place}: {fault}"),
        }
    }
}

/// The start of a text, on one line and without anything that could steer a terminal or reorder
/// what it shows: such characters are written as `\n` or `\u{202e}`.
pub(super) fn excerpt(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref().take(max_chars) {
        if c.is_control() || is_invisible(c) {
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

/// Format characters that change the direction or the lines of the text around them, or that
/// nobody sees.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

fn show(path: &Path) -> String {
    excerpt(&path.display().to_string(), 4_096)
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

fn at_line(line: Option<u64>) -> String {
    line.map(|line| format!(" at line {line}")).unwrap_or_default()
}

/// Names the keys that are there instead of the missing one: often one of them is misspelt.
fn among(keys: &[String]) -> String {
    const SHOWN: usize = 6;
    if keys.is_empty() {
        return String::new();
    }
    let shown: Vec<_> =
        keys.iter().take(SHOWN).map(|key| format!("`{}`", excerpt(key, 30))).collect();
    let more = if keys.len() > SHOWN { ", …" } else { "" };
    format!(" (the object has {}{more})", shown.join(", "))
}

fn list(path: &Path, problems: &[Problem], more: usize) -> String {
    let total = problems.len() + more;
    let mut text = format!("the seeds file {} has {}:", show(path), count(total, "problem"));
    for problem in problems {
        write!(text, "\n  {problem}").expect("writing to a String does not fail");
    }
    if more > 0 {
        write!(text, "\n  and {more} more").expect("writing to a String does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_cannot_steer_a_terminal() {
        assert_eq!(excerpt("plain \"text\" — 語 नमस्ते", 40), "plain \"text\" — 語 नमस्ते");
        assert_eq!(excerpt("a\x1b[31mred\r\n\0\u{9b}", 40), r"a\u{1b}[31mred\r\n\0\u{9b}");
        assert_eq!(excerpt("\u{202e}abc\u{2028}", 40), r"\u{202e}abc\u{2028}");
        assert_eq!(excerpt("abcdef", 3), "abc…");
        assert_eq!(excerpt("abc", 3), "abc");
    }
}
