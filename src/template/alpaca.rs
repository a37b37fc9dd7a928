//! The numbered text format of Stanford Alpaca's `generate_instruction.py`.
//!
//! The layout of the examples and every parse rule are the original's, so that a completion gives
//! the same tasks here as there; the words of the prompt are our own. What the original drops in
//! silence comes back as a defect.

use std::fmt::Write;

use super::fence::fenced;
use super::salvage::MAX_ITEMS;
use super::{Defaults, Item, Rendered, TaskText, Template};
use crate::chat::{Completion, FinishReason, Prompt};
use crate::task::Candidate;

/// Between tasks, in the prompt on a line of its own; in completions it splits anywhere.
const SEPARATOR: &str = "###";
/// What stands for an empty input.
const NO_INPUT: &str = "<noinput>";

/// The template `alpaca`.
#[derive(Debug)]
pub(super) struct Alpaca;

impl Template for Alpaca {
    fn name(&self) -> &'static str {
        "alpaca"
    }

    fn about(&self) -> &'static str {
        "Alpaca's numbered text format, parsed exactly as the original does"
    }

    fn defaults(&self) -> Defaults {
        Defaults {
            num_examples: 3,
            accepted_examples: 0,
            tasks_per_request: 20,
            max_output_tokens: 3072,
            temperature: 1.0,
            top_p: 1.0,
            content_filters: false,
        }
    }

    fn render(&self, examples: &[TaskText<'_>], tasks_per_request: u32) -> Rendered {
        let mut prompt = guidelines(tasks_per_request);
        for (number, example) in (1_usize..).zip(examples) {
            push_example(&mut prompt, number, example);
        }
        // No space at the end: a completion model's next token brings its own.
        prompt.push_str(SEPARATOR);
        prompt.push('\n');
        prompt.push_str(&opening(examples.len()));
        Rendered {
            prompt: Prompt::Text(prompt),
            stop: vec![format!("\n{tasks_per_request}"), format!("{tasks_per_request}.")],
            response_schema: None,
        }
    }

    /// The rules of the list are its format too, so the text goes in front of them.
    fn render_with(
        &self,
        system: &str,
        examples: &[TaskText<'_>],
        tasks_per_request: u32,
    ) -> Rendered {
        let mut rendered = self.render(examples, tasks_per_request);
        if let Prompt::Text(prompt) = &mut rendered.prompt {
            prompt.insert_str(0, &format!("{}\n\n", system.trim_end()));
        }
        rendered
    }

    fn parse(&self, completion: &Completion, num_examples: usize) -> Vec<Item> {
        if completion.text.trim_matches(is_python_space).is_empty() {
            return vec![Item::defect("empty_response", &completion.text)];
        }
        let text = opening(num_examples) + &completion.text;
        let cut = completion.finish_reason == FinishReason::Length;
        let mut segments = text.split(SEPARATOR).peekable();
        let mut number = num_examples;
        let mut items = Vec::new();
        while let Some(segment) = segments.next() {
            // The expected number counts segments, blank and unreadable ones too.
            number = number.saturating_add(1);
            if segment.trim_matches(is_python_space).is_empty() {
                continue;
            }
            if items.len() == MAX_ITEMS {
                items.push(Item::defect("too_many_items", segment));
                break;
            }
            // The original gives up the last task of a cut completion even when it is whole.
            items.push(if cut && segments.peek().is_none() {
                Item::defect("truncated", segment)
            } else {
                read_segment(segment, number)
            });
        }
        items
    }
}

/// The prompt up to the first example.
fn guidelines(tasks_per_request: u32) -> String {
    format!(
        "Please write a list of {tasks_per_request} varied tasks, of the kind people give to a \
         language model, each with a model answer. The answers will be used to teach a model to \
         follow instructions.

Rules for the list:
1. Begin each instruction with a different verb where you can.
2. Vary how instructions are phrased: mix questions, commands and requests.
3. Mix the types of tasks: open questions, classification, rewriting, extraction, planning, \
         calculation, creative writing and others.
4. A model that reads and writes only text must be able to do each task: no pictures, no sound, \
         no reminders, no actions in the world.
5. Write in the language of the tasks at the start of the list.
6. An instruction takes one or two sentences.
7. The input holds realistic material for the instruction, never a placeholder, in at most 100 \
         words. Where an instruction needs none, write {NO_INPUT} as its input.
8. The output is a correct and complete answer in fewer than 100 words.
9. Number every task and put a line with {SEPARATOR} between tasks, as the list below begins.

The {tasks_per_request} tasks:
"
    )
}

/// Appends one example in the original's layout.
fn push_example(prompt: &mut String, number: usize, example: &TaskText<'_>) {
    let instruction = collapse_whitespace(example.instruction);
    let instruction = fenced(instruction.trim_end_matches(':'));
    let input = if example.input.is_empty() { NO_INPUT } else { example.input };
    let (input, output) = (fenced(input), fenced(example.output));
    write!(
        prompt,
        "{SEPARATOR}\n{number}. Instruction: {instruction}\n{number}. Input:\n{input}\n{number}. Output:\n{output}\n",
    )
    .expect("writing to a String cannot fail");
}

/// How the first new task begins: the end of the prompt, which the completion continues.
fn opening(num_examples: usize) -> String {
    format!("{}. Instruction:", num_examples.saturating_add(1))
}

/// Runs of whitespace become one space; none is left at the ends.
fn collapse_whitespace(text: &str) -> String {
    text.split(is_python_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Reads the text between two separators, which must hold exactly three markers of `number`.
///
/// Neither the kinds of the markers nor their order is looked at: the fields go by position.
fn read_segment(segment: &str, number: usize) -> Item {
    let fields = split_at_markers(segment, number);
    let [_before, instruction, input, output] = fields.as_slice() else {
        return Item::defect("wrong_markers", segment);
    };
    let [instruction, input, output] =
        [instruction, input, output].map(|field| field.trim_matches(is_python_space));
    let input = if input.eq_ignore_ascii_case(NO_INPUT) { "" } else { input };
    Item::Candidate(Candidate {
        instruction: instruction.to_owned(),
        input: input.to_owned(),
        output: output.to_owned(),
    })
}

/// The texts between the markers of `number`: what Python's
/// `re.split(r"<number>\.\s+(Instruction|Input|Output):", segment)` gives, without the kinds.
fn split_at_markers(segment: &str, number: usize) -> Vec<&str> {
    let start = format!("{number}.");
    let mut fields = Vec::new();
    let mut field_from = 0;
    // Not anchored, as in the original: `14.` holds a `4.`. No number can overlap itself.
    for (at, _) in segment.match_indices(&start) {
        let after = segment.get(at + start.len()..).and_then(after_marker_kind);
        if let Some(after) = after {
            fields.push(segment.get(field_from..at).unwrap_or_default());
            field_from = segment.len() - after.len();
        }
    }
    fields.push(segment.get(field_from..).unwrap_or_default());
    fields
}

/// What follows `\s+(Instruction|Input|Output):` when `text` begins with it.
fn after_marker_kind(text: &str) -> Option<&str> {
    let word = text.trim_start_matches(is_python_space);
    if word.len() == text.len() {
        return None;
    }
    ["Instruction:", "Input:", "Output:"].iter().find_map(|kind| word.strip_prefix(kind))
}

/// Python's `str.isspace`, which is also its `\s` and what `str.strip` takes off: Unicode
/// whitespace and the four separators U+001C to U+001F, which Rust leaves out.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{EXAMPLES, candidates, completion, rules, task, text_of};
    use super::*;

    fn parse(text: &str) -> Vec<Item> {
        Alpaca.parse(&completion(text, FinishReason::Stop), 3)
    }

    fn prompt_of(rendered: &Rendered) -> &str {
        let Prompt::Text(prompt) = &rendered.prompt else { panic!("not a text") };
        prompt
    }

    /// What each case is about, the completion after three examples, and the tasks in it as
    /// instruction, input, output.
    type Case = (&'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

    const CASES: &[Case] = &[
        ("plain", " a\n4. Input:\nb\n4. Output:\nc\n", &[("a", "b", "c")]),
        (
            "two tasks",
            " a\n4. Input:\nb\n4. Output:\nc\n###\n5. Instruction: d\n5. Input:\n<noinput>\n5. Output:\ne",
            &[("a", "b", "c"), ("d", "", "e")],
        ),
        ("all on one line", "a 4. Input:b 4. Output:c", &[("a", "b", "c")]),
        ("empty fields", " 4. Input: 4. Output:", &[("", "", "")]),
        ("numbers are not anchored", " a\n14. Input: b\n74. Output: c", &[("a\n1", "b\n7", "c")]),
        (
            "bold stays in the fields",
            " a **4. Input:** b **4. Output:** c",
            &[("a **", "** b **", "** c")],
        ),
        ("newlines after the dot", " a 4.\n\n Input: b 4.\u{a0}Output: c", &[("a", "b", "c")]),
        ("separators are whitespace", " a 4.\u{1c}Input: b 4.\u{1f}Output: c", &[("a", "b", "c")]),
        ("whitespace after the dot is required", " a 4.Input: b 4. Output: c", &[]),
        ("lower case is no marker", " a 4. input: b 4. Output: c", &[]),
        ("no space before the colon", " a 4. Input : b 4. Output: c", &[]),
        ("kinds are not checked", " a 4. Instruction: b 4. Instruction: c", &[("a", "b", "c")]),
        ("order is not checked", " a 4. Output: b 4. Input: c", &[("a", "b", "c")]),
        ("two markers", " a 4. Output: b", &[]),
        ("a fourth marker", " a 4. Input: b 4. Output: see 4. Input: c", &[]),
        ("the model repeats the opening", "4. Instruction: a 4. Input: b 4. Output: c", &[]),
        (
            "another number is text",
            " a 4. Input: b 4. Output: 5. Output: c",
            &[("a", "b", "5. Output: c")],
        ),
        (
            "text before the first marker",
            "a 4. Input: b 4. Output: c ### so: 5. Instruction: d 5. Input: e 5. Output: f",
            &[("a", "b", "c"), ("d", "e", "f")],
        ),
        (
            "a missing separator shifts the rest",
            " a 4. Input: b 4. Output: c 5. Instruction: d 5. Input: e 5. Output: f\n###\n6. Instruction: g 6. Input: h 6. Output: i",
            &[("a", "b", "c 5. Instruction: d 5. Input: e 5. Output: f")],
        ),
        (
            "a heading shifts the rest",
            " a 4. Input: b 4. Output: c\n### Title\nd\n###\n5. Instruction: e 5. Input: f 5. Output: g",
            &[("a", "b", "c")],
        ),
        (
            "six hashes shift the rest",
            " a 4. Input: b 4. Output: c\n######\n5. Instruction: d 5. Input: e 5. Output: f",
            &[("a", "b", "c")],
        ),
        (
            "four hashes leave one",
            " a 4. Input: b 4. Output: c\n####\n5. Instruction: d 5. Input: e 5. Output: f",
            &[("a", "b", "c"), ("d", "e", "f")],
        ),
        (
            "hashes split inside a line",
            " a 4. Input: b 4. Output: c###5. Instruction: d 5. Input: e 5. Output: f",
            &[("a", "b", "c"), ("d", "e", "f")],
        ),
        (
            "what the text counts does not matter",
            " a 4. Input: b 4. Output: c\n###\n6. Instruction: d 6. Input: e 6. Output: f",
            &[("a", "b", "c")],
        ),
        ("noinput in any case", " a 4. Input:\n <NoInput> \n4. Output: c", &[("a", "", "c")]),
        (
            "only noinput itself",
            " a 4. Input: <noinput>. 4. Output: <noinput>",
            &[("a", "<noinput>.", "<noinput>")],
        ),
        ("no synonyms of noinput", " a 4. Input: N/A 4. Output:", &[("a", "N/A", "")]),
        (
            "fields are stripped",
            "\u{3000}\u{1d}a\u{85} b\n4. Input:\u{1e}4. Output:\u{feff}c\u{2028}",
            &[("a\u{85} b", "", "\u{feff}c")],
        ),
        (
            "whitespace inside stays",
            " a  \n b 4. Input: c 4. Output: d\r\n\r\ne",
            &[("a  \n b", "c", "d\r\n\r\ne")],
        ),
    ];

    #[test]
    fn parses_as_the_original() {
        for (about, text, expected) in CASES {
            let expected: Vec<_> = expected.iter().map(|(a, b, c)| task(a, b, c)).collect();
            assert_eq!(candidates(&parse(text)), expected, "{about}");
        }
    }

    #[test]
    fn rejected_segments_are_defects() {
        let cases = [
            ("", FinishReason::Stop, vec!["empty_response"]),
            (" x\n###\n \u{1c}\n###\ny", FinishReason::Stop, vec!["wrong_markers"; 2]),
            (" x\n###\ny", FinishReason::Length, vec!["wrong_markers", "truncated"]),
            (" x\n###\n", FinishReason::Length, vec!["wrong_markers"]),
        ];
        for (text, finish_reason, expected) in cases {
            let items = Alpaca.parse(&completion(text, finish_reason), 3);
            assert_eq!(rules(&items), expected, "{text:?}");
        }
    }

    #[test]
    fn only_a_text_cut_by_length_loses_its_last_task() {
        let text = " a 4. Input: b 4. Output: c\n###\n5. Instruction: d 5. Input: e 5. Output: f";
        let other = FinishReason::Other("eos".to_owned());
        for finish in [FinishReason::ContentFilter, FinishReason::Missing, other] {
            assert_eq!(candidates(&Alpaca.parse(&completion(text, finish), 3)).len(), 2);
        }
        let cut =
            |text: &str| candidates(&Alpaca.parse(&completion(text, FinishReason::Length), 3));
        assert_eq!(cut(text), [task("a", "b", "c")]);
        assert_eq!(cut(&format!("{text}\n###\n")).len(), 2);
    }

    #[test]
    fn a_long_completion_keeps_its_numbers() {
        let mut text = String::from(" t4 4. Input: i 4. Output: o");
        for number in 5..1500 {
            write!(
                text,
                "\n###\n{number}. Instruction: t{number} {number}. Input: i {number}. Output: o"
            )
            .unwrap();
        }
        let items = parse(&text);
        assert_eq!(rules(&items), ["too_many_items"]);
        let tasks = candidates(&items);
        assert_eq!(tasks.len(), MAX_ITEMS);
        assert_eq!(tasks[MAX_ITEMS - 1].instruction, "t1003");
    }

    #[test]
    fn the_prompt_reads_well() {
        let rendered = Alpaca.render(&EXAMPLES, 20);
        assert_eq!(rendered.stop, ["\n20", "20."]);
        insta::assert_snapshot!(prompt_of(&rendered), @r#"
        Please write a list of 20 varied tasks, of the kind people give to a language model, each with a model answer. The answers will be used to teach a model to follow instructions.

        Rules for the list:
        1. Begin each instruction with a different verb where you can.
        2. Vary how instructions are phrased: mix questions, commands and requests.
        3. Mix the types of tasks: open questions, classification, rewriting, extraction, planning, calculation, creative writing and others.
        4. A model that reads and writes only text must be able to do each task: no pictures, no sound, no reminders, no actions in the world.
        5. Write in the language of the tasks at the start of the list.
        6. An instruction takes one or two sentences.
        7. The input holds realistic material for the instruction, never a placeholder, in at most 100 words. Where an instruction needs none, write <noinput> as its input.
        8. The output is a correct and complete answer in fewer than 100 words.
        9. Number every task and put a line with ### between tasks, as the list below begins.

        The 20 tasks:
        ###
        1. Instruction: Name the capital of the country
        1. Input:
        Portugal
        1. Output:
        Lisbon
        ###
        2. Instruction: Quote a proverb.
        2. Input:
        <noinput>
        2. Output:
        "Haste makes waste."
        # # # {end}
        ###
        3. Instruction:
        "#);
    }

    proptest! {
        /// What the template shows the model, it reads back.
        #[test]
        fn reads_its_own_layout(
            rows in prop::collection::vec(("[a-z]( ?[a-zß-]){0,20}", "[A-Z0-9 ]{0,9}", ".{0,40}"), 1..6),
            num_examples in 0..4_usize,
        ) {
            let tasks: Vec<Candidate> = rows
                .iter()
                .map(|(instruction, input, output)| task(instruction, input.trim(), output.trim_matches(is_python_space)))
                .filter(|task| !task.output.contains(['#', '.']))
                .collect();
            prop_assume!(!tasks.is_empty());
            let mut text = String::new();
            for (number, task) in (num_examples + 1..).zip(&tasks) {
                push_example(&mut text, number, &text_of(task));
            }
            let lead = format!("{SEPARATOR}\n{}", opening(num_examples));
            let text = text.strip_prefix(&lead).unwrap();
            let items = Alpaca.parse(&completion(text, FinishReason::Stop), num_examples);
            prop_assert_eq!(candidates(&items), tasks);
        }
    }
}
