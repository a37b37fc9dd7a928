//! Tests of reading seeds files, and of what a person is told about a broken one.

use std::path::Path;

use proptest::prelude::*;

use super::{
    Fault, SeedError, SeedFile, bundled_seed_tasks, ensure_enough, mostly_ascii, read_seed_tasks,
};
use crate::task::{Instance, SeedTask};

const GOOD: &str = r#"{"instruction": "Name a colour.", "output": "Blue."}"#;

fn read(bytes: impl AsRef<[u8]>) -> Result<SeedFile, SeedError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seeds.jsonl");
    std::fs::write(&path, bytes).unwrap();
    read_seed_tasks(&path)
}

fn tasks(text: &str) -> Vec<SeedTask> {
    read(text).unwrap().tasks
}

/// The message, without the folder of this test run.
fn message(bytes: impl AsRef<[u8]>) -> String {
    let message = read(bytes).unwrap_err().to_string();
    let (start, rest) = message.split_once("file /").unwrap();
    let (_, end) = rest.split_once("seeds.jsonl").unwrap();
    format!("{start}file seeds.jsonl{end}")
}

fn task(id: &str, instruction: &str, instances: &[(&str, &str)]) -> SeedTask {
    let instance = |(input, output): &(&str, &str)| Instance {
        input: (*input).to_owned(),
        output: (*output).to_owned(),
    };
    SeedTask {
        id: id.to_owned(),
        name: String::new(),
        instruction: instruction.to_owned(),
        instances: instances.iter().map(instance).collect(),
        is_classification: false,
    }
}

#[test]
fn reads_the_form_of_self_instruct() {
    let file = read(concat!(
        r#"{"id": "seed_task_0", "name": "colour", "instruction": "Name it.", "instances": "#,
        r#"[{"input": "sky", "output": "blue", "x": 1}, {"input": "", "output": "none"}], "#,
        r#""is_classification": true, "author": {"extra": []}}"#,
    ))
    .unwrap();
    let mut expected = task("seed_task_0", "Name it.", &[("sky", "blue"), ("", "none")]);
    expected.name = "colour".to_owned();
    expected.is_classification = true;
    assert_eq!(file.tasks, [expected]);
}

#[test]
fn reads_flat_lines_and_makes_ids() {
    let text = concat!(
        "\u{feff}\n",
        "{\"instruction\": \"a\", \"input\": \"b\", \"output\": \"c\"}\r\n",
        "  \t\n",
        "\u{feff}{\"id\": 7, \"instruction\": \" d\\n\", \"input\": null, \"output\": \"e\"}\r\n",
        "{\"id\": \"\", \"name\": null, \"instruction\": \"f\", \"output\": \"g\"}",
    );
    let expected = [
        task("line 2", "a", &[("b", "c")]),
        task("7", " d\n", &[("", "e")]),
        task("line 5", "f", &[("", "g")]),
    ];
    assert_eq!(tasks(text), expected);
}

#[test]
fn reads_a_json_array() {
    let text = r#"
        [{"instruction": "a", "input": "b", "output": "c"},
         {"id": "x", "instruction": "d", "instances": [{"input": "", "output": "e"}]}]
    "#;
    assert_eq!(tasks(text), [task("item 1", "a", &[("b", "c")]), task("x", "d", &[("", "e")])]);
}

#[test]
fn hashes_the_bytes_of_the_file() {
    // As `sha256sum` gives it.
    let hash = "79860bddda351b7c1ff4df8dffd5230a16f3254d79ca9fa5210c153c2bb47149";
    assert_eq!(read(GOOD).unwrap().sha256, hash);
    assert_ne!(read(format!("{GOOD}\n")).unwrap().sha256, hash);
}

#[test]
fn says_what_is_wrong_with_a_file() {
    insta::assert_snapshot!(message(""), @r#"the seeds file seeds.jsonl has no seed task: write one JSON object a line, such as {"instruction": "...", "input": "", "output": "..."}"#);
    assert_eq!(message("\u{feff} \n\n"), message(""));
    assert_eq!(message("[]"), message(""));
    insta::assert_snapshot!(message("instruction,output\na,b\n"), @"the seeds file seeds.jsonl is not JSON, it starts with `instruction,output`: write JSONL, which has one object in {} a line, or one JSON array of objects");
    insta::assert_snapshot!(message("\x1b[2J\"text\""), @r#"the seeds file seeds.jsonl is not JSON, it starts with `\u{1b}[2J"text"`: write JSONL, which has one object in {} a line, or one JSON array of objects"#);
    // "café" in Windows-1252.
    let bytes = [GOOD.as_bytes(), b"\n{\"output\": \"caf\xe9\"}"].concat();
    insta::assert_snapshot!(message(bytes), @"the seeds file seeds.jsonl is not UTF-8 at line 2: save it as UTF-8");
}

#[test]
fn recognizes_other_encodings() {
    let utf16 = |unit: fn(u16) -> [u8; 2]| GOOD.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let utf32 =
        |unit: fn(u32) -> [u8; 4]| GOOD.chars().map(u32::from).flat_map(unit).collect::<Vec<u8>>();
    let with_mark = |mark: &[u8], text: Vec<u8>| [mark, &text].concat();
    for bytes in [
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
        with_mark(&[0xff, 0xfe], utf16(u16::to_le_bytes)),
        with_mark(&[0xfe, 0xff], utf16(u16::to_be_bytes)),
    ] {
        assert!(message(bytes).ends_with("is in UTF-16: save it as UTF-8"));
    }
    for bytes in [
        utf32(u32::to_le_bytes),
        utf32(u32::to_be_bytes),
        with_mark(&[0xff, 0xfe, 0, 0], utf32(u32::to_le_bytes)),
        with_mark(&[0, 0, 0xfe, 0xff], utf32(u32::to_be_bytes)),
    ] {
        assert!(message(bytes).ends_with("is in UTF-32: save it as UTF-8"));
    }
    assert!(message(b"\x1f\x8b\x08\0\0").ends_with("is compressed: unpack it first"));
    assert!(message(format!("{GOOD}\0")).ends_with("is not UTF-8: save it as UTF-8"));
}

#[test]
fn names_line_field_and_mend_of_every_problem() {
    let text = [
        GOOD,
        r#"{"instruction": "a", "output": "b""#,
        r#"{"prompt": "a", "completion": "b"}"#,
        r#"["not an object"]"#,
        r#"{"instruction": " ", "output": 4}"#,
        r#"{"instruction": "c", "instances": [{"output": ""}, "x"], "is_classification": "no"}"#,
        r#"{"instruction": "d", "instances": []}"#,
        r#"{"instruction": "e", "instances": {"input": "", "output": "f"}}"#,
        r#"{"instruction": "g", "input": ["h"], "output": "i", "id": false}"#,
    ];
    insta::assert_snapshot!(message(text.join("\n")), @r#"
    the seeds file seeds.jsonl has 13 problems:
      line 2: not valid JSON at column 34 (EOF while parsing an object): mend the quotes, commas or brackets
      line 3: `instruction` is missing (the object has `prompt`, `completion`): say what is to be done
      line 3: `output` is missing (the object has `prompt`, `completion`): write the expected answer, or a list of `instances`
      line 4: a list where an object is expected, such as {"instruction": "...", "output": "..."}
      line 5: `instruction` is empty: say what is to be done
      line 5: `output` is the number 4: write a text in quotes
      line 6: `is_classification` is the text `no`: write true or false without quotes, or leave it out
      line 6: `instances[0].output` is empty: write the expected answer
      line 6: `instances[1]` is the text `x`: write an object with `input` and `output`
      line 7: `instances` is empty: write at least one object with `input` and `output`
      and 3 more
    "#);
}

#[test]
fn names_both_places_of_a_duplicate() {
    let text = [
        r#"{"id": "x", "instruction": "Name a colour.", "output": "Blue."}"#,
        r#"{"id": "x", "instruction": "Name a number.", "output": "Four."}"#,
        r#"{"id": "y", "instruction": " name  a\tCOLOUR.\u001b", "output": "Red."}"#,
        r#"{"id": "z", "instruction": " name  a\tCOLOUR.", "output": "Red."}"#,
    ];
    insta::assert_snapshot!(message(text.join("\n\n")), @r"
    the seeds file seeds.jsonl has 2 problems:
      line 3: `id` `x` is the id of line 1 too: give each seed task its own, or none
      line 7: `instruction` ` name  a\tCOLOUR.` is the instruction of line 1 too: remove or change one of them
    ");
}

#[test]
fn names_the_item_and_line_in_an_array() {
    let text = "[\n  {\"instruction\": \"a\", \"output\": \"b\"},\n  5, {\n    \"instruction\": \"c\"\n  },\n\
                {\"é\": 1e999},\n{\"instruction\": \"a\",\n\n \"output\": \"\\ud800\"}]";
    insta::assert_snapshot!(message(text), @r#"
    the seeds file seeds.jsonl has 4 problems:
      item 2 (line 3): the number 5 where an object is expected, such as {"instruction": "...", "output": "..."}
      item 3 (line 3): `output` is missing (the object has `instruction`): write the expected answer, or a list of `instances`
      item 4 (line 6): not valid JSON at column 11 (number out of range): mend the quotes, commas or brackets
      item 5 (line 9): not valid JSON at column 19 (unexpected end of hex escape): mend the quotes, commas or brackets
    "#);
    insta::assert_snapshot!(message("[\n{\"instruction\": \"é\" \"output\": \"b\"}]"), @"
    the seeds file seeds.jsonl has 1 problem:
      line 2: not valid JSON at column 21 (expected `,` or `}`): mend the quotes, commas or brackets
    ");
    insta::assert_snapshot!(message("[{\"instruction\": \"a\", \"output\": \"b\"}"), @"
    the seeds file seeds.jsonl has 1 problem:
      line 1: not valid JSON at column 36 (EOF while parsing a list): mend the quotes, commas or brackets
    ");
}

#[test]
fn an_object_over_several_lines_is_one_problem() {
    let text = "{\n  \"instruction\": \"a\",\n  \"output\": \"b\"\n}\n";
    insta::assert_snapshot!(message(text), @"
    the seeds file seeds.jsonl has 1 problem:
      line 1: the object does not end on this line: write each object on one line of its own, or put all objects into one JSON array
    ");
}

#[test]
fn a_broken_first_line_among_others_is_named() {
    let SeedError::Invalid { problems, .. } =
        read(format!("{{\"instruction\": x}}\n{GOOD}")).unwrap_err()
    else {
        panic!("not a list of problems");
    };
    assert!(
        matches!(problems[..], [ref p] if matches!(p.fault, Fault::BrokenJson { column: 17, .. }))
    );
}

#[test]
fn lists_ten_problems_and_counts_the_rest() {
    let SeedError::Invalid { problems, more, .. } = read("{}\n".repeat(8)).unwrap_err() else {
        panic!("not a list of problems");
    };
    // Each empty object lacks its instruction and its output.
    assert_eq!((problems.len(), more), (10, 6));
    assert!(message("{}\n".repeat(8)).ends_with("\n  and 6 more"));
}

#[test]
fn limits_hold() {
    let with = |key: &str, chars: usize| {
        let long = "é".repeat(chars);
        match key {
            "instruction" => format!(r#"{{"instruction": "{long}", "output": "b"}}"#),
            _ => format!(r#"{{"instruction": "a", "output": "{long}"}}"#),
        }
    };
    assert_eq!(tasks(&with("instruction", 100_000)).len(), 1);
    let too_long = message(with("instruction", 100_001));
    assert!(
        too_long.ends_with("`instruction` has 100001 characters: shorten it to 100000 at most")
    );
    let line = message(with("output", 500_000));
    assert!(line.ends_with("line 1: longer than 1 MB: a seed task is a short text"), "{line}");
    let item = message(format!("[{}]", with("output", 500_000)));
    assert!(item.ends_with("item 1 (line 1): longer than 1 MB: a seed task is a short text"));

    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(256_000_001).unwrap();
    let error = read_seed_tasks(file.path()).unwrap_err();
    assert!(error.to_string().contains("is larger than 256 MB"), "{error}");
}

#[test]
fn deep_nesting_is_a_problem_and_no_crash() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for text in [
        format!(r#"{{"instruction": {deep}}}"#),
        format!(r#"[{{"instruction": {deep}}}]"#),
        deep.clone(),
        "[".repeat(400_000),
        r#"{"a":"#.repeat(100_000),
    ] {
        assert!(matches!(read(text), Err(SeedError::Invalid { .. })));
    }
}

#[test]
fn a_file_that_is_not_there_and_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let missing = read_seed_tasks(&folder.path().join("none.jsonl")).unwrap_err();
    assert!(missing.to_string().ends_with("none.jsonl: check its path and permissions"));
    assert!(std::error::Error::source(&missing).is_some());
    let directory = read_seed_tasks(folder.path()).unwrap_err();
    assert!(matches!(directory, SeedError::IsDirectory { .. }));
    assert!(directory.to_string().ends_with("is a directory: name one .jsonl or .json file in it"));
    let odd = read_seed_tasks(Path::new("no\x1b[2Jfile")).unwrap_err().to_string();
    assert!(odd.contains(r"no\u{1b}[2Jfile"), "{odd}");
}

#[test]
fn enough_seed_tasks_for_the_examples() {
    let two = [task("1", "a", &[]), task("2", "b", &[])];
    ensure_enough(&two, 2).unwrap();
    let too_few = ensure_enough(&two, 3).unwrap_err();
    insta::assert_snapshot!(too_few, @"the file has 2 seed tasks, but --num-examples is 3: add seed tasks or lower --num-examples");
    assert!(matches!(too_few, SeedError::TooFew { seeds: 2, num_examples: 3 }));
}

#[test]
fn tells_texts_that_ascii_words_can_compare() {
    let seeds = |texts: &[&str]| -> Vec<SeedTask> {
        texts.iter().map(|text| task("", text, &[])).collect()
    };
    assert!(mostly_ascii(&[]));
    assert!(mostly_ascii(&seeds(&["Write a poem about the sea.", "1 + 1 = ?", "…?"])));
    assert!(mostly_ascii(&seeds(&["Écris un poème sur la mer et le vent du nord."])));
    assert!(!mostly_ascii(&seeds(&["Напиши стихотворение о море."])));
    assert!(!mostly_ascii(&seeds(&["给出三个保持健康的提示。"])));
    let mixed = [["Explain why the sky is blue to a child of five."; 8].as_slice(), &["写诗"]];
    assert!(!mostly_ascii(&seeds(&mixed.concat())), "a ninth of the tasks is in Chinese");
}

/// Values that are near a seed task in some way.
fn json(depth: u32) -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "[ a-c\u{1b}\u{202e}é]{0,6}".prop_map(Into::into),
    ];
    leaf.prop_recursive(depth, 24, 4, |inner| {
        let key = prop::sample::select(vec![
            "id",
            "name",
            "instruction",
            "input",
            "output",
            "instances",
            "is_classification",
            "x",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(key.prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| map.into_iter().collect::<serde_json::Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn any_values_give_whole_tasks_or_printable_problems(
        values in prop::collection::vec(json(4), 0..6),
    ) {
        let lines = values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let array = serde_json::Value::from(values).to_string();
        for text in [lines, array] {
            match read(text) {
                Ok(file) => for task in file.tasks {
                    prop_assert!(!task.instruction.trim().is_empty());
                    prop_assert!(!task.instances.is_empty());
                    prop_assert!(task.instances.iter().all(|i| !i.output.trim().is_empty()));
                },
                Err(error) => {
                    let text = error.to_string();
                    prop_assert!(!text.contains(['\u{1b}', '\u{202e}']), "{}", text);
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        drop(read(&bytes));
        bytes.insert(0, b'{');
        drop(read(&bytes));
    }

    #[test]
    fn written_tasks_are_read_back(
        fields in prop::collection::vec(("\\PC{1,20}", ".{0,20}", ".{1,20}"), 1..5),
    ) {
        let expected: Vec<SeedTask> = fields
            .iter()
            .enumerate()
            .map(|(n, (text, input, output))| {
                task(&format!("id {n}"), &format!("{n} {text}"), &[(input, &format!("{output}."))])
            })
            .collect();
        let line = |task: &SeedTask| {
            let instance = &task.instances[0];
            let instances = serde_json::json!([{"input": instance.input, "output": instance.output}]);
            serde_json::json!({"id": task.id, "instruction": task.instruction, "instances": instances})
                .to_string()
        };
        let lines: Vec<String> = expected.iter().map(line).collect();
        prop_assert_eq!(tasks(&lines.join("\n")), expected.clone());
        prop_assert_eq!(tasks(&format!("[{}]", lines.join(","))), expected);
    }
}

#[test]
fn the_bundled_seed_tasks_are_read() {
    let seeds = bundled_seed_tasks().unwrap();
    assert_eq!(seeds.tasks.len(), 175);
    assert!(mostly_ascii(&seeds.tasks));
}
