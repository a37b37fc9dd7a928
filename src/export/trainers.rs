//! What trainers have to be told about a file before they read it.

use std::path::Path;

use serde_json::{Value, json};

use super::{Column, Layout};

/// A file of an export, with the split that it holds.
#[derive(Debug, Clone, Copy)]
pub struct TrainingFile<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Its split; `None` when it holds everything.
    pub split: Option<&'a str>,
}

/// An entry of LLaMA-Factory's `dataset_info.json` for each file, and the data sets of an Axolotl
/// configuration, as their documentation of November 2026 has them. `None` when neither reads such
/// rows.
pub fn trainer_snippets(layout: &Layout, files: &[TrainingFile<'_>]) -> Option<String> {
    let rows = RowShape::of(layout.columns())?;
    let mut text = String::new();
    text.push_str("LLaMA-Factory, in dataset_info.json beside the data:\n");
    if files.iter().any(|file| is_packed(file.path)) {
        text.push_str("(it reads no packed files: unpack them, or export without .gz and .zst)\n");
    }
    let entries: serde_json::Map<String, Value> = files
        .iter()
        .map(|file| (name_of(file.path), rows.llama_factory(layout, &file_name(file.path))))
        .collect();
    let entries = serde_json::to_string_pretty(&entries).unwrap_or_default();
    text.push_str(&entries);
    text.push_str("\n\nAxolotl, in its configuration:\n");
    let (tests, training): (Vec<&TrainingFile<'_>>, Vec<_>) =
        files.iter().partition(|file| is_test(file.split));
    for (key, files) in [("datasets", training), ("test_datasets", tests)] {
        if files.is_empty() {
            continue;
        }
        text.push_str(key);
        text.push_str(":\n");
        for file in files {
            text.push_str(&rows.axolotl(layout, file.path));
        }
    }
    Some(text)
}

/// Whether a split is one that a trainer measures itself by.
fn is_test(split: Option<&str>) -> bool {
    split.is_some_and(|split| ["test", "valid", "validation", "eval", "dev"].contains(&split))
}

/// How a trainer finds the parts of a conversation in a row.
#[derive(Debug, Clone, Copy)]
enum RowShape {
    Messages,
    Conversations,
    PromptCompletion,
    Task,
}

impl RowShape {
    fn of(columns: &[Column]) -> Option<Self> {
        let has = |column| columns.contains(&column);
        let shapes = [
            (has(Column::Messages), Self::Messages),
            (has(Column::Conversations), Self::Conversations),
            (has(Column::Prompt) && has(Column::Completion), Self::PromptCompletion),
            (has(Column::Instruction) && has(Column::Output), Self::Task),
        ];
        shapes.into_iter().find_map(|(is, shape)| is.then_some(shape))
    }

    fn llama_factory(self, layout: &Layout, file_name: &str) -> Value {
        match self {
            Self::Messages => json!({
                "file_name": file_name,
                "formatting": "sharegpt",
                "columns": {"messages": "messages"},
                "tags": {
                    "role_tag": "role",
                    "content_tag": "content",
                    "user_tag": "user",
                    "assistant_tag": "assistant",
                    "system_tag": "system",
                },
            }),
            Self::Conversations => json!({
                "file_name": file_name,
                "formatting": "sharegpt",
                "columns": {"messages": "conversations"},
            }),
            Self::PromptCompletion => json!({
                "file_name": file_name,
                "columns": {"prompt": "prompt", "response": "completion"},
            }),
            Self::Task => {
                let mut columns = serde_json::Map::new();
                let names = [
                    ("prompt", Column::Instruction),
                    ("query", Column::Input),
                    ("response", Column::Output),
                    ("system", Column::System),
                ];
                for (key, column) in names {
                    if layout.columns().contains(&column) {
                        columns.insert(key.to_owned(), column.name().into());
                    }
                }
                json!({"file_name": file_name, "columns": columns})
            }
        }
    }

    /// One item of a list of data sets.
    fn axolotl(self, layout: &Layout, path: &Path) -> String {
        let kind = match extension(path) {
            "csv" => "csv",
            "parquet" => "parquet",
            _ => "json",
        };
        // JSON's texts are YAML's too.
        let path = Value::from(path.display().to_string());
        let mut lines = vec![format!("  - path: {path}"), format!("    ds_type: {kind}")];
        let turns = |field, role, content| {
            [
                "type: chat_template".to_owned(),
                format!("field_messages: {field}"),
                "message_property_mappings:".to_owned(),
                format!("  role: {role}"),
                format!("  content: {content}"),
            ]
        };
        let rest: Vec<String> = match self {
            Self::Messages => turns("messages", "role", "content").into(),
            Self::Conversations => turns("conversations", "from", "value").into(),
            Self::PromptCompletion => [
                "type:",
                "  field_instruction: prompt",
                "  field_output: completion",
                "  format: \"{instruction}\"",
                "  no_input_format: \"{instruction}\"",
            ]
            .map(str::to_owned)
            .into(),
            Self::Task if layout.columns().contains(&Column::System) => [
                "type:",
                "  field_system: system",
                "  field_instruction: instruction",
                "  field_input: input",
                "  field_output: output",
                "  format: \"{instruction}\\n\\n{input}\\n\\n\"",
                "  no_input_format: \"{instruction}\\n\\n\"",
            ]
            .map(str::to_owned)
            .into(),
            Self::Task => vec!["type: alpaca".to_owned()],
        };
        lines.extend(rest.into_iter().map(|line| format!("    {line}")));
        lines.join("\n") + "\n"
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The name without any extension, in characters that a command line takes.
fn name_of(path: &Path) -> String {
    let name = file_name(path);
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("data");
    stem.chars().map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect()
}

fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz" || extension == "zst")
}

/// The extension of the format, a compression left out.
fn extension(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    plain.rsplit_once('.').map_or("", |(_, extension)| extension)
}

#[cfg(test)]
mod tests {
    use super::super::{ExportOptions, by_name};
    use super::*;

    fn snippets(format: &str, system: bool, files: &[TrainingFile<'_>]) -> Option<String> {
        let system = system.then(|| "Be brief.".to_owned());
        let options = ExportOptions { system, ..ExportOptions::default() };
        let layout = Layout::new(by_name(format).unwrap(), &options).unwrap();
        trainer_snippets(&layout, files)
    }

    fn whole(path: &str) -> [TrainingFile<'_>; 1] {
        [TrainingFile { path: Path::new(path), split: None }]
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "each entry is shown whole")]
    fn every_trainable_format_has_its_entry() {
        insta::assert_snapshot!(snippets("alpaca", false, &whole("out/my tasks.json")).unwrap(), @r#"
        LLaMA-Factory, in dataset_info.json beside the data:
        {
          "my_tasks": {
            "file_name": "my tasks.json",
            "columns": {
              "prompt": "instruction",
              "query": "input",
              "response": "output"
            }
          }
        }

        Axolotl, in its configuration:
        datasets:
          - path: "out/my tasks.json"
            ds_type: json
            type: alpaca
        "#);
        insta::assert_snapshot!(snippets("csv", true, &whole("t.csv")).unwrap(), @r#"
        LLaMA-Factory, in dataset_info.json beside the data:
        {
          "t": {
            "file_name": "t.csv",
            "columns": {
              "prompt": "instruction",
              "query": "input",
              "response": "output",
              "system": "system"
            }
          }
        }

        Axolotl, in its configuration:
        datasets:
          - path: "t.csv"
            ds_type: csv
            type:
              field_system: system
              field_instruction: instruction
              field_input: input
              field_output: output
              format: "{instruction}\n\n{input}\n\n"
              no_input_format: "{instruction}\n\n"
        "#);
        insta::assert_snapshot!(snippets("messages", true, &whole("t.jsonl.gz")).unwrap(), @r#"
        LLaMA-Factory, in dataset_info.json beside the data:
        (it reads no packed files: unpack them, or export without .gz and .zst)
        {
          "t": {
            "file_name": "t.jsonl.gz",
            "formatting": "sharegpt",
            "columns": {
              "messages": "messages"
            },
            "tags": {
              "role_tag": "role",
              "content_tag": "content",
              "user_tag": "user",
              "assistant_tag": "assistant",
              "system_tag": "system"
            }
          }
        }

        Axolotl, in its configuration:
        datasets:
          - path: "t.jsonl.gz"
            ds_type: json
            type: chat_template
            field_messages: messages
            message_property_mappings:
              role: role
              content: content
        "#);
        insta::assert_snapshot!(snippets("prompt-completion", false, &whole("t.jsonl")).unwrap(), @r#"
        LLaMA-Factory, in dataset_info.json beside the data:
        {
          "t": {
            "file_name": "t.jsonl",
            "columns": {
              "prompt": "prompt",
              "response": "completion"
            }
          }
        }

        Axolotl, in its configuration:
        datasets:
          - path: "t.jsonl"
            ds_type: json
            type:
              field_instruction: prompt
              field_output: completion
              format: "{instruction}"
              no_input_format: "{instruction}"
        "#);
        assert_eq!(snippets("self-instruct", false, &whole("t.jsonl")), None);
    }

    #[test]
    fn splits_to_test_with_are_named_apart() {
        let files = [("t-train.jsonl", "train"), ("t-test.jsonl", "test")]
            .map(|(path, split)| TrainingFile { path: Path::new(path), split: Some(split) });
        insta::assert_snapshot!(snippets("sharegpt", false, &files).unwrap(), @r#"
        LLaMA-Factory, in dataset_info.json beside the data:
        {
          "t-train": {
            "file_name": "t-train.jsonl",
            "formatting": "sharegpt",
            "columns": {
              "messages": "conversations"
            }
          },
          "t-test": {
            "file_name": "t-test.jsonl",
            "formatting": "sharegpt",
            "columns": {
              "messages": "conversations"
            }
          }
        }

        Axolotl, in its configuration:
        datasets:
          - path: "t-train.jsonl"
            ds_type: json
            type: chat_template
            field_messages: conversations
            message_property_mappings:
              role: from
              content: value
        test_datasets:
          - path: "t-test.jsonl"
            ds_type: json
            type: chat_template
            field_messages: conversations
            message_property_mappings:
              role: from
              content: value
        "#);
    }
}
