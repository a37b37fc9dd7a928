//! Reads seed tasks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::task::SeedTask;

use super::problem::{Encoding, Fault, Place, Problem, SeedError, excerpt};
use super::record::{self, Broken, Flaw};

/// The largest seeds file.
pub(super) const MAX_FILE_BYTES: u64 = 256_000_000;
/// The most JSON text of one seed task.
pub(super) const MAX_RECORD_BYTES: usize = 1_000_000;
/// The most seed tasks in a file.
pub(super) const MAX_SEEDS: usize = 1_000_000;
/// The most characters of an instruction.
pub(super) const MAX_INSTRUCTION_CHARS: usize = 100_000;
/// The most problems that one error lists.
const MAX_LISTED: usize = 10;

/// The seed tasks of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedFile {
    /// The tasks in the order of the file; at least one.
    pub tasks: Vec<SeedTask>,
    /// SHA-256 of the file's bytes in lower-case hex.
    pub sha256: String,
}

/// The text of the seed tasks that come with the program, as JSONL.
pub const BUNDLED_SEED_TASKS: &str = include_str!("../../seed_tasks/default.jsonl");

/// Reads a seeds file: JSONL, which has one object a line, or one JSON array of objects.
///
/// Each object is a task in the form of Self-Instruct's and Alpaca's seed files (`instruction`,
/// `instances`, and optionally `id`, `name` and `is_classification`) or of Alpaca's data set
/// (`instruction`, `output` and optionally `input`). Other keys are ignored. Blank lines and a
/// UTF-8 byte order mark are skipped. A task without `id` gets its place, such as `line 3`.
///
/// # Errors
///
/// [`SeedError`] when the file can't be read, is not UTF-8, not JSON, empty or too large; when a
/// task lacks its instruction or output, or has a field of another type; and when two tasks have
/// the same id, or instructions that differ in nothing but white space and letter case. Up to ten
/// such problems are found at once.
pub fn read_seed_tasks(path: &Path) -> Result<SeedFile, SeedError> {
    seed_file(path, &read_bytes(path)?)
}

/// The seed tasks that come with the program: `seed_tasks/default.jsonl`.
///
/// # Errors
///
/// None in a released program: a test reads them.
pub fn bundled_seed_tasks() -> Result<SeedFile, SeedError> {
    seed_file(Path::new("seed_tasks/default.jsonl"), BUNDLED_SEED_TASKS.as_bytes())
}

fn seed_file(path: &Path, bytes: &[u8]) -> Result<SeedFile, SeedError> {
    let tasks = parse_seed_tasks(path, decode(path, bytes)?, MAX_SEEDS)?;
    Ok(SeedFile { tasks, sha256: format!("{:x}", Sha256::digest(bytes)) })
}

/// Checks that a request can show `num_examples` different seed tasks.
///
/// # Errors
///
/// [`SeedError::TooFew`] when there are fewer.
pub fn ensure_enough(tasks: &[SeedTask], num_examples: usize) -> Result<(), SeedError> {
    if tasks.len() < num_examples {
        return Err(SeedError::TooFew { seeds: tasks.len(), num_examples });
    }
    Ok(())
}

/// Whether words of ASCII letters tell these seed tasks apart: whether on average less than 10 %
/// of the letters of an instruction are outside ASCII.
///
/// English has none, German and French have 2 to 4 %, Russian, Arabic or Chinese nearly only such
/// letters, and `rouge-l` is blind to those. Every instruction counts alike, however long: the
/// same text has far fewer letters in Chinese than in English, and a tenth of the tasks in Chinese
/// is reason enough for `rouge-l-unicode`.
pub fn mostly_ascii(tasks: &[SeedTask]) -> bool {
    mostly_ascii_texts(tasks.iter().map(|task| &*task.instruction))
}

/// As [`mostly_ascii`], for any texts.
pub fn mostly_ascii_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> bool {
    // Per mille of each text, so that no floating point is in a decision of the run.
    let (mut total, mut count) = (0, 0_usize);
    for text in texts {
        total += non_ascii_per_mille(text);
        count += 1;
    }
    total < count.max(1) * 100
}

fn non_ascii_per_mille(text: &str) -> usize {
    let (mut letters, mut non_ascii) = (0, 0);
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        non_ascii += usize::from(!c.is_ascii());
    }
    non_ascii * 1_000 / letters.max(1)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, SeedError> {
    let not_readable = |source: io::Error| SeedError::NotReadable { path: path.into(), source };
    let file = File::open(path).map_err(not_readable)?;
    let metadata = file.metadata().map_err(not_readable)?;
    if metadata.is_dir() {
        return Err(SeedError::IsDirectory { path: path.into() });
    }
    // A pipe has no length, so what is read counts as well.
    let mut bytes = Vec::new();
    if metadata.len() <= MAX_FILE_BYTES {
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(not_readable)?;
    }
    if metadata.len().max(bytes.len() as u64) > MAX_FILE_BYTES {
        return Err(SeedError::TooLarge { path: path.into() });
    }
    Ok(bytes)
}

/// The text without its byte order mark.
fn decode<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, SeedError> {
    let not_utf8 = |found, line| SeedError::NotUtf8 { path: path.into(), found, line };
    if let Some(found) = foreign_encoding(bytes) {
        return Err(not_utf8(found, None));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        not_utf8(Encoding::Other, Some(newlines(valid) + 1))
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Recognizes what can't be JSON in UTF-8, by its first bytes and by zero bytes, which JSON never
/// has but every other character of English text in UTF-16 is.
fn foreign_encoding(bytes: &[u8]) -> Option<Encoding> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [_, 0, 0, 0, ..] | [0, 0, 0, _, ..] => {
            Some(Encoding::Utf32)
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, ..] | [0, _, ..] => Some(Encoding::Utf16),
        [0x1f, 0x8b, ..] | [b'P', b'K', 3, 4, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Some(Encoding::Compressed)
        }
        _ => bytes.contains(&0).then_some(Encoding::Other),
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn parse_seed_tasks(path: &Path, text: &str, max_tasks: usize) -> Result<Vec<SeedTask>, SeedError> {
    let mut collection = Collection { max_tasks, ..Collection::default() };
    match text.trim_start().chars().next() {
        None => return Err(SeedError::Empty { path: path.into() }),
        Some('{') => collection.add_lines(text),
        Some('[') => collection.add_array(text),
        Some(_) => {
            let start = excerpt(text.trim_start().lines().next().unwrap_or_default(), 40);
            return Err(SeedError::NotJson { path: path.into(), start });
        }
    }
    let Collection { tasks, problems, more, is_overfull, .. } = collection;
    if is_overfull {
        Err(SeedError::TooMany { path: path.into() })
    } else if !problems.is_empty() {
        Err(SeedError::Invalid { path: path.into(), problems, more })
    } else if tasks.is_empty() {
        Err(SeedError::Empty { path: path.into() })
    } else {
        Ok(tasks)
    }
}

/// The tasks and problems found so far.
#[derive(Default)]
struct Collection {
    tasks: Vec<SeedTask>,
    /// Where each id, and each instruction as [`comparable`], was first.
    ids: HashMap<String, Place>,
    instructions: HashMap<String, Place>,
    problems: Vec<Problem>,
    /// How many problems were not listed.
    more: usize,
    max_tasks: usize,
    /// There was a task more than that.
    is_overfull: bool,
}

impl Collection {
    fn add_lines(&mut self, text: &str) {
        let lines = (1..).zip(text.split('\n'));
        let mut lines = lines.filter(|(_, line)| !line.trim().is_empty()).peekable();
        let mut is_first = true;
        while let Some((number, line)) = lines.next() {
            let place = Place { line: number, item: None };
            // Files with a byte order mark that were joined have it in the middle as well.
            let line = line.strip_prefix('\u{feff}').unwrap_or(line);
            match check_size(line).map(|()| record::parse(line)) {
                Err(fault) => self.problem(place, None, fault),
                // An object laid out over lines would give a problem for each of them.
                Ok(Err(broken)) if is_first && broken.is_cut && lines.peek().is_some() => {
                    return self.problem(place, None, Fault::SpreadOverLines);
                }
                Ok(Err(broken)) => self.broken(place, broken),
                Ok(Ok(value)) => {
                    self.interpreted(place, record::interpret(value, &format!("line {number}")));
                }
            }
            is_first = false;
            if self.is_overfull {
                return;
            }
        }
    }

    fn add_array(&mut self, text: &str) {
        // Raw, because a whole file of parsed values would need many times its size.
        let items: Vec<&RawValue> = match serde_json::from_str(text) {
            Ok(items) => items,
            Err(error) => {
                let broken = Broken::new(text, &error);
                let place = Place { line: broken.line as u64, item: None };
                return self.broken(place, Broken { line: 1, ..broken });
            }
        };
        let (mut line, mut counted) = (1, 0);
        for (number, item) in (1..).zip(items) {
            let item = item.get();
            // An item is a part of the text, so the difference of their addresses is its place.
            let offset = item.as_ptr().addr() - text.as_ptr().addr();
            line += newlines(text.as_bytes().get(counted..offset).unwrap_or_default());
            counted = offset;
            let place = Place { line, item: Some(number) };
            match check_size(item).map(|()| record::parse(item)) {
                Err(fault) => self.problem(place, None, fault),
                Ok(Err(mut broken)) => {
                    if broken.line == 1 {
                        broken.column += chars_before(text, offset);
                    }
                    self.broken(place, broken);
                }
                Ok(Ok(value)) => {
                    self.interpreted(place, record::interpret(value, &format!("item {number}")));
                }
            }
            if self.is_overfull {
                return;
            }
        }
    }

    fn interpreted(&mut self, place: Place, task: Result<SeedTask, Vec<Flaw>>) {
        match task {
            Ok(task) => self.add(place, task),
            Err(flaws) => {
                for (field, fault) in flaws {
                    self.problem(place, field, fault);
                }
            }
        }
    }

    fn add(&mut self, place: Place, task: SeedTask) {
        if self.tasks.len() >= self.max_tasks {
            self.is_overfull = true;
            return;
        }
        if let Some(first) = first_place(&mut self.ids, task.id.clone(), place) {
            let id = excerpt(&task.id, 60);
            self.problem(place, Some("id".to_owned()), Fault::DuplicateId { id, first });
        }
        let instruction = comparable(&task.instruction);
        if let Some(first) = first_place(&mut self.instructions, instruction, place) {
            let instruction = excerpt(&task.instruction, 60);
            let fault = Fault::DuplicateInstruction { instruction, first };
            self.problem(place, Some("instruction".to_owned()), fault);
        }
        self.tasks.push(task);
    }

    fn broken(&mut self, start: Place, broken: Broken) {
        let Broken { line, column, reason, .. } = broken;
        let place = Place { line: start.line + line as u64 - 1, ..start };
        self.problem(place, None, Fault::BrokenJson { column, reason });
    }

    fn problem(&mut self, place: Place, field: Option<String>, fault: Fault) {
        if self.problems.len() < MAX_LISTED {
            self.problems.push(Problem { place, field, fault });
        } else {
            self.more += 1;
        }
    }
}

fn check_size(record: &str) -> Result<(), Fault> {
    if record.len() > MAX_RECORD_BYTES { Err(Fault::TooManyBytes) } else { Ok(()) }
}

/// Where the key was before; if nowhere, it is here now.
fn first_place(places: &mut HashMap<String, Place>, key: String, place: Place) -> Option<Place> {
    match places.entry(key) {
        Entry::Occupied(first) => Some(*first.get()),
        Entry::Vacant(free) => {
            free.insert(place);
            None
        }
    }
}

/// The instruction as duplicates are compared: white space collapsed, in lower case.
fn comparable(instruction: &str) -> String {
    let words: Vec<&str> = instruction.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// How many characters are before the offset on its line.
fn chars_before(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or_default();
    before.rsplit('\n').next().map_or(0, |line| line.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_too_many_is_an_error() {
        let path = Path::new("seeds.jsonl");
        let lines: Vec<String> =
            (0..4).map(|n| format!(r#"{{"instruction": "{n}", "output": "a"}}"#)).collect();
        for text in [lines.join("\n"), format!("[{}]", lines.join(","))] {
            assert_eq!(parse_seed_tasks(path, &text, 4).unwrap().len(), 4);
            let error = parse_seed_tasks(path, &text, 3).unwrap_err();
            assert!(matches!(error, SeedError::TooMany { .. }));
        }
    }
}
