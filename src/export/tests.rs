//! Every exporter: its exact bytes, and that they can be read back.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{EXPORTERS, ExportOptions, by_name};
use crate::task::{AcceptedTask, Candidate, Provenance, TaskRef};
use crate::usd::Usd;

fn export(format: &str, tasks: &[AcceptedTask], with_provenance: bool) -> String {
    let mut bytes = Vec::new();
    let options = ExportOptions { with_provenance };
    let mut rows = by_name(format).unwrap().begin(&mut bytes, &options).unwrap();
    for task in tasks {
        rows.write(task).unwrap();
    }
    rows.finish().unwrap();
    String::from_utf8(bytes).unwrap()
}

fn accepted(id: u64, [instruction, input, output]: [&str; 3]) -> AcceptedTask {
    let task = Candidate {
        instruction: instruction.to_owned(),
        input: input.to_owned(),
        output: output.to_owned(),
    };
    AcceptedTask { id, task, provenance: Provenance::default(), similarity: None }
}

/// Quotes, a backslash, line breaks of five kinds, a control character, and text outside of ASCII.
fn awkward() -> Vec<AcceptedTask> {
    vec![
        accepted(0, ["Say \"hi\" in C:\\temp.", "", "A line,\nanother\r\n\tand 🎈 naïve 語."]),
        accepted(1, ["Odd:\u{0}\u{1b}[31m\u{7f}", "a\u{2028}b\u{2029}c\u{85}", "</script>"]),
    ]
}

/// Shows the characters that no editor should have to show, such as `[2028]`.
fn visible(text: &str) -> String {
    let hidden = ['\u{7f}', '\u{85}', '\u{2028}', '\u{2029}'];
    let show = |text: String, c: char| text.replace(c, &format!("[{:x}]", u32::from(c)));
    hidden.into_iter().fold(text.to_owned(), show)
}

fn with_provenance() -> AcceptedTask {
    let mut task = accepted(7, ["Add the numbers.", "1 2", "3"]);
    task.provenance = Provenance {
        request_index: 3,
        response_seq: 4,
        item_index: 1,
        model: "gpt-4.1-nano".to_owned(),
        examples: vec![TaskRef::Seed(3), TaskRef::Accepted(5)],
        cost_share: Usd::from_pico(123_000_000),
        received_at_ms: 1_700_000_000_000,
        nearest: Some((TaskRef::Seed(5), 0.42)),
        instruction: None,
    };
    task
}

#[test]
fn alpaca_is_an_indented_array() {
    insta::assert_snapshot!(visible(&export("alpaca", &awkward(), false)), @r#"
    [
        {
            "instruction": "Say \"hi\" in C:\\temp.",
            "input": "",
            "output": "A line,\nanother\r\n\tand 🎈 naïve 語."
        },
        {
            "instruction": "Odd:\u0000\u001b[31m[7f]",
            "input": "a[2028]b[2029]c[85]",
            "output": "</script>"
        }
    ]
    "#);
    insta::assert_snapshot!(export("alpaca", &[with_provenance()], true), @r#"
    [
        {
            "instruction": "Add the numbers.",
            "input": "1 2",
            "output": "3",
            "provenance": {
                "id": 7,
                "request": 3,
                "response": 4,
                "item": 1,
                "model": "gpt-4.1-nano",
                "examples": [
                    "seed:3",
                    "task:5"
                ],
                "cost_usd": "0.000123",
                "received_at": "2023-11-14T22:13:20.000Z",
                "nearest": {
                    "task": "seed:5",
                    "score": 0.42
                }
            }
        }
    ]
    "#);
}

#[test]
fn jsonl_is_an_object_a_line() {
    insta::assert_snapshot!(visible(&export("jsonl", &awkward(), false)), @r#"
    {"instruction":"Say \"hi\" in C:\\temp.","input":"","output":"A line,\nanother\r\n\tand 🎈 naïve 語."}
    {"instruction":"Odd:\u0000\u001b[31m[7f]","input":"a\u2028b\u2029c\u0085","output":"</script>"}
    "#);
    insta::assert_snapshot!(export("jsonl", &[with_provenance()], true), @r#"{"instruction":"Add the numbers.","input":"1 2","output":"3","provenance":{"id":7,"request":3,"response":4,"item":1,"model":"gpt-4.1-nano","examples":["seed:3","task:5"],"cost_usd":"0.000123","received_at":"2023-11-14T22:13:20.000Z","nearest":{"task":"seed:5","score":0.42}}}"#);
}

#[test]
fn messages_are_conversations() {
    insta::assert_snapshot!(visible(&export("messages", &awkward(), false)), @r#"
    {"messages":[{"role":"user","content":"Say \"hi\" in C:\\temp."},{"role":"assistant","content":"A line,\nanother\r\n\tand 🎈 naïve 語."}]}
    {"messages":[{"role":"user","content":"Odd:\u0000\u001b[31m[7f]\n\na\u2028b\u2029c\u0085"},{"role":"assistant","content":"</script>"}]}
    "#);
    insta::assert_snapshot!(export("messages", &[with_provenance()], true), @r#"{"messages":[{"role":"user","content":"Add the numbers.\n\n1 2"},{"role":"assistant","content":"3"}],"provenance":{"id":7,"request":3,"response":4,"item":1,"model":"gpt-4.1-nano","examples":["seed:3","task:5"],"cost_usd":"0.000123","received_at":"2023-11-14T22:13:20.000Z","nearest":{"task":"seed:5","score":0.42}}}"#);
}

#[test]
fn what_is_not_known_is_null() {
    let mut task = accepted(0, ["a", "", "b"]);
    task.provenance.received_at_ms = i64::MAX;
    let row: Value = serde_json::from_str(&export("jsonl", &[task], true)).unwrap();
    assert_eq!(row["provenance"]["nearest"], Value::Null);
    assert_eq!(row["provenance"]["received_at"], Value::Null);
    assert_eq!(row["provenance"]["cost_usd"], "0");
    assert_eq!(row["provenance"]["examples"], json!([]));
}

#[test]
fn an_empty_data_set_is_valid() {
    assert_eq!(export("alpaca", &[], false), "[]\n");
    assert_eq!(export("jsonl", &[], true), "");
    assert_eq!(export("messages", &[], true), "");
}

#[test]
fn names_are_unique_and_found() {
    for exporter in EXPORTERS {
        let found: Vec<_> = EXPORTERS.iter().filter(|e| e.name() == exporter.name()).collect();
        assert_eq!(found.len(), 1, "{}", exporter.name());
        assert_eq!(by_name(exporter.name()).unwrap().about(), exporter.about());
        assert!(!exporter.extension().starts_with('.'));
    }
    assert!(by_name("Alpaca").is_none());
}

#[test]
fn a_failing_output_is_reported() {
    let tasks = awkward();
    for exporter in EXPORTERS {
        let whole = export(exporter.name(), &tasks, false).len();
        for room in 0..whole {
            let mut bytes = vec![0; room];
            let mut out = &mut bytes[..];
            let written =
                exporter.begin(&mut out, &ExportOptions::default()).and_then(|mut rows| {
                    tasks.iter().try_for_each(|task| rows.write(task))?;
                    rows.finish()
                });
            assert!(written.is_err(), "{} in {room} of {whole} bytes", exporter.name());
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,30}",
        prop::collection::vec(any::<char>(), 0..30).prop_map(|chars| chars.into_iter().collect()),
        "[\\x00-\\x7f\u{85}\u{2028}\u{2029}🎈]{0,30}",
    ]
}

/// The values in a data set, whichever way it holds them.
fn rows(format: &str, data: &str) -> Vec<Value> {
    match format {
        "alpaca" => serde_json::from_str(data).unwrap(),
        _ => data.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
    }
}

fn expected(format: &str, task: &Candidate) -> Value {
    let Candidate { instruction, input, output } = task;
    if format != "messages" {
        return json!({"instruction": instruction, "input": input, "output": output});
    }
    let question =
        if input.is_empty() { instruction } else { &format!("{instruction}\n\n{input}") };
    json!({"messages": [
        {"role": "user", "content": question},
        {"role": "assistant", "content": output},
    ]})
}

proptest! {
    #[test]
    fn every_format_reads_back(
        texts in prop::collection::vec((text(), text(), text()), 0..5),
        with_provenance: bool,
    ) {
        let tasks: Vec<AcceptedTask> = (0..)
            .zip(&texts)
            .map(|(id, (instruction, input, output))| accepted(id, [instruction, input, output]))
            .collect();
        for format in EXPORTERS.iter().map(|exporter| exporter.name()) {
            let data = export(format, &tasks, with_provenance);
            let mut rows = rows(format, &data);
            for (id, row) in rows.iter_mut().enumerate() {
                let provenance = row.as_object_mut().unwrap().remove("provenance");
                prop_assert_eq!(provenance.is_some(), with_provenance);
                prop_assert!(provenance.is_none_or(|p| p["id"] == id));
            }
            let expected: Vec<Value> = tasks.iter().map(|t| expected(format, &t.task)).collect();
            prop_assert_eq!(rows, expected);
            if format != "alpaca" {
                prop_assert_eq!(data.matches('\n').count(), tasks.len());
                let breaks = data.matches(['\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
                prop_assert_eq!(breaks, 0);
            }
            prop_assert_eq!(data, export(format, &tasks, with_provenance));
        }
    }
}
