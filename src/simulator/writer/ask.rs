//! What a prompt asks the simulator to write.

/// Tasks written when the prompt names no number.
const DEFAULT_TASKS: u32 = 10;
/// The numbered format's list ends at this number, as in Alpaca's prompt.
const LIST_END: u32 = 20;
/// Words that may stand between a number and `tasks`, as in "10 new and different tasks".
const WORDS_BETWEEN: usize = 4;

/// What is wanted, read out of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) struct Ask {
    /// How the tasks are to be written down.
    pub format: Format,
    /// The language of the in-context examples.
    pub language: Language,
}

/// How tasks are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Format {
    /// Alpaca's numbered text, from the task `first` to the task `last`; the prompt already has
    /// the words `<first>. Instruction:`.
    Numbered { first: u32, last: u32 },
    /// `{"tasks": [...]}`; `strict` when the server was told to keep to a schema.
    Json { count: u32, strict: bool },
    /// As [`Self::Json`], with instructions and inputs alone.
    Instructions { count: u32, strict: bool },
    /// The output of one task, as it is.
    Output,
    /// The outputs of several tasks, each behind a line with its number.
    Outputs { count: u32 },
}

/// How a prompt for the output of one task begins.
const ONE_TASK: &str = "Task:\n";
/// How a prompt for the outputs of several tasks ends, behind their number and " tasks".
const SEVERAL_TASKS: &str = "Answer these ";
/// How a prompt for instructions alone ends.
const NO_ANSWERS: &str = "tasks without answers.";

/// A language that the simulator writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Language {
    English,
    Chinese,
}

impl Ask {
    /// Reads the texts of a prompt, oldest first. `strict`: the request has a `response_format`.
    pub(in crate::simulator) fn read(texts: &[&str], strict: bool) -> Self {
        let last = texts.last().copied().unwrap_or_default();
        let format = format(last, strict);
        let language = match format {
            // The standing instructions may be in another language than the tasks.
            Format::Output | Format::Outputs { .. } => language(&[last]),
            _ => language(texts),
        };
        Self { format, language }
    }
}

fn format(last: &str, strict: bool) -> Format {
    if last.starts_with(ONE_TASK) {
        return Format::Output;
    }
    if let Some(first) = numbered_start(last) {
        return Format::Numbered { first, last: LIST_END.max(first.saturating_add(15)) };
    }
    let count = asked_count(last).unwrap_or(DEFAULT_TASKS);
    let end = last.trim_end().lines().next_back().unwrap_or_default();
    if end.starts_with(SEVERAL_TASKS) {
        Format::Outputs { count }
    } else if end.ends_with(NO_ANSWERS) {
        Format::Instructions { count, strict }
    } else {
        Format::Json { count, strict }
    }
}

/// The number in a final `N. Instruction:`.
fn numbered_start(text: &str) -> Option<u32> {
    let before = text.trim_end().strip_suffix("Instruction:")?.trim_end().strip_suffix('.')?;
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|number| (1..=10_000).contains(number))
}

/// The last number from 1 to 100 that is said of tasks: "Write 10 new tasks", "12 个任务".
fn asked_count(text: &str) -> Option<u32> {
    let mut found = None;
    let mut number: Option<(u32, usize)> = None;
    for word in words(text) {
        match word {
            Word::Number(digits) => number = small_number(digits).map(|value| (value, 0)),
            Word::SentenceEnd => number = None,
            Word::Letters(letters) if is_task_word(letters) => {
                found = number.take().map(|(value, _)| value).or(found);
            }
            Word::Letters(_) => {
                number = number.map(|(value, between)| (value, between + 1));
                number = number.filter(|&(_, between)| between <= WORDS_BETWEEN);
            }
        }
    }
    found
}

enum Word<'a> {
    Number(&'a str),
    Letters(&'a str),
    SentenceEnd,
}

/// Runs of digits and runs of letters; digits and letters that touch are two words, as in "12个".
fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let first = rest.chars().next()?;
            let kind = kind_of(first);
            let end = rest.find(|c| kind_of(c) != kind).unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end)?;
            rest = after;
            match kind {
                Kind::Digit => return Some(Word::Number(word)),
                Kind::Letter => return Some(Word::Letters(word)),
                Kind::SentenceEnd => return Some(Word::SentenceEnd),
                Kind::Other => {}
            }
        }
    })
}

#[derive(PartialEq, Eq)]
enum Kind {
    Digit,
    Letter,
    SentenceEnd,
    Other,
}

fn kind_of(c: char) -> Kind {
    match c {
        '0'..='9' => Kind::Digit,
        '.' | '!' | '?' | ';' | ':' | '。' | '！' | '？' | '；' | '：' => Kind::SentenceEnd,
        _ if c.is_alphabetic() => Kind::Letter,
        _ => Kind::Other,
    }
}

fn small_number(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|number| (1..=100).contains(number))
}

fn is_task_word(word: &str) -> bool {
    word.eq_ignore_ascii_case("task") || word.eq_ignore_ascii_case("tasks") || word.contains("任务")
}

/// Chinese when the examples, or the whole prompt when it has none, are mostly Chinese. A Chinese
/// character says about as much as three Latin letters.
fn language(texts: &[&str]) -> Language {
    // The last ones are the examples: an earlier message can show what an answer looks like.
    let examples = texts.iter().rev().find_map(|text| examples(text));
    let (mut chinese, mut latin) = (0_usize, 0_usize);
    for c in examples.map_or_else(|| texts.join("\n"), str::to_owned).chars() {
        if matches!(c, '\u{4e00}'..='\u{9fff}') {
            chinese += 1;
        } else if c.is_ascii_alphabetic() {
            latin += 1;
        }
    }
    if chinese * 3 > latin { Language::Chinese } else { Language::English }
}

/// A text from its first in-context example on.
fn examples(text: &str) -> Option<&str> {
    let start = ["Instruction:", "\"instruction\""].iter().filter_map(|mark| text.find(mark)).min();
    text.get(start?..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(text: &str) -> Format {
        Ask::read(&["You write tasks.", text], false).format
    }

    #[test]
    fn a_numbered_prompt_is_continued() {
        let prompt = "List of 20 tasks:\n###\n1. Instruction: Add.\n###\n4. Instruction:";
        assert_eq!(format(prompt), Format::Numbered { first: 4, last: 20 });
        assert_eq!(format("12. Instruction:\n"), Format::Numbered { first: 12, last: 27 });
    }

    #[test]
    fn the_last_number_said_of_tasks_counts() {
        for (text, count) in [
            ("Write 10 new tasks.", 10),
            ("Here are 8 tasks. Now write 12 different, varied tasks like them.", 12),
            ("Give me 1 task", 1),
            ("请再写 7 个新任务。", 7),
            ("请写12个任务，要有新意。", 12),
            ("Write 101 tasks", DEFAULT_TASKS),
            ("Write 10-15 tasks.", 15),
            ("Write 9 tasks. The 3. Tasks differ.", 9),
            ("Write 5 short poems and also, if you have the time, some tasks", DEFAULT_TASKS),
            ("hello", DEFAULT_TASKS),
            ("", DEFAULT_TASKS),
        ] {
            assert_eq!(format(text), Format::Json { count, strict: false }, "{text}");
        }
        assert_eq!(Ask::read(&["3 tasks"], true).format, Format::Json { count: 3, strict: true });
    }

    #[test]
    fn outputs_and_instructions_are_asked_for_apart() {
        for (text, expected) in [
            (
                "[]\nWrite 20 new tasks without answers.",
                Format::Instructions { count: 20, strict: false },
            ),
            ("Task:\nWrite 3 new tasks without answers.", Format::Output),
            (
                "=== 1 ===\nAdd.\n\n=== 2 ===\nSum.\n\nAnswer these 2 tasks.",
                Format::Outputs { count: 2 },
            ),
        ] {
            assert_eq!(format(text), expected, "{text}");
        }
        let chinese =
            Ask::read(&["You do tasks as an expert would.", "Task:\n解释一下潮汐。"], false);
        assert_eq!(chinese.language, Language::Chinese);
    }

    #[test]
    fn the_examples_decide_the_language() {
        let rules = "Write diverse tasks. ".repeat(30);
        for (examples, language) in [
            (
                "1. Instruction: 解释一下什么是潮汐发电。\n1. Input:\n<noinput>\n1. Output:\n潮汐发电\
                是利用海水涨落的能量来发电，它不消耗燃料，也不产生废气。\n2. Instruction:",
                Language::Chinese,
            ),
            ("1. Instruction: 解释一下什么是潮汐发电。\n2. Instruction:", Language::Chinese),
            ("1. Instruction: Translate 你好 into English.\n2. Instruction:", Language::English),
            ("{\"instruction\":\"写一首关于秋天的短诗\",\"input\":\"\"}", Language::Chinese),
            ("no examples", Language::English),
        ] {
            let prompt = format!("{rules}{examples}");
            assert_eq!(Ask::read(&[&prompt], false).language, language, "{examples}");
            // Rules that show the format, in a message of their own, are not examples.
            let system = format!("{{\"instruction\": \"...\"}} {rules}");
            assert_eq!(Ask::read(&[&system, examples], false).language, language, "{examples}");
        }
    }
}
