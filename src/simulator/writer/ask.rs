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
}

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
        let format = match numbered_start(last) {
            Some(first) => Format::Numbered { first, last: LIST_END.max(first.saturating_add(15)) },
            None => Format::Json { count: asked_count(last).unwrap_or(DEFAULT_TASKS), strict },
        };
        Self { format, language: language(texts) }
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
    for word in text.split(|c: char| c.is_whitespace() || is_cjk_break(c)) {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        if let Some((value, between)) = number.as_mut() {
            if is_task_word(bare) {
                found = Some(*value);
                number = None;
            } else {
                *between += 1;
                number = number.filter(|&(_, between)| between <= WORDS_BETWEEN);
            }
        }
        let head = bare.trim_end_matches(|c: char| !c.is_ascii_digit());
        let digits = head.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        if let Ok(value @ 1..=100) = digits.parse::<u32>() {
            // In Chinese the noun is part of the same run of characters: "12个新任务".
            let glued = bare.strip_prefix(head).is_some_and(|noun| noun.contains("任务"));
            if glued { found = Some(value) } else { number = Some((value, 0)) }
        }
    }
    found
}

fn is_cjk_break(c: char) -> bool {
    matches!(c, '，' | '。' | '、' | '：' | '；' | '“' | '”')
}

fn is_task_word(word: &str) -> bool {
    word.eq_ignore_ascii_case("task") || word.eq_ignore_ascii_case("tasks") || word.contains("任务")
}

/// Chinese when the examples, or the whole prompt when it has none, are mostly Chinese. A Chinese
/// character says about as much as three Latin letters.
fn language(texts: &[&str]) -> Language {
    let (mut chinese, mut latin) = (0_usize, 0_usize);
    let joined = texts.join("\n");
    for c in examples(&joined).chars() {
        if matches!(c, '\u{4e00}'..='\u{9fff}') {
            chinese += 1;
        } else if c.is_ascii_alphabetic() {
            latin += 1;
        }
    }
    if chinese * 3 > latin { Language::Chinese } else { Language::English }
}

/// The prompt from its first in-context example on.
fn examples(text: &str) -> &str {
    let start = ["Instruction:", "\"instruction\""].iter().filter_map(|mark| text.find(mark)).min();
    start.and_then(|start| text.get(start..)).unwrap_or(text)
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
            ("Write 5 short poems and also, if you have the time, some tasks", DEFAULT_TASKS),
            ("hello", DEFAULT_TASKS),
            ("", DEFAULT_TASKS),
        ] {
            assert_eq!(format(text), Format::Json { count, strict: false }, "{text}");
        }
        assert_eq!(Ask::read(&["3 tasks"], true).format, Format::Json { count: 3, strict: true });
    }

    #[test]
    fn the_examples_decide_the_language() {
        let rules = "Write diverse tasks. ".repeat(30);
        for (examples, language) in [
            ("1. Instruction: 解释一下什么是潮汐发电。\n2. Instruction:", Language::Chinese),
            ("1. Instruction: Translate 你好 into English.\n2. Instruction:", Language::English),
            ("{\"instruction\":\"写一首关于秋天的短诗\",\"input\":\"\"}", Language::Chinese),
            ("no examples", Language::English),
        ] {
            let prompt = format!("{rules}{examples}");
            assert_eq!(Ask::read(&[&prompt], false).language, language, "{examples}");
        }
    }
}
