use std::collections::HashSet;

use super::*;

fn ask(format: Format) -> Ask {
    Ask { format, language: Language::English }
}

fn json(count: u32) -> Ask {
    ask(Format::Json { count, strict: true })
}

#[test]
fn the_same_seed_and_request_give_the_same_text() {
    let writer = Writer::new();
    let text = |seed, request| writer.write(json(10), seed, request, 0.2);
    assert_eq!(text(1, 7), text(1, 7));
    assert_ne!(text(1, 7), text(1, 8));
    assert_ne!(text(1, 7), text(2, 7));
}

#[test]
fn a_strict_answer_is_the_json_that_was_asked_for() {
    let writer = Writer::new();
    for request in 0..200 {
        let text = writer.write(json(10), 0, request, 0.2);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["tasks"].as_array().unwrap().len(), 10);
    }
}

#[test]
fn every_output_says_that_it_is_simulated_and_tasks_vary() {
    let writer = Writer::new();
    let mut instructions = HashSet::new();
    for request in 0..300 {
        let text = writer.write(json(10), 0, request, 0.0);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for task in value["tasks"].as_array().unwrap() {
            let output = task["output"].as_str().unwrap();
            assert!(output.is_empty() || output.contains(MARK), "{output}");
            instructions.insert(task["instruction"].as_str().unwrap().to_owned());
        }
    }
    assert!(instructions.len() > 2_000, "{}", instructions.len());
}

#[test]
fn the_numbered_format_goes_on_where_the_prompt_ends() {
    let text = Writer::new().write(ask(Format::Numbered { first: 4, last: 20 }), 0, 3, 0.0);
    assert!(text.contains("4. Input:") && text.contains("###\n5. Instruction:"), "{text}");
}
