use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const NUMBERED: Ask =
    Ask { format: Format::Numbered { first: 4, last: 20 }, language: Language::English };

fn json(count: u32, strict: bool, language: Language) -> Ask {
    Ask { format: Format::Json { count, strict }, language }
}

/// All items of the first `requests` answers in the strict JSON format.
fn items(requests: u64, language: Language) -> Vec<[String; 3]> {
    let writer = Writer::new();
    let answers = (0..requests).map(|n| writer.write(json(20, true, language), 7, n, 0.0));
    answers
        .flat_map(|answer| {
            let answer: Value = serde_json::from_str(&answer).expect("a strict answer is JSON");
            let tasks = answer["tasks"].as_array().expect("an array").clone();
            assert_eq!(tasks.len(), 20);
            tasks.into_iter().map(|task| {
                ["instruction", "input", "output"]
                    .map(|key| task[key].as_str().expect("a string").to_owned())
            })
        })
        .collect()
}

fn share(items: &[[String; 3]], holds: impl Fn(&[String; 3]) -> bool) -> f64 {
    let count = items.iter().filter(|item| holds(item)).count();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand items")]
    let share = count as f64 / items.len() as f64;
    share
}

#[test]
fn the_same_request_has_the_same_text() {
    let (one, two) = (Writer::new(), Writer::new());
    for ask in [NUMBERED, json(5, false, Language::Chinese)] {
        assert_eq!(one.write(ask, 7, 3, 0.1), two.write(ask, 7, 3, 0.1));
        assert_ne!(one.write(ask, 7, 3, 0.1), one.write(ask, 7, 4, 0.1));
        assert_ne!(one.write(ask, 7, 3, 0.1), one.write(ask, 8, 3, 0.1));
    }
}

#[test]
fn the_numbered_format_continues_the_prompt() {
    let sound = |text: &String| text.matches("###\n").count() == 17;
    let writer = Writer::new();
    let mut texts = (0..20).map(|n| writer.write(NUMBERED, 7, n, 0.1)).filter(sound);
    let text = texts.next().expect("most texts have no broken item");
    let full = format!("4. Instruction:{text}");
    for (number, segment) in (4..=20).zip(full.split("###\n")) {
        let (before, rest) = segment.split_once(&format!("{number}. Input:\n")).expect("an input");
        let (input, output) =
            rest.split_once(&format!("\n{number}. Output:\n")).expect("an output");
        assert!(before.starts_with(&format!("{number}. Instruction: ")), "{segment}");
        assert!(!input.is_empty() && output.ends_with('\n'), "{segment}");
    }
    assert!(full.ends_with("###\n"));
}

#[test]
fn instructions_and_outputs_come_apart_when_they_are_asked_for_apart() {
    let writer = Writer::new();
    let write = |format, request| {
        writer.write(Ask { format, language: Language::English }, 7, request, 0.0)
    };
    let answer: Value =
        serde_json::from_str(&write(Format::Instructions { count: 20, strict: true }, 1)).unwrap();
    let tasks = answer["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 20);
    for task in tasks {
        assert!(task.get("output").is_none() && task["input"].is_string(), "{task}");
    }
    let outputs: Vec<String> = (0..500).map(|request| write(Format::Output, request)).collect();
    let sound = outputs.iter().filter(|output| output.starts_with(MARK)).count();
    assert!((480..500).contains(&sound), "{sound}");
    assert!(outputs.iter().any(String::is_empty));
    let several = write(Format::Outputs { count: 3 }, 2);
    assert_eq!(several.matches(MARK).count(), 3, "{several}");
    assert!(several.starts_with("=== 1 ===\n") && several.contains("\n=== 3 ===\n"));
}

#[test]
fn items_look_like_those_of_a_model() {
    let items = items(150, Language::English);
    let sound = |text: &str| !text.is_empty();
    let words = |text: &str| text.split_whitespace().count();
    let with_input = share(&items, |[_, input, _]| sound(input));
    assert!((0.35..0.45).contains(&with_input), "{with_input}");
    let empty = share(&items, |[_, _, output]| output.is_empty());
    assert!((0.001..0.015).contains(&empty), "{empty}");
    let declined = share(&items, |[_, _, output]| output.starts_with("As an AI language model"));
    assert!((0.001..0.015).contains(&declined), "{declined}");
    let total: usize = items.iter().map(|[instruction, ..]| words(instruction)).sum();
    assert!((11..16).contains(&(total / items.len())), "{total}");
    for [instruction, _, output] in &items {
        assert!(output.is_empty() || output.contains(MARK), "{output}");
        assert!(output.is_empty() || words(output) >= 5, "{output}");
        assert!(!instruction.contains(['{', '}', '|']), "{instruction}");
    }
}

#[test]
fn some_tasks_come_back_and_the_rest_is_new() {
    let items = items(150, Language::English);
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for [instruction, ..] in &items {
        *counts.entry(instruction).or_default() += 1;
    }
    assert!(counts.values().any(|&count| count >= 5), "a favourite comes often");
    assert!(counts.len() * 100 > items.len() * 85, "{} of {}", counts.len(), items.len());
    let openings: HashSet<_> =
        counts.keys().filter_map(|text| text.split_whitespace().next()).collect();
    assert!(openings.len() > 60, "{openings:?}");
}

#[test]
fn only_the_unfit_meet_the_filters_of_the_original() {
    let words = "image images graph graphs picture pictures file files map maps draw plot video \
        audio music flowchart diagram";
    let keywords: HashSet<&str> = words.split_whitespace().collect();
    let unfit = |[instruction, ..]: &[String; 3]| {
        let lower = instruction.to_lowercase();
        let first = instruction.chars().next().expect("a character");
        lower.split(|c: char| !c.is_alphanumeric()).any(|word| keywords.contains(word))
            || lower.contains("go to")
            || instruction.starts_with("Write a program")
            || instruction.split_whitespace().count() <= 3
            || !first.is_ascii_alphanumeric()
    };
    let found = share(&items(150, Language::English), unfit);
    assert!((0.01..0.035).contains(&found), "{found}");
    let sound_lists = include_str!("english.txt").split("[unfit]").next().expect("a part");
    let body = sound_lists.lines().filter(|line| !line.starts_with('#')).collect::<String>();
    let met: Vec<_> = body
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| keywords.contains(word.to_lowercase().as_str()))
        .collect();
    assert!(met.is_empty(), "{met:?}");
}

#[test]
fn no_text_holds_what_ends_or_splits_the_numbered_list() {
    for language in [Language::English, Language::Chinese] {
        for field in items(100, language).as_flattened() {
            assert!(!field.contains("20.") && !field.contains("###"), "{field}");
            assert!(!field.contains("\n20"), "{field}");
        }
    }
}

#[test]
fn code_keeps_its_small_letters() {
    for language in [Language::English, Language::Chinese] {
        let items = items(100, language);
        let code =
            |start: &str| items.iter().filter(|[_, input, _]| input.starts_with(start)).count();
        assert!(code("fn is_even") > 0 && code("def total") > 0);
        assert_eq!(code("Fn ") + code("Def ") + code("For i ") + code("Function "), 0);
    }
}

#[test]
fn every_name_in_a_grammar_is_a_list() {
    for source in [include_str!("english.txt"), include_str!("chinese.txt")] {
        let grammar = Grammar::parse(source);
        for slot in
            source.lines().filter(|l| !l.starts_with('#')).flat_map(|l| l.split('{').skip(1))
        {
            let name = slot.split('}').next().expect("a part");
            let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
            // The grammar's own code samples have braces too.
            let is_name = base.chars().all(|c| c.is_ascii_lowercase()) && !base.is_empty();
            assert!(!is_name || grammar.list(base).is_some(), "{{{name}}}");
        }
    }
}

#[test]
fn chinese_examples_bring_chinese_tasks() {
    let items = items(100, Language::Chinese);
    for [instruction, _, output] in &items {
        assert!(instruction.chars().any(|c| c > '\u{4e00}'), "{instruction}");
        assert!(output.is_empty() || output.contains(MARK), "{output}");
    }
    let distinct: HashSet<_> = items.iter().map(|[instruction, ..]| instruction).collect();
    assert!(distinct.len() * 100 > items.len() * 75, "{}", distinct.len());
}

#[test]
fn an_answer_without_a_schema_is_sometimes_loose_and_sometimes_broken() {
    let writer = Writer::new();
    let texts: Vec<_> =
        (0..400).map(|n| writer.write(json(10, false, Language::English), 7, n, 0.25)).collect();
    let wrapped = texts.iter().filter(|text| !text.starts_with('{')).count();
    assert!((70..130).contains(&wrapped), "{wrapped}");
    let bare = texts.iter().filter(|text| text.starts_with('{'));
    let broken = bare.filter(|text| serde_json::from_str::<Value>(text).is_err()).count();
    assert!((1..30).contains(&broken), "{broken}");
}

proptest! {
    #[test]
    fn no_prompt_stops_the_writer(texts in proptest::collection::vec(".{0,60}", 0..3), seed: u64) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let text = Writer::new().write(Ask::read(&texts, false), seed, 1, 0.5);
        let may_be_empty = texts.last().is_some_and(|last| last.starts_with("Task:"));
        prop_assert!(text.contains(MARK) || may_be_empty);
    }
}
