//! Finds the task objects in text that is not valid JSON as a whole.
//!
//! One pass with an explicit stack, so that the time is linear and no depth of nesting can
//! overflow the call stack. It looks at braces, strings and keys alone; whether an object is
//! valid JSON is for its reader to find out.

/// The keys that tell a task from an object that wraps tasks.
const TASK_KEYS: [&str; 3] = ["instruction", "input", "output"];

/// An object's place in the text, as a byte range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) ending: Ending,
}

/// The most bytes of an object's first key that are looked at.
const MAX_FIRST_KEY: usize = 40;

/// How an object ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With its closing brace.
    Closed,
    /// Where the next object begins: its quotes do not pair up, or it lacks its closing brace.
    Broken,
    /// With the text.
    Truncated,
}

/// The objects of `text` that are tasks or may be, in order, none inside another.
///
/// An object with one of the keys `instruction`, `input` and `output` is a task, and objects
/// inside it belong to its fields. Any other object is a wrapper when objects are inside it.
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
    arrays: usize,
}

#[derive(Debug, Default)]
struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    open: Vec<OpenObject>,
    /// Index in `open` of the outermost object known to be a task.
    open_task: Option<usize>,
    /// The string just read, when only whitespace came after it: a key, if a colon follows.
    last_string: Option<&'t [u8]>,
    /// Whether a colon was the last thing read, so that a value is due.
    after_colon: bool,
    found: Vec<Span>,
}

impl Scanner<'_> {
    fn run(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                // Outside objects a quote is prose, and prose need not pair its quotes.
                b'"' if !self.open.is_empty() => {
                    self.read_string();
                    self.after_colon = false;
                    continue;
                }
                b'{' => self.open_object(),
                b'}' => self.close_object(),
                b':' => self.read_key(),
                byte if byte.is_ascii_whitespace() => {}
                byte => self.read_other(*byte),
            }
            self.after_colon = *byte == b':' || (self.after_colon && byte.is_ascii_whitespace());
            self.at += 1;
        }
        self.finish();
    }

    fn open_object(&mut self) {
        self.last_string = None;
        let key_is_due = self.open.last().is_some_and(|object| object.arrays == 0);
        if key_is_due && !self.after_colon && self.object_begins_here() {
            self.break_off();
        }
        self.open.push(OpenObject { start: self.at, found_before: self.found.len(), arrays: 0 });
    }

    fn read_other(&mut self, byte: u8) {
        self.last_string = None;
        let Some(object) = self.open.last_mut() else { return };
        match byte {
            b'[' => object.arrays += 1,
            b']' => object.arrays = object.arrays.saturating_sub(1),
            _ => {}
        }
    }

    fn close_object(&mut self) {
        self.last_string = None;
        let Some(object) = self.open.pop() else { return };
        let is_task = self.open_task == Some(self.open.len());
        if is_task {
            self.open_task = None;
            self.found.truncate(object.found_before);
        }
        let is_wrapper = self.found.len() > object.found_before;
        if is_task || (self.open_task.is_none() && !is_wrapper) {
            self.push(object.start, self.at + 1, Ending::Closed);
        }
    }

    fn read_key(&mut self) {
        let key = self.last_string.take();
        if self.open_task.is_none() && key.is_some_and(is_task_key) {
            self.open_task = self.open.len().checked_sub(1);
        }
    }

    /// Moves past the string that begins here, or to the object that shows it to be unclosed.
    fn read_string(&mut self) {
        let start = self.at + 1;
        self.at = start;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'\\' => self.at += 1,
                b'"' => {
                    self.last_string = self.bytes.get(start..self.at);
                    self.at += 1;
                    return;
                }
                b'{' if self.object_begins_here() => return self.break_off(),
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Whether `{"instruction":`, `{"id":` or the like stands here. Inside a string of valid JSON
    /// it cannot: the quote would have a backslash before it, or end the string and have no name
    /// after it.
    fn object_begins_here(&self) -> bool {
        let rest = self.bytes.get(self.at + 1..).unwrap_or_default().trim_ascii_start();
        let Some(rest) = rest.strip_prefix(b"\"") else { return false };
        let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
        let length = rest.iter().take(MAX_FIRST_KEY).take_while(is_name).count();
        let after = rest.get(length..).unwrap_or_default();
        let colon = after.strip_prefix(b"\"").map(<[u8]>::trim_ascii_start);
        length > 0 && colon.is_some_and(|rest| rest.starts_with(b":"))
    }

    /// Gives up the open task, so that one stray quote does not cost all that follow.
    fn break_off(&mut self) {
        let Some(index) = self.open_task.take() else { return };
        self.open.truncate(index + 1);
        if let Some(task) = self.open.pop() {
            self.found.truncate(task.found_before);
            self.push(task.start, self.at, Ending::Broken);
        }
    }

    /// Records the object that the end of the text cut.
    fn finish(&mut self) {
        let index = self.open_task.or_else(|| self.open.len().checked_sub(1));
        let Some(object) = index.and_then(|index| self.open.get(index)) else { return };
        let (start, found_before) = (object.start, object.found_before);
        if self.open_task.is_some() {
            self.found.truncate(found_before);
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

fn is_task_key(key: &[u8]) -> bool {
    let key = key.trim_ascii();
    TASK_KEYS.iter().any(|task_key| key.eq_ignore_ascii_case(task_key.as_bytes()))
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
            (r#"{"input":{"b":{}}}"#, &[(r#"{"input":{"b":{}}}"#, Closed)]),
            (r#"{"b":{}, "INPUT" : 1}"#, &[(r#"{"b":{}, "INPUT" : 1}"#, Closed)]),
            (r#"{"b":{},"c":"input"}"#, &[("{}", Closed)]),
            (r#"{"t":[{"output":"}{\""},"#, &[(r#"{"output":"}{\""}"#, Closed)]),
            (
                r#"{"t":[{},{"output":{"a":{}},"#,
                &[("{}", Closed), (r#"{"output":{"a":{}},"#, Truncated)],
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
        let text = r#"[{"input":{"k":1},"output":["a",{"b":1},{"c":2}],{"input":"b"}]"#;
        let expected = [
            (r#"{"input":{"k":1},"output":["a",{"b":1},{"c":2}],"#, Ending::Broken),
            (r#"{"input":"b"}"#, Ending::Closed),
        ];
        assert_eq!(found(text), expected);
    }
}
