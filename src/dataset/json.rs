//! `json`: one array of objects. Kept records keep their text and the layout around them.

use std::io::{self, BufRead, Read as _, Write};
use std::ops::Range;

use super::error::{DatasetError, Place};
use super::record::{Content, Record, kind};
use super::source::Source;
use super::{Batch, Format, MAX_RECORD_BYTES, Records, too_long};

/// One JSON array, read an item at a time. An array of which every item is kept comes out byte for
/// byte.
#[derive(Debug)]
pub(super) struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "one JSON array of objects"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["json"]
    }

    fn open<'w>(
        &self,
        source: Source,
        out: &'w mut (dyn Write + Send),
    ) -> Result<Box<dyn Records + 'w>, DatasetError> {
        Ok(Box::new(Array {
            file: source.name().to_owned(),
            input: source.into_bytes(),
            out,
            scanner: Scanner::default(),
            text: String::new(),
            items: Vec::new(),
            first_lead: None,
            tail: 0..0,
            has_kept: false,
            row: 0,
            line: 1,
        }))
    }
}

struct Array<'w> {
    file: String,
    input: Box<dyn BufRead + Send>,
    out: &'w mut (dyn Write + Send),
    scanner: Scanner,
    /// The items in hand and what is between them.
    text: String,
    items: Vec<Item>,
    /// What is before the first item of the file, from the bracket on.
    first_lead: Option<String>,
    /// Where in the text the end of the array is, with its bracket, once it is reached.
    tail: Range<usize>,
    has_kept: bool,
    row: u64,
    line: u64,
}

/// Where an item is in the text, and what is before it: a bracket or comma and white space.
struct Item {
    lead: Range<usize>,
    json: Range<usize>,
    place: Place,
}

impl Array<'_> {
    /// Appends what comes up to the end of the next item; `false` when that is the end of the
    /// array.
    fn read_item(&mut self, bytes: &mut Vec<u8>) -> Result<bool, DatasetError> {
        let lead_start = bytes.len();
        let before = self.read_until(bytes, Scanner::lead)?;
        let lead = lead_start..bytes.len();
        self.line += newlines(bytes.get(lead.clone()));
        if matches!(before, Stop::End) {
            self.read_end(bytes)?;
            self.tail = lead_start..bytes.len();
            return Ok(false);
        }
        let place = Place { row: self.row + 1, line: Some(self.line) };
        let json_start = bytes.len();
        self.read_until(bytes, Scanner::item)?;
        let json = json_start..bytes.len();
        self.line += newlines(bytes.get(json.clone()));
        self.row += 1;
        self.items.push(Item { lead, json, place });
        Ok(true)
    }

    /// Moves bytes from the input until the scanner stops. The byte at which it found something
    /// that does not belong there is not moved.
    fn read_until(
        &mut self,
        bytes: &mut Vec<u8>,
        scan: fn(&mut Scanner, &[u8]) -> (usize, Stop),
    ) -> Result<Stop, DatasetError> {
        let start = bytes.len();
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(DatasetError::NotReadable { file: self.file.clone(), source });
                }
            };
            if chunk.is_empty() {
                let cut = "the array has no end: the file is cut, or a bracket or quote is missing";
                return Err(self.malformed(cut.to_owned()));
            }
            let (length, stop) = scan(&mut self.scanner, chunk);
            bytes.extend_from_slice(chunk.get(..length).unwrap_or(chunk));
            self.input.consume(length);
            match stop {
                Stop::Chunk if bytes.len() - start > MAX_RECORD_BYTES => {
                    let place = Place { row: self.row + 1, line: Some(self.line) };
                    return Err(too_long(&self.file, place));
                }
                Stop::Chunk => {}
                Stop::Wrong(found, expected) => {
                    self.line += newlines(bytes.get(start..));
                    let found = char::from(found).to_string();
                    let found = match kind(&found) {
                        "something that is not JSON" => format!("`{}`", found.escape_debug()),
                        found => found.to_owned(),
                    };
                    return Err(self.malformed(format!("{found} where {expected} is expected")));
                }
                stop => return Ok(stop),
            }
        }
    }

    /// After the closing bracket: white space only.
    fn read_end(&mut self, bytes: &mut Vec<u8>) -> Result<(), DatasetError> {
        let start = bytes.len();
        let read = (&mut self.input).take(MAX_RECORD_BYTES as u64).read_to_end(bytes);
        if let Err(source) = read {
            return Err(DatasetError::NotReadable { file: self.file.clone(), source });
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let after = rest.trim_ascii_start();
        if !after.is_empty() {
            self.line += newlines(rest.get(..rest.len() - after.len()));
            let reason = "there is something after the end of the array: remove it, or write \
                          one object a line in place of arrays";
            return Err(self.malformed(reason.to_owned()));
        }
        Ok(())
    }

    fn malformed(&self, reason: String) -> DatasetError {
        let place = Some(Place { row: self.row + 1, line: Some(self.line) });
        DatasetError::Malformed { file: self.file.clone(), place, reason }
    }

    fn decode(&self, bytes: Vec<u8>) -> Result<String, DatasetError> {
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let broken = self.items.iter().find(|item| item.json.end > at);
            let line = broken.and_then(|item| {
                let before = newlines(error.as_bytes().get(item.json.start..at));
                item.place.line.map(|line| line + before)
            });
            DatasetError::NotUtf8 { file: self.file.clone(), found: "not UTF-8", line }
        })
    }

    fn write(&mut self, index: usize) -> io::Result<()> {
        let Some(item) = self.items.get(index) else { return Ok(()) };
        let own_lead = self.text.get(item.lead.clone()).unwrap_or_default();
        let lead = match &self.first_lead {
            Some(first) if !self.has_kept => first,
            _ => own_lead,
        };
        self.has_kept = true;
        self.out.write_all(lead.as_bytes())?;
        self.out.write_all(self.text.get(item.json.clone()).unwrap_or_default().as_bytes())
    }
}

impl Records for Array<'_> {
    fn advance(&mut self) -> Result<usize, DatasetError> {
        self.items.clear();
        if self.scanner.is_done() {
            return Ok(0);
        }
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        bytes.clear();
        while Batch::has_room(self.items.len(), bytes.len()) && self.read_item(&mut bytes)? {}
        self.text = self.decode(bytes)?;
        if let (None, Some(first)) = (&self.first_lead, self.items.first()) {
            self.first_lead = self.text.get(first.lead.clone()).map(str::to_owned);
        }
        Ok(self.items.len())
    }

    fn record(&self, index: usize) -> Option<Record<'_>> {
        let item = self.items.get(index)?;
        let json = self.text.get(item.json.clone())?;
        Some(Record { place: item.place, content: Content::Json(json) })
    }

    fn keep(&mut self, index: usize) -> Result<(), DatasetError> {
        self.write(index).map_err(DatasetError::Output)
    }

    fn finish(self: Box<Self>) -> Result<(), DatasetError> {
        let tail = self.text.get(self.tail).unwrap_or_default();
        let end = if self.has_kept { tail } else { "[]\n" };
        self.out.write_all(end.as_bytes()).map_err(DatasetError::Output)
    }
}

fn newlines(bytes: Option<&[u8]>) -> u64 {
    bytes.unwrap_or_default().iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// Finds the ends of items, without understanding them: `serde_json` does that afterwards.
#[derive(Default)]
struct Scanner {
    state: State,
    /// How many brackets of the item are open.
    depth: usize,
    in_string: bool,
    /// The last byte was a backslash in a string.
    is_escaped: bool,
}

/// What the scanner has seen outside of items.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Nothing,
    Bracket,
    Item,
    Comma,
    End,
}

/// Why the scanner stopped.
enum Stop {
    /// The chunk is used up.
    Chunk,
    /// An item starts or has ended here.
    Item,
    /// The array has ended.
    End,
    /// A byte that does not belong here, and what does.
    Wrong(u8, &'static str),
}

impl Scanner {
    fn is_done(&self) -> bool {
        self.state == State::End
    }

    /// Passes over what is between items.
    fn lead(&mut self, chunk: &[u8]) -> (usize, Stop) {
        for (index, byte) in chunk.iter().enumerate() {
            self.state = match (self.state, byte) {
                (state, b' ' | b'\t' | b'\r' | b'\n') => state,
                (State::Nothing, b'[') => State::Bracket,
                (State::Item, b',') => State::Comma,
                (State::Bracket | State::Comma, b'{') => return (index, Stop::Item),
                (State::Bracket | State::Item, b']') => {
                    self.state = State::End;
                    return (index + 1, Stop::End);
                }
                (State::Nothing, byte) => return (index, Stop::Wrong(*byte, "an array in []")),
                (State::Item, byte) => {
                    return (index, Stop::Wrong(*byte, "a comma or the end of the array"));
                }
                (_, byte) => return (index, Stop::Wrong(*byte, "an object in {}")),
            };
        }
        (chunk.len(), Stop::Chunk)
    }

    /// Passes over one item, which starts with a bracket.
    fn item(&mut self, chunk: &[u8]) -> (usize, Stop) {
        for (index, byte) in chunk.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.state = State::Item;
                        return (index + 1, Stop::Item);
                    }
                }
                _ => {}
            }
        }
        (chunk.len(), Stop::Chunk)
    }
}
