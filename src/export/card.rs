//! The card of a data set directory: `README.md` with front matter for the Hugging Face hub.

use serde_json::Value;

use super::{Column, Portrait};
use crate::event::Stage;
use crate::summary::Summary;

/// A data file of the directory.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// The split that it holds.
    pub split: String,
    /// Its path from the directory, with `/`.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes in lower-case hex.
    pub sha256: String,
}

/// What a card tells.
#[derive(Debug)]
pub struct Card<'a> {
    /// The name of the data set.
    pub title: &'a str,
    /// The licence that the user names; none is made up.
    pub license: Option<&'a str>,
    /// The languages that the user names, by ISO 639-1; else they are guessed.
    pub languages: &'a [String],
    /// Whether the tasks are made up.
    pub simulated: bool,
    /// The model that wrote it.
    pub model: &'a str,
    /// Labels and values that say how it came about.
    pub origin: &'a [(&'static str, String)],
    /// What was asked of the tasks beside the run's rules, as flags.
    pub selection: &'a [String],
    /// The totals of the run.
    pub summary: &'a Summary,
    /// The data files, one a split.
    pub files: &'a [DataFile],
    /// The columns of the data.
    pub columns: &'a [Column],
    /// The figures of the data.
    pub portrait: &'a Portrait,
}

impl Card<'_> {
    /// The whole file.
    pub fn to_markdown(&self) -> String {
        let parts = [
            self.front_matter(),
            self.introduction(),
            self.origin(),
            self.funnel(),
            self.variety(),
            self.limits(),
        ];
        parts.join("\n")
    }

    fn front_matter(&self) -> String {
        let mut lines = vec!["---".to_owned(), format!("pretty_name: {}", yaml(self.title))];
        if let Some(license) = self.license {
            lines.push(format!("license: {}", yaml(license)));
        }
        let languages = self.languages();
        if !languages.is_empty() {
            lines.push("language:".to_owned());
            lines.extend(languages.iter().map(|language| format!("- {}", yaml(language))));
        }
        lines.push(format!("size_categories:\n- {}", size_category(self.portrait.rows())));
        lines.push("task_categories:\n- text-generation".to_owned());
        lines.push("tags:\n- synthetic\n- instruction-tuning\n- instructmill".to_owned());
        if self.simulated {
            lines.push("- simulated".to_owned());
        }
        lines.push("configs:\n- config_name: default\n  data_files:".to_owned());
        for file in self.files {
            lines.push(format!("  - split: {}\n    path: {}", file.split, yaml(&file.path)));
        }
        lines.push("dataset_info:\n  features:".to_owned());
        lines.extend(self.columns.iter().map(|column| feature(*column)));
        lines.push("  splits:".to_owned());
        for DataFile { split, rows, bytes, .. } in self.files {
            lines.push(format!(
                "  - name: {split}\n    num_bytes: {bytes}\n    num_examples: {rows}"
            ));
        }
        lines.push("---\n".to_owned());
        lines.join("\n")
    }

    fn languages(&self) -> Vec<String> {
        if self.languages.is_empty() {
            self.portrait.languages().into_iter().map(str::to_owned).collect()
        } else {
            self.languages.to_vec()
        }
    }

    fn introduction(&self) -> String {
        let mut text = format!("# {}\n\n", markdown(self.title));
        if self.simulated {
            text.push_str(
                "# SIMULATED: DO NOT TRAIN ON THIS\n\nNo model wrote these tasks. A program made them up \
                 to rehearse a run, and they teach nothing.\n\n",
            );
        }
        let rows = self.portrait.rows();
        text.push_str(&format!(
            "{rows} {} with answers, written by {} from a few seed tasks and deduplicated \
             on the way, in the manner of Self-Instruct and Stanford Alpaca. Made by \
             [instructmill](https://crates.io/crates/instructmill).\n\n",
            if rows == 1 { "instruction" } else { "instructions" },
            markdown(self.model)
        ));
        text.push_str("| split | rows | file |\n|---|--:|---|\n");
        for file in self.files {
            text.push_str(&format!("| {} | {} | `{}` |\n", file.split, file.rows, file.path));
        }
        text
    }

    fn origin(&self) -> String {
        let mut text = "## Where it comes from\n\n| | |\n|---|---|\n".to_owned();
        for (label, value) in self.origin {
            text.push_str(&format!("| {label} | {} |\n", markdown(value)));
        }
        if !self.selection.is_empty() {
            let flags: Vec<String> = self.selection.iter().map(|flag| code(flag)).collect();
            text.push_str(&format!("| selected by | {} |\n", flags.join(", ")));
        }
        text
    }

    fn funnel(&self) -> String {
        let summary = self.summary;
        let mut text = format!(
            "## What was kept\n\n| | tasks |\n|---|--:|\n| in {} answers | {} |\n",
            summary.attempts.answered,
            summary.candidates()
        );
        for stage in Stage::ALL {
            for ((at, rule), count) in &summary.rejections {
                if *at == stage {
                    text.push_str(&format!("| rejected: {} · {rule} | {count} |\n", at.as_str()));
                }
            }
        }
        text.push_str(&format!(
            "| accepted | {} |\n| in this data set | {} |\n",
            summary.accepted,
            self.portrait.rows()
        ));
        text
    }

    fn variety(&self) -> String {
        let portrait = self.portrait;
        let (instruction, output) = (portrait.instruction(), portrait.output());
        let mut text = format!(
            "## How varied it is\n\n| | |\n|---|---|\n\
             | with an input | {} of {} |\n\
             | characters of an instruction | {} on average, at most {} |\n\
             | characters of an output | {} on average, at most {} |\n\
             | different openings (first two words) | {}{} |\n",
            portrait.with_input(),
            portrait.rows(),
            instruction.mean(),
            instruction.longest,
            output.mean(),
            output.longest,
            if portrait.has_more_openings() { "at least " } else { "" },
            portrait.openings(),
        );
        let frequent: Vec<String> = portrait
            .top_openings(10)
            .into_iter()
            .map(|(opening, count)| format!("{} ({count})", markdown(opening)))
            .collect();
        text.push_str(&format!("| most frequent openings | {} |\n", frequent.join(", ")));
        if let Some(nearest) = portrait.nearest() {
            text.push_str(
                "\nSimilarity to the nearest task before:\n\n| score | tasks |\n|---|--:|\n",
            );
            for (tenth, count) in nearest.into_iter().enumerate() {
                text.push_str(&format!("| from 0.{tenth} | {count} |\n"));
            }
        }
        text
    }

    fn limits(&self) -> String {
        let licence = match self.license {
            Some(_) => "The licence above is the publisher's choice. ",
            None => "No licence is given: the publisher has to choose one. ",
        };
        format!(
            "## Known limits\n\n\
             - Nobody has checked the answers. A language model wrote them: some are wrong, and confidently \
             so, above all where they calculate or state facts. Of the data that this method gave in \
             the Self-Instruct paper, 54 % of the sampled tasks were right in all parts.\n\
             - It has the habits and biases of the model that wrote it, and of the seed tasks.\n\
             - Deduplication compares words. The same task in other words may be here twice.\n\
             - Figures of languages and openings are counted by simple rules, not by a parser.\n\n\
             ## Terms\n\n{licence}Texts of a model may come under its provider's terms, which can forbid \
             training other models with them: read those of the provider of {} before \
             you publish or train.\n",
            markdown(self.model)
        )
    }
}

/// The hub's names for sizes.
fn size_category(rows: u64) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        _ => "10M<n<100M",
    }
}

/// A column as the hub describes it.
fn feature(column: Column) -> String {
    let name = column.name();
    let turns = |role, text| {
        format!(
            "  - name: {name}\n    list:\n    - name: {role}\n      dtype: string\n    \
             - name: {text}\n      dtype: string"
        )
    };
    let plain = |kind| format!("  - name: {name}\n    dtype: {kind}");
    match column {
        Column::Messages => turns("role", "content"),
        Column::Conversations => turns("from", "value"),
        Column::Instances => turns("input", "output"),
        Column::Id | Column::Request | Column::Response | Column::Item => plain("int64"),
        Column::AverageSimilarity | Column::NearestScore => plain("float64"),
        _ => plain("string"),
    }
}

/// A text as YAML: JSON's texts are YAML's, and plain words need no quotation marks.
fn yaml(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let starts_plain = text.starts_with(|c: char| c.is_ascii_alphabetic());
    // Words that YAML reads as something else, Norway's `no` among them.
    let is_taken = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    if starts_plain && !is_taken && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

/// A text as code in a cell of a table.
fn code(text: &str) -> String {
    let mut safe = text.replace(['`', '\n', '\r'], " ");
    safe.retain(|character| !character.is_control());
    format!("`{}`", safe.replace('|', "\\|"))
}

/// A text that stays text in Markdown and in a cell of a table.
fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => safe.push(' '),
            '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '\\' | '#' => {
                safe.push('\\');
                safe.push(character);
            }
            _ if character.is_control() => {}
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Rejections;
    use crate::task::{AcceptedTask, Candidate, Provenance};

    #[test]
    #[expect(clippy::too_many_lines, reason = "a card is shown whole")]
    fn tells_what_is_known_and_no_more() {
        let mut portrait = Portrait::default();
        let task = Candidate {
            instruction: "Explain | the <b>tides</b>".to_owned(),
            input: String::new(),
            output: "The moon pulls the water of the sea.".to_owned(),
        };
        let provenance = Provenance::default();
        portrait.add(&AcceptedTask { id: 0, task, provenance, similarity: None });
        let summary = Summary {
            accepted: 1,
            rejections: Rejections::from([((Stage::Novelty, "rouge-l".to_owned()), 3)]),
            ..Summary::default()
        };
        let file = DataFile {
            split: "train".to_owned(),
            path: "data/train.jsonl".to_owned(),
            rows: 1,
            bytes: 90,
            sha256: String::new(),
        };
        let card = Card {
            title: "My tasks: no. 1",
            license: None,
            languages: &[],
            simulated: true,
            model: "some_model",
            origin: &[("spent", "$0.12".to_owned())],
            selection: &["--max-tokens 900".to_owned()],
            summary: &summary,
            files: &[file],
            columns: &[Column::Instruction, Column::Messages, Column::Id, Column::NearestScore],
            portrait: &portrait,
        };
        insta::assert_snapshot!(card.to_markdown(), @r#"
        ---
        pretty_name: "My tasks: no. 1"
        language:
        - en
        size_categories:
        - n<1K
        task_categories:
        - text-generation
        tags:
        - synthetic
        - instruction-tuning
        - instructmill
        - simulated
        configs:
        - config_name: default
          data_files:
          - split: train
            path: data/train.jsonl
        dataset_info:
          features:
          - name: instruction
            dtype: string
          - name: messages
            list:
            - name: role
              dtype: string
            - name: content
              dtype: string
          - name: id
            dtype: int64
          - name: nearest_score
            dtype: float64
          splits:
          - name: train
            num_bytes: 90
            num_examples: 1
        ---

        # My tasks: no. 1

        # SIMULATED: DO NOT TRAIN ON THIS

        No model wrote these tasks. A program made them up to rehearse a run, and they teach nothing.

        1 instruction with answers, written by some\_model from a few seed tasks and deduplicated on the way, in the manner of Self-Instruct and Stanford Alpaca. Made by [instructmill](https://crates.io/crates/instructmill).

        | split | rows | file |
        |---|--:|---|
        | train | 1 | `data/train.jsonl` |

        ## Where it comes from

        | | |
        |---|---|
        | spent | $0.12 |
        | selected by | `--max-tokens 900` |

        ## What was kept

        | | tasks |
        |---|--:|
        | in 0 answers | 4 |
        | rejected: novelty · rouge-l | 3 |
        | accepted | 1 |
        | in this data set | 1 |

        ## How varied it is

        | | |
        |---|---|
        | with an input | 0 of 1 |
        | characters of an instruction | 26 on average, at most 26 |
        | characters of an output | 36 on average, at most 36 |
        | different openings (first two words) | 1 |
        | most frequent openings | explain \| (1) |

        ## Known limits

        - Nobody has checked the answers. A language model wrote them: some are wrong, and confidently so, above all where they calculate or state facts. Of the data that this method gave in the Self-Instruct paper, 54 % of the sampled tasks were right in all parts.
        - It has the habits and biases of the model that wrote it, and of the seed tasks.
        - Deduplication compares words. The same task in other words may be here twice.
        - Figures of languages and openings are counted by simple rules, not by a parser.

        ## Terms

        No licence is given: the publisher has to choose one. Texts of a model may come under its provider's terms, which can forbid training other models with them: read those of the provider of some\_model before you publish or train.
        "#);
    }

    #[test]
    fn texts_stay_texts() {
        let texts = ["en", "no", "cc-by-4.0", "3", "a: b", "\"", "语", ""].map(yaml);
        assert_eq!(
            texts,
            ["en", "\"no\"", "cc-by-4.0", "\"3\"", "\"a: b\"", "\"\\\"\"", "\"语\"", "\"\""]
        );
        assert_eq!(markdown("a|b\n`c`\u{7}"), "a\\|b \\`c\\`");
        assert_eq!([999, 1_000, 1_000_000].map(size_category), ["n<1K", "1K<n<10K", "1M<n<10M"]);
    }
}
