//! Finds the task objects in text that is not valid JSON as a whole.
//!
//! One pass with an explicit stack, so that the time is linear and no depth of nesting can
//! overflow the call stack. It looks at brackets, strings and keys alone; whether an object is
//! valid JSON is for its reader to find out. Wherever a new object must begin, whatever was read
//! before, it begins: so one fault costs the object that has it and no other.

use super::fields;
use super::quotes::{Quote, begins_object, first_key, key, list_ends};

/// An object's place in the text, as a byte range.
///
/// One that lacks its opening brace begins with the quote of its first key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) ending: Ending,
}

/// How an object ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With its closing brace.
    Closed,
    /// Where another object or the end of the list shows that it has ended: its quotes do not pair
    /// up, or it lacks its closing brace.
    Broken,
    /// With the text.
    Truncated,
}

/// The objects of `text` that are tasks or may be, in order, none inside another.
///
/// An object with the key `instruction` and no list `tasks` is a task, and objects inside it belong
/// to its fields. Any other object is a wrapper when objects are inside it.
pub(super) fn find_objects(text: &str) -> Vec<Span> {
    let mut scanner = Scanner { bytes: text.as_bytes(), ..Scanner::default() };
    scanner.run();
    scanner.found
}

/// An object whose closing brace has not come yet.
#[derive(Debug)]
struct OpenObject {
    start: usize,
    /// How many spans were found before it.
    found_before: usize,
    /// How many of its arrays are open.
    arrays: u32,
    /// Whether it has a list `tasks`, or a task was in it before it had an instruction.
    wraps: bool,
}

/// A string that was read.
#[derive(Debug, Clone, Copy)]
struct Text<'t> {
    /// Where its opening quote is.
    start: usize,
    quote: Quote,
    /// What is between its quotes.
    content: &'t [u8],
}

#[derive(Debug, Default)]
struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    open: Vec<OpenObject>,
    /// Index in `open` of the outermost object known to be a task.
    open_task: Option<usize>,
    /// The string just read, when only whitespace came after it: a key, if a colon follows.
    last_string: Option<Text<'t>>,
    /// The key whose value is due: only a colon and whitespace came after it.
    due_key: Option<Text<'t>>,
    /// The last two bytes that were neither whitespace nor inside a string.
    last: [u8; 2],
    found: Vec<Span>,
}

impl<'t> Scanner<'t> {
    fn run(&mut self) {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            if let Some(quote) = Quote::opening(self.rest())
                && self.string_begins(quote)
            {
                self.read_string(quote);
                self.note(b'"');
                continue;
            }
            match byte {
                b'{' => self.open_object(),
                b'}' => self.close_object(),
                b'[' => self.open_array(),
                b']' => self.close_array(),
                b':' => self.read_key(),
                // Inside a string, if quotes do not pair up.
                b'\\' if matches!(self.bytes.get(self.at + 1), Some(b'"' | b'\\')) => self.at += 1,
                _ => {}
            }
            if !byte.is_ascii_whitespace() {
                self.note(byte);
            }
            self.at += 1;
        }
        self.finish();
    }

    fn rest(&self) -> &'t [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Remembers that `byte`, or a string when it is a quote, was read.
    fn note(&mut self, byte: u8) {
        if byte != b':' {
            self.due_key = None;
        }
        if byte != b'"' {
            self.last_string = None;
        }
        self.last = [self.last[1], byte];
    }

    /// Whether the quote here begins a string. Outside objects it is prose, and prose need not pair
    /// its quotes; but a key there, first in a list or after a colon begins an object whose brace
    /// is missing.
    fn string_begins(&mut self, quote: Quote) -> bool {
        let is_key = key(self.rest(), quote).is_some();
        if is_key && self.open_task.is_none() && self.brace_is_due() {
            self.push_object();
        }
        let is_value = || self.due_key.is_some_and(|key| key.quote == quote);
        !self.open.is_empty() && (quote == Quote::Double || is_key || is_value())
    }

    /// Whether an object begins here, if a key does.
    fn brace_is_due(&self) -> bool {
        let Some(object) = self.open.last() else { return true };
        let is_first = matches!(self.last, [_, b'[' | b'}'] | [b'}', b',']);
        self.last[1] == b':' || (object.arrays > 0 && is_first)
    }

    fn open_object(&mut self) {
        if let Some(end) = self.end_of_unclosed() {
            self.break_off(end);
        }
        self.push_object();
    }

    fn push_object(&mut self) {
        let found_before = self.found.len();
        self.open.push(OpenObject { start: self.at, found_before, arrays: 0, wraps: false });
    }

    /// Where the innermost object ended without a brace, if the brace here shows that it did: it
    /// stands where a key is due, or it begins as the open task does and is none of its fields.
    fn end_of_unclosed(&self) -> Option<usize> {
        let object = self.open.last().filter(|object| object.arrays == 0)?;
        let first = first_key(self.rest())?;
        let Some(key) = self.due_key else {
            return (self.last[1] != b':').then_some(self.at);
        };
        let task = self.bytes.get(object.start..).unwrap_or_default();
        let is_sibling = self.open_task == Some(self.open.len() - 1)
            && first_key(task) == Some(first)
            && !fields::is_name(key.content);
        is_sibling.then_some(key.start)
    }

    fn close_object(&mut self) {
        let Some(object) = self.open.pop() else { return };
        let is_task = self.open_task == Some(self.open.len());
        if is_task {
            self.open_task = None;
            self.found.truncate(object.found_before);
            if let Some(wrapper) = self.open.last_mut() {
                wrapper.wraps = true;
            }
        }
        let is_wrapper = self.found.len() > object.found_before;
        if is_task || (self.open_task.is_none() && !is_wrapper) {
            self.push(object.start, self.at + 1, Ending::Closed);
        }
    }

    fn open_array(&mut self) {
        let is_task = self.open_task == self.open.len().checked_sub(1);
        let Some(object) = self.open.last_mut() else { return };
        let holds_tasks = self.due_key.is_some_and(|key| fields::is_list_of_tasks(key.content));
        if object.arrays == 0 && holds_tasks && (is_task || self.open_task.is_none()) {
            object.wraps = true;
            self.open_task = None;
        }
        object.arrays = object.arrays.saturating_add(1);
    }

    fn close_array(&mut self) {
        if self.open.last().is_some_and(|object| object.arrays == 0) {
            self.close_unclosed_object();
        }
        if let Some(object) = self.open.last_mut() {
            object.arrays = object.arrays.saturating_sub(1);
        }
    }

    /// Closes the innermost object where the end of the list that it stands in shows that it lacks
    /// its brace.
    fn close_unclosed_object(&mut self) {
        let innermost = self.open.len().checked_sub(1);
        let outer = self.open.iter().nth_back(1);
        let is_in_list = outer.is_some_and(|outer| outer.arrays > 0);
        match self.open_task {
            Some(_) if self.open_task == innermost && list_ends(self.rest()) => {
                self.break_off(self.at);
            }
            Some(_) if self.open_task != innermost && is_in_list => {
                self.open.truncate(self.open.len() - 1);
            }
            None if is_in_list => self.break_off(self.at),
            _ => {}
        }
    }

    fn read_key(&mut self) {
        self.due_key = self.last_string.take();
        let (Some(key), Some(object)) = (self.due_key, self.open.last()) else { return };
        let may_be_task = self.open_task.is_none() && object.arrays == 0 && !object.wraps;
        if may_be_task && fields::is_instruction(key.content) {
            self.open_task = self.open.len().checked_sub(1);
        }
    }

    /// Moves past the string that begins here, or to the object that shows it to be unclosed.
    fn read_string(&mut self, quote: Quote) {
        let start = self.at;
        self.at += quote.opening_len();
        let content_from = self.at;
        while let Some(byte) = self.bytes.get(self.at) {
            if let Some(length) = quote.closing_len(self.rest()) {
                let content = self.bytes.get(content_from..self.at).unwrap_or_default();
                self.last_string = Some(Text { start, quote, content });
                self.at += length;
                return;
            }
            match byte {
                b'\\' => self.at += 1,
                b'{' if begins_object(self.rest(), quote) => return self.break_off(self.at),
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Gives up the task that is open, or the object that may be one, so that its fault does not
    /// cost all that follow.
    fn break_off(&mut self, end: usize) {
        if let Some(index) = self.open_task.take() {
            self.open.truncate(index + 1);
        } else if self.open.last().is_none_or(|object| self.is_known_wrapper(object)) {
            return;
        }
        if let Some(object) = self.open.pop() {
            self.found.truncate(object.found_before);
            self.push(object.start, end, Ending::Broken);
        }
    }

    /// Whether the object holds others, or begins with one.
    fn is_known_wrapper(&self, object: &OpenObject) -> bool {
        object.wraps || self.found.len() > object.found_before || self.last[1] == b'{'
    }

    /// Records the object that the end of the text cut.
    fn finish(&mut self) {
        let index = self.open_task.or_else(|| self.open.len().checked_sub(1));
        let Some(object) = index.and_then(|index| self.open.get(index)) else { return };
        let (start, found_before) = (object.start, object.found_before);
        if self.open_task.is_some() {
            self.found.truncate(found_before);
        } else if self.bytes.get(start) != Some(&b'{') {
            return; // A word in quotes and a colon: prose.
        }
        // A wrapper cut between two of its tasks lost nothing.
        if self.found.len() == found_before {
            self.push(start, self.bytes.len(), Ending::Truncated);
        }
    }

    fn push(&mut self, start: usize, end: usize, ending: Ending) {
        self.found.push(Span { start, end, ending });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, Ending)> {
        let piece = |span: &Span| (text.get(span.start..span.end).unwrap(), span.ending);
        find_objects(text).iter().map(piece).collect()
    }

    #[test]
    fn a_wrapper_gives_its_objects_and_a_task_keeps_its_own() {
        use Ending::{Closed, Truncated};
        let cases: [(&str, &[(&str, Ending)]); 9] = [
            ("no braces, a \" quote", &[]),
            ("5\" { x } \"", &[("{ x }", Closed)]),
            (r#"{"a":{"b":{}}}"#, &[("{}", Closed)]),
            (r#"{"instruction":{"b":{}}}"#, &[(r#"{"instruction":{"b":{}}}"#, Closed)]),
            (r#"{"b":{}, "INSTRUCTION" : 1}"#, &[(r#"{"b":{}, "INSTRUCTION" : 1}"#, Closed)]),
            (r#"{"b":{},"c":"instruction"}"#, &[("{}", Closed)]),
            (r#"{"t":[{"output":"}{\""},"#, &[(r#"{"output":"}{\""}"#, Closed)]),
            (
                r#"{"t":[{},{"instruction":{"a":{}},"#,
                &[("{}", Closed), (r#"{"instruction":{"a":{}},"#, Truncated)],
            ),
            ("} {\"a\": ", &[("{\"a\": ", Truncated)]),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn an_unpaired_quote_costs_one_task() {
        let text = r#"[{"output":"5" wide"},{ "Input":"b"},{"output":"{\"input\""}]"#;
        let expected = [
            (r#"{"output":"5" wide"},"#, Ending::Broken),
            (r#"{ "Input":"b"}"#, Ending::Closed),
            (r#"{"output":"{\"input\""}"#, Ending::Closed),
        ];
        assert_eq!(found(text), expected);
        let text = r#"[{"id":1,"output":"5" wide"},{"id":2,"output":"b"}]"#;
        let expected = [
            (r#"{"id":1,"output":"5" wide"},"#, Ending::Broken),
            (r#"{"id":2,"output":"b"}"#, Ending::Closed),
        ];
        assert_eq!(found(text), expected);
    }

    #[test]
    fn a_missing_brace_costs_no_other_task() {
        let text = r#"[{"input":{"k":1},"instruction":["a",{"b":1},{"c":2}],{"input":"b"}]"#;
        let expected = [
            (r#"{"input":{"k":1},"instruction":["a",{"b":1},{"c":2}],"#, Ending::Broken),
            (r#"{"input":"b"}"#, Ending::Closed),
        ];
        assert_eq!(found(text), expected);
    }
}
