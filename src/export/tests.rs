//! Every exporter: its exact bytes, and that they can be read back.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{EXPORTERS, ExportOptions, Exporter, Layout, PromptTemplate, ProvenanceForm, by_name};
use crate::task::{AcceptedTask, Candidate, PoolSimilarity, Provenance, TaskRef};
use crate::usd::Usd;

fn export_with(
    format: &str,
    tasks: &[AcceptedTask],
    options: &ExportOptions,
) -> (String, Vec<String>) {
    let mut bytes = Vec::new();
    let exporter = by_name(format).unwrap();
    let layout = Layout::new(exporter, options).unwrap();
    let mut rows = exporter.begin(&mut bytes, &layout).unwrap();
    for task in tasks {
        rows.write(task).unwrap();
    }
    let remarks = rows.finish().unwrap();
    (String::from_utf8(bytes).unwrap(), remarks)
}

fn export(format: &str, tasks: &[AcceptedTask], with_provenance: bool) -> String {
    let provenance = if with_provenance { ProvenanceForm::Object } else { ProvenanceForm::Absent };
    let options = ExportOptions { provenance, ..ExportOptions::default() };
    export_with(format, tasks, &options).0
}

/// The formats that are text.
fn text_formats() -> impl Iterator<Item = &'static dyn Exporter> {
    EXPORTERS.iter().copied().filter(|exporter| exporter.name() != "parquet")
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
    let hidden = ['\u{0}', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}'];
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
fn prompts_end_where_the_completion_begins() {
    insta::assert_snapshot!(visible(&export("prompt-completion", &awkward(), false)), @r#"
{"prompt":"Say \"hi\" in C:\\temp.\n\n","completion":"A line,\nanother\r\n\tand 🎈 naïve 語."}
{"prompt":"Odd:\u0000\u001b[31m[7f]\n\na\u2028b\u2029c\u0085\n\n","completion":"</script>"}
"#);
    let options =
        ExportOptions { prompt_template: PromptTemplate::Alpaca, ..ExportOptions::default() };
    let tasks = [accepted(0, ["Add.", "1 2", "3"]), accepted(1, ["Sing.", "", "La."])];
    insta::assert_snapshot!(export_with("prompt-completion", &tasks, &options).0, @r#"
        {"prompt":"Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:","completion":"3"}
        {"prompt":"Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\nSing.\n\n### Response:","completion":"La."}
        "#);
}

#[test]
fn conversations_are_in_the_words_of_sharegpt() {
    insta::assert_snapshot!(visible(&export("sharegpt", &awkward(), false)), @r#"
{"conversations":[{"from":"human","value":"Say \"hi\" in C:\\temp."},{"from":"gpt","value":"A line,\nanother\r\n\tand 🎈 naïve 語."}]}
{"conversations":[{"from":"human","value":"Odd:\u0000\u001b[31m[7f]\n\na\u2028b\u2029c\u0085"},{"from":"gpt","value":"</script>"}]}
"#);
}

#[test]
fn instances_are_those_of_seed_tasks() {
    insta::assert_snapshot!(visible(&export("self-instruct", &awkward(), false)), @r#"
{"instruction":"Say \"hi\" in C:\\temp.","instances":[{"input":"","output":"A line,\nanother\r\n\tand 🎈 naïve 語."}]}
{"instruction":"Odd:\u0000\u001b[31m[7f]","instances":[{"input":"a\u2028b\u2029c\u0085","output":"</script>"}]}
"#);
}

#[test]
fn csv_is_by_the_rfc_and_leaves_texts_alone() {
    let (table, remarks) = export_with("csv", &awkward(), &ExportOptions::default());
    insta::assert_snapshot!(visible(&table).replace('\r', "[cr]"), @r#"
instruction,input,output[cr]
"Say ""hi"" in C:\temp.",,"A line,
another[cr]
	and 🎈 naïve 語."[cr]
Odd:[0][1b][31m[7f],a[2028]b[2029]c[85],</script>[cr]
"#);
    assert!(remarks.is_empty());
    insta::assert_snapshot!(export("csv", &[with_provenance()], true).replace('\r', ""), @"
    instruction,input,output,id,request,response,item,model,examples,cost_usd,received_at,nearest_task,nearest_score
    Add the numbers.,1 2,3,7,3,4,1,gpt-4.1-nano,seed:3 task:5,0.000123,2023-11-14T22:13:20.000Z,seed:5,0.42
    ");
}

#[test]
fn cells_like_formulas_are_named_and_can_be_disarmed() {
    let tasks =
        [accepted(0, ["Sum up.", "=1+1", "- one\n- two"]), accepted(1, ["x", "@a", "1-1=0"])];
    let plain = ExportOptions::default();
    let (table, remarks) = export_with("csv", &tasks, &plain);
    insta::assert_snapshot!(table.replace('\r', ""), @r#"
    instruction,input,output
    Sum up.,=1+1,"- one
    - two"
    x,@a,1-1=0
    "#);
    insta::assert_snapshot!(remarks.join("\n"), @"3 cells begin like formulas: to open the file in a spreadsheet, export it with --spreadsheet-safe");
    let safe = ExportOptions { spreadsheet_safe: true, ..plain };
    let (table, remarks) = export_with("csv", &tasks, &safe);
    insta::assert_snapshot!(table.replace('\r', ""), @r#"
    instruction,input,output
    Sum up.,'=1+1,"'- one
    - two"
    x,'@a,1-1=0
    "#);
    insta::assert_snapshot!(remarks.join("\n"), @"3 cells got an apostrophe in front, so that no spreadsheet runs them");
}

#[test]
fn a_system_text_has_its_place_in_each_format() {
    let options = ExportOptions { system: Some("Be brief.".to_owned()), ..Default::default() };
    let task = [accepted(0, ["Add.", "1 2", "3"])];
    let formats = ["jsonl", "messages", "prompt-completion", "sharegpt", "csv"];
    let files = formats.map(|format| export_with(format, &task, &options).0.replace('\r', ""));
    insta::assert_snapshot!(files.concat(), @r#"
    {"instruction":"Add.","input":"1 2","output":"3","system":"Be brief."}
    {"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Add.\n\n1 2"},{"role":"assistant","content":"3"}]}
    {"prompt":"Be brief.\n\nAdd.\n\n1 2\n\n","completion":"3"}
    {"conversations":[{"from":"system","value":"Be brief."},{"from":"human","value":"Add.\n\n1 2"},{"from":"gpt","value":"3"}]}
    instruction,input,output,system
    Add.,1 2,3,Be brief.
    "#);
}

#[test]
fn columns_can_be_chosen() {
    let chosen = |format: &str, columns: &str| {
        let columns = Some(columns.split(',').map(str::to_owned).collect());
        export_with(format, &[with_provenance()], &ExportOptions { columns, ..Default::default() })
            .0
            .replace('\r', "")
    };
    insta::assert_snapshot!(chosen("jsonl", "output,id,nearest_score,prompt"), @r#"{"output":"3","id":7,"nearest_score":0.42,"prompt":"Add the numbers.\n\n1 2\n\n"}"#);
    insta::assert_snapshot!(chosen("messages", "id,messages"), @r#"{"id":7,"messages":[{"role":"user","content":"Add the numbers.\n\n1 2"},{"role":"assistant","content":"3"}]}"#);
    insta::assert_snapshot!(chosen("csv", "cost_usd,examples,nearest_task,received_at"), @"
    cost_usd,examples,nearest_task,received_at
    0.000123,seed:3 task:5,seed:5,2023-11-14T22:13:20.000Z
    ");
}

#[test]
fn similarities_are_alpacas_keys() {
    let options = ExportOptions { with_similarity: true, ..ExportOptions::default() };
    let mut task = accepted(0, ["Add.", "", "3"]);
    let most_similar = vec![("Sum.".to_owned(), 0.5)];
    task.similarity = Some(PoolSimilarity { most_similar, average: 0.25 });
    let files = ["jsonl", "csv"].map(|format| export_with(format, &[task.clone()], &options).0);
    insta::assert_snapshot!(files.concat().replace('\r', ""), @r#"
    {"instruction":"Add.","input":"","output":"3","most_similar_instructions":{"Sum.":0.5},"avg_similarity_score":0.25}
    instruction,input,output,most_similar_instructions,avg_similarity_score
    Add.,,3,"{""Sum."":0.5}",0.25
    "#);
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let refusal = |format: &str, options: ExportOptions| {
        Layout::new(by_name(format).unwrap(), &options).unwrap_err().to_string()
    };
    let columns = |names: &str| ExportOptions {
        columns: Some(names.split(',').map(str::to_owned).collect()),
        ..ExportOptions::default()
    };
    let system = || ExportOptions { system: Some("s".to_owned()), ..ExportOptions::default() };
    let alpaca =
        || ExportOptions { prompt_template: PromptTemplate::Alpaca, ..ExportOptions::default() };
    let refusals = [
        refusal("self-instruct", columns("question")),
        refusal("csv", columns("provenance")),
        refusal("csv", columns("messages")),
        refusal("jsonl", columns(" ,")),
        refusal("jsonl", columns("id,id")),
        refusal("jsonl", columns("system")),
        refusal("jsonl", columns("avg_similarity_score")),
        refusal("self-instruct", system()),
        refusal("alpaca", alpaca()),
    ];
    insta::assert_snapshot!(refusals.join("\n"), @"
        `question` is no column of self-instruct: it has instruction, input, output, system, prompt, completion, instances, most_similar_instructions, avg_similarity_score, provenance, id, request, response, item, model, examples, cost_usd, received_at, nearest_task, nearest_score
        `provenance` is no column of csv: it has instruction, input, output, system, prompt, completion, most_similar_instructions, avg_similarity_score, id, request, response, item, model, examples, cost_usd, received_at, nearest_task, nearest_score
        `messages` is no column of csv: it has instruction, input, output, system, prompt, completion, most_similar_instructions, avg_similarity_score, id, request, response, item, model, examples, cost_usd, received_at, nearest_task, nearest_score
        --columns names no column: give some of instruction, input, output, system, prompt, completion, most_similar_instructions, avg_similarity_score, provenance, id, request, response, item, model, examples, cost_usd, received_at, nearest_task, nearest_score
        --columns names `id` twice
        the column `system` needs --system
        the column `avg_similarity_score` needs --with-similarity
        --system changes nothing in self-instruct: name the column `system` or `prompt` with --columns
        --prompt-template changes nothing in alpaca: its trainers add the template themselves; use prompt-completion or messages, or --columns prompt,completion
        ");
}

#[test]
fn openai_is_told_apart_from_what_it_refuses() {
    let task = |output: &str| accepted(0, ["Name a river.", "", output]);
    let remarks = |tasks: &[AcceptedTask], with_provenance| {
        let provenance =
            if with_provenance { ProvenanceForm::Object } else { ProvenanceForm::Absent };
        let options = ExportOptions { provenance, ..ExportOptions::default() };
        export_with("messages", tasks, &options).1.join("\n")
    };
    assert_eq!(remarks(&vec![task("Rhine"); 10], false), "");
    let long = "word ".repeat(70_000);
    let tasks = [task(" \n"), task(&long), task(&"x".repeat(70_000))];
    insta::assert_snapshot!(remarks(&tasks, true), @"
    OpenAI fine-tuning: needs at least 10 lines, here are 3
    OpenAI fine-tuning: more than 65536 tokens, which are cut off, may be in 1 of 3 lines: leave them out with --max-tokens
    OpenAI fine-tuning: an empty message, which may be refused, is in 1 of 3 lines
    OpenAI fine-tuning: takes `messages` alone, not provenance
    ");
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
    assert_eq!(export("csv", &[], false), "instruction,input,output\r\n");
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
    for exporter in text_formats() {
        let whole = export(exporter.name(), &tasks, false).len();
        let layout = Layout::new(exporter, &ExportOptions::default()).unwrap();
        for room in 0..whole {
            let mut bytes = vec![0; room];
            let mut out = &mut bytes[..];
            let written = exporter.begin(&mut out, &layout).and_then(|mut rows| {
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
        "csv" => {
            let mut reader = ::csv::Reader::from_reader(data.as_bytes());
            let rows = reader.deserialize::<BTreeMap<String, String>>();
            rows.map(|row| json!(row.unwrap())).collect()
        }
        _ => data.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
    }
}

fn expected(format: &str, task: &Candidate) -> Value {
    let Candidate { instruction, input, output } = task;
    let question =
        if input.is_empty() { instruction } else { &format!("{instruction}\n\n{input}") };
    match format {
        "messages" => json!({"messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": output},
        ]}),
        "sharegpt" => json!({"conversations": [
            {"from": "human", "value": question},
            {"from": "gpt", "value": output},
        ]}),
        "prompt-completion" => {
            json!({"prompt": format!("{question}\n\n"), "completion": output})
        }
        "self-instruct" => json!({
            "instruction": instruction,
            "instances": [{"input": input, "output": output}],
        }),
        _ => json!({"instruction": instruction, "input": input, "output": output}),
    }
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
        for exporter in text_formats() {
            let format = exporter.name();
            // The columns of a table hold texts, whatever else they stand for.
            let with_provenance = with_provenance && !exporter.is_table();
            let data = export(format, &tasks, with_provenance);
            let mut rows = rows(format, &data);
            for (id, row) in rows.iter_mut().enumerate() {
                let provenance = row.as_object_mut().unwrap().remove("provenance");
                prop_assert_eq!(provenance.is_some(), with_provenance);
                prop_assert!(provenance.is_none_or(|p| p["id"] == id));
            }
            let expected: Vec<Value> = tasks.iter().map(|t| expected(format, &t.task)).collect();
            prop_assert_eq!(rows, expected, "{}", format);
            if exporter.extension() == "jsonl" {
                prop_assert_eq!(data.matches('\n').count(), tasks.len());
                let breaks = data.matches(['\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
                prop_assert_eq!(breaks, 0);
            }
            prop_assert_eq!(data, export(format, &tasks, with_provenance));
        }
    }
}
