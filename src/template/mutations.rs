//! Damages answers in every single place and checks that the reader loses no other task.

use std::ops::Range;

use proptest::prelude::*;
use serde_json::json;

use super::Item;
use super::salvage::salvage;
use super::tests::{candidates, rules, task};
use crate::task::Candidate;

/// An answer and where in it each of its tasks stands.
struct Answer {
    text: String,
    /// The byte range of each task.
    places: Vec<(usize, usize)>,
}

/// How an answer holds its tasks: before the first, between two, after the last.
type Layout = (&'static str, &'static str, &'static str);

const LAYOUTS: [Layout; 7] = [
    ("[", ",", "]"),
    ("{\"tasks\": [\n", ",\n", "\n]}"),
    ("```json\n{\"tasks\":[", ", ", "]}\n```\nThese are \"all\" I have."),
    ("", "\n", "\n"),
    ("{\"data\":{\"note\":\"a, b\",\"list\":[", ",", "]}}"),
    ("{\"1\":", ",\"2\":", "}"),
    ("Sure - {see} below:\n\n1. ", "\n\n2. ", "\n"),
];

/// How a task is written.
type Row = fn(&Candidate) -> String;

const ROWS: [Row; 3] = [
    |Candidate { instruction, input, output }| {
        json!({"instruction": instruction, "input": input, "output": output}).to_string()
    },
    |Candidate { instruction, input, output }| {
        let id = json!({"of": [1, {"k": "v"}]});
        json!({"id": id, "output": output, "input": input, "instruction": instruction}).to_string()
    },
    |Candidate { instruction, input, output }| {
        let row = json!({"no": 1, "Instruction": instruction, "Input": input, "Answer": [output]});
        serde_json::to_string_pretty(&row).unwrap()
    },
];

impl Answer {
    fn new(tasks: &[Candidate], layout: Layout, row: Row) -> Self {
        let (before, between, after) = layout;
        let mut text = String::from(before);
        let mut places = Vec::new();
        for (index, task) in tasks.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { between });
            let start = text.len();
            text += &row(task);
            places.push((start, text.len()));
        }
        text.push_str(after);
        Self { text, places }
    }

    /// The tasks that a change of the bytes in `range` leaves alone.
    fn untouched(&self, tasks: &[Candidate], range: &Range<usize>) -> Vec<Candidate> {
        let apart = |(from, to): &(usize, usize)| range.end <= *from || *to <= range.start;
        let whole = self.places.iter().zip(tasks).filter(|(place, _)| apart(place));
        whole.map(|(_, task)| task.clone()).collect()
    }
}

/// Changes the text in every place: takes each sign out, and puts each of `INSERTIONS` in. Gives
/// the changed text, the bytes that were taken out, and what was done.
fn damages(text: &str) -> impl Iterator<Item = (String, Range<usize>, String)> {
    let pieces = |at, end| (text.get(..at).unwrap(), text.get(end..).unwrap());
    text.char_indices().flat_map(move |(at, c)| {
        let end = at + c.len_utf8();
        let (before, after) = pieces(at, end);
        let dropped = (format!("{before}{after}"), at..end, format!("{c} dropped at {at}"));
        let inserted = INSERTIONS.iter().map(move |new| {
            let (before, after) = pieces(at, at);
            (format!("{before}{new}{after}"), at..at, format!("{new} inserted at {at}"))
        });
        inserted.chain(c.is_ascii_punctuation().then_some(dropped))
    })
}

const INSERTIONS: [&str; 16] = [
    "\"", "{", "}", "[", "]", ",", ":", "\n", "\\", "'", "“", "NaN", "//", "/* x */", "# x\n",
    "```",
];

/// Whether `items` has all of `expected` in this order.
fn has_all(items: &[Item], expected: &[Candidate]) -> bool {
    let found = candidates(items);
    let mut rest = found.iter();
    expected.iter().all(|task| rest.any(|found| found == task))
}

/// Checks that each damage costs no task but the one it hits, and that a lost task leaves a defect:
/// the damages from number `from` on, every `step` of them.
fn check_damages(tasks: &[Candidate], answer: &Answer, from: usize, step: usize) {
    for (text, range, what) in damages(&answer.text).skip(from).step_by(step) {
        let items = salvage(&text);
        assert!(has_all(&items, &answer.untouched(tasks, &range)), "{what}: {text}\n{items:?}");
        let all_seen = candidates(&items).len() >= tasks.len() || !rules(&items).is_empty();
        assert!(all_seen, "lost without a defect, {what}: {text}");
    }
}

#[test]
fn no_damage_costs_another_task() {
    let tasks = [
        task("Add the numbers.", "1, 2", "3"),
        task("Say \"hi\" {twice}", "", "hi\nhi"),
        task("c", "[x]: {\"y\": 1}", "it's // fine"),
        task("d", "", "e"),
    ];
    for layout in LAYOUTS {
        for row in ROWS {
            check_damages(&tasks, &Answer::new(&tasks, layout, row), 0, 1);
        }
    }
}

#[test]
fn what_was_not_damaged_is_read_as_it_is() {
    for layout in LAYOUTS {
        let tasks = [task("a", "", "1"), task("b", "x", "2"), task("c", "y", "3")];
        let text = Answer::new(&tasks, layout, ROWS[0]).text;
        let python = text.replace('"', "'");
        let curly = text.replace("\":", "”:").replace("\",", "”,").replace("\"}", "”}");
        let curly = curly.replace('"', "“");
        let raw_commas = text.replace("\",\"", "\",, \"").replace("},", "}\n");
        let comments = text.replace(",\"", ", // it's {next}\n\"").replace('}', "} # 'done'\n");
        for text in [python, curly, raw_commas, comments] {
            assert_eq!(candidates(&salvage(&text)), tasks, "{text}");
        }
    }
}

/// Text that makes trouble for a scanner, with nothing that cleaning would change.
fn hard_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("{\"instruction\":\"x\",\"output\":\"y\"}"),
        Just("\"},{\""),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just("\""),
        Just("\\"),
        Just("\\\""),
        Just("\n"),
        Just("```"),
        Just("é"),
        Just("😀"),
        Just("a"),
        Just(" "),
        Just("\\u"),
        Just(":"),
        Just(","),
        Just("'"),
        Just("//"),
        Just("“"),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| format!("<{}>", parts.concat()))
}

fn tasks(number: Range<usize>) -> impl Strategy<Value = Vec<Candidate>> {
    let task = (hard_text(), hard_text(), hard_text())
        .prop_map(|(instruction, input, output)| Candidate { instruction, input, output });
    prop::collection::vec(task, number)
}

fn layout() -> impl Strategy<Value = Layout> {
    prop::sample::select(&LAYOUTS[..])
}

fn row() -> impl Strategy<Value = Row> {
    prop::sample::select(&ROWS[..])
}

proptest! {
    #[test]
    fn a_cut_answer_gives_exactly_its_whole_tasks(
        tasks in tasks(1..4), layout in layout(), row in row(),
    ) {
        let Answer { text, places } = Answer::new(&tasks, layout, row);
        for prefix in (0..=text.len()).filter_map(|cut| text.get(..cut)) {
            let whole = places.iter().filter(|(_, end)| *end <= prefix.len()).count();
            prop_assert_eq!(&candidates(&salvage(prefix)), &tasks[..whole], "{}", prefix);
        }
    }

    #[test]
    fn raw_line_breaks_in_strings_are_read(
        tasks in tasks(1..4), layout in layout(), row in row(),
    ) {
        let Answer { text, .. } = Answer::new(&tasks, layout, row);
        let raw = text.replace("\\\\", "\u{1}").replace("\\n", "\n").replace('\u{1}', "\\\\");
        prop_assert_eq!(candidates(&salvage(&raw)), tasks);
    }
    #[test]
    fn no_damage_to_hard_texts_costs_another_task(
        tasks in tasks(2..4), layout in layout(), row in row(), from in 0..50_usize,
    ) {
        check_damages(&tasks, &Answer::new(&tasks, layout, row), from, 50);
    }
}
