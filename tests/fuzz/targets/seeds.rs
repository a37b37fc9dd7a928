//! Files of seed tasks, and benchmarks.

use std::collections::HashSet;
use std::path::Path;

use instructmill::benchmark::Benchmarks;
use instructmill::pool::{SeedError, read_seed_tasks};
use instructmill::task::SeedTask;
use serde_json::{Value, json};

use super::with_file;

/// The bytes are the file.
pub fn check(bytes: &[u8]) {
    with_file(bytes, |path| {
        seed_tasks(path, bytes.len());
        benchmarks(path, bytes.len());
    });
}

fn seed_tasks(path: &Path, size: usize) {
    let tasks = match read_seed_tasks(path) {
        Ok(file) => file.tasks,
        Err(error) => return is_told(&error),
    };
    assert!(!tasks.is_empty());
    let ids: HashSet<&str> = tasks.iter().map(|task| &*task.id).collect();
    assert_eq!(ids.len(), tasks.len(), "an id twice");
    let texts = |task: &SeedTask| {
        let instances = task.instances.iter().map(|one| one.input.len() + one.output.len());
        task.instruction.len() + instances.sum::<usize>()
    };
    assert!(tasks.iter().map(texts).sum::<usize>() <= size, "more text than the file has");
    for task in &tasks {
        assert!(!task.instruction.trim().is_empty() && !task.instances.is_empty(), "{task:?}");
    }
    // Written anew, in either layout, they are the same tasks.
    let rows: Vec<Value> = tasks.iter().map(row).collect();
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    for text in [lines.join("\n"), format!("{:#}", Value::Array(rows))] {
        let again = with_file(text.as_bytes(), read_seed_tasks).expect("they were seed tasks");
        assert_eq!(again.tasks, tasks);
    }
}

fn row(task: &SeedTask) -> Value {
    let instances: Vec<Value> = task
        .instances
        .iter()
        .map(|instance| json!({"input": instance.input, "output": instance.output}))
        .collect();
    json!({
        "id": task.id, "name": task.name, "instruction": task.instruction, "instances": instances,
        "is_classification": task.is_classification,
    })
}

/// At most ten problems, with nothing of the file that steers a terminal.
fn is_told(error: &SeedError) {
    let message = error.to_string();
    assert!(message.lines().count() <= 13 && message.len() < 20_000, "{message}");
    let steers = |c: char| c.is_control() && c != '\n';
    assert!(!message.contains(steers), "{message:?}");
}

fn benchmarks(path: &Path, size: usize) {
    let Ok(benchmarks) = Benchmarks::read(&[path.to_owned()]) else { return };
    assert!(!benchmarks.is_empty());
    assert!(benchmarks.texts().map(str::len).sum::<usize>() <= size, "more text than the file has");
    assert_eq!(benchmarks.sha256().len(), 64);
}
