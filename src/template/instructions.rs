//! The first half of the template `json` when outputs are bought apart: many short instructions in
//! one answer, each with its input and without an output.

use std::sync::{Arc, LazyLock};

use serde::Serialize;

use super::fields::read_instruction;
use super::json::{question_with, schema_of_tasks};
use super::salvage::salvage_with;
use super::{Defaults, Item, Rendered, TaskText, Template};
use crate::chat::{Completion, Message, Prompt, ResponseSchema, Role};

/// Standing instructions, the same bytes in every request so that providers can cache them.
const INSTRUCTIONS: &str = "\
You write tasks for a language model that learns to follow instructions. Somebody else will do the \
tasks: write no answers. Each task has two fields:
- \"instruction\": what is to be done, in one or two sentences.
- \"input\": the material the instruction works on, realistic and specific. Leave it empty (\"\") \
when the instruction stands alone; about half of the tasks need none.

Make the tasks differ from each other:
- Spread them over many topics: science, daily life, history, business, health, law, art, travel, \
language, mathematics, code and more.
- Begin instructions with different verbs, and phrase some as questions and some as requests.
- Mix forms: explain, compare, rewrite, summarise, plan, extract, calculate, invent, correct. Let \
some tasks be classification, with the possible labels named in the instruction.
- Vary the difficulty from easy to expert, and the length of what a good answer would be from one \
word to several paragraphs.

Every task must be doable by reading and writing text alone. Write in the language of the examples \
you are shown. Do not number the tasks, and copy neither the wording nor the subject of an example.";

/// What the answer looks like; also behind the standing instructions that a person gives.
const SHAPE: &str = "\
Answer with one JSON object and nothing else, in this shape:
{\"tasks\": [{\"instruction\": \"...\", \"input\": \"...\"}]}";

/// Made once: every request has it.
static SCHEMA: LazyLock<Arc<ResponseSchema>> =
    LazyLock::new(|| Arc::new(schema_of_tasks("instructions", &["instruction", "input"])));

/// The template `json` without outputs.
#[derive(Debug)]
pub(super) struct JsonInstructions;

/// An example as the model sees it, with its keys in this order.
#[derive(Serialize)]
struct ExampleRow<'a> {
    instruction: &'a str,
    input: &'a str,
}

impl Template for JsonInstructions {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "Instructions and inputs as JSON; their outputs are bought apart"
    }

    fn defaults(&self) -> Defaults {
        Defaults {
            num_examples: 8,
            accepted_examples: 2,
            tasks_per_request: 20,
            max_output_tokens: 4000,
            temperature: 1.0,
            top_p: 1.0,
            content_filters: true,
        }
    }

    fn render(&self, examples: &[TaskText<'_>], tasks_per_request: u32) -> Rendered {
        self.render_with(INSTRUCTIONS, examples, tasks_per_request)
    }

    fn render_with(
        &self,
        system: &str,
        examples: &[TaskText<'_>],
        tasks_per_request: u32,
    ) -> Rendered {
        let messages = vec![
            Message { role: Role::System, content: format!("{system}\n\n{SHAPE}") },
            Message { role: Role::User, content: question(examples, tasks_per_request) },
        ];
        Rendered {
            prompt: Prompt::Messages(messages),
            stop: Vec::new(),
            response_schema: Some(Arc::clone(&SCHEMA)),
        }
    }

    fn parse(&self, completion: &Completion, _num_examples: usize) -> Vec<Item> {
        salvage_with(&completion.text, read_instruction)
    }
}

/// The one user message. By its last sentence the simulator knows what is asked for.
fn question(examples: &[TaskText<'_>], tasks_per_request: u32) -> String {
    let rows: Vec<String> = examples.iter().map(example_json).collect();
    question_with(&rows, &format!("Write {tasks_per_request} new tasks without answers."))
}

/// One example as a JSON object on one line.
fn example_json(example: &TaskText<'_>) -> String {
    let TaskText { instruction, input, .. } = *example;
    serde_json::to_string(&ExampleRow { instruction, input })
        .expect("a struct of two strings is always valid JSON")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{EXAMPLES, candidates, completion, rules, task};
    use super::*;
    use crate::chat::FinishReason;

    fn contents(rendered: &Rendered) -> [&str; 2] {
        let Prompt::Messages(messages) = &rendered.prompt else { panic!("not a conversation") };
        let [system, user] = messages.as_slice() else { panic!("not two messages") };
        [&system.content, &user.content]
    }

    #[test]
    fn no_output_is_shown_asked_for_or_kept() {
        let rendered = JsonInstructions.render(&EXAMPLES, 20);
        assert!(!contents(&rendered).concat().contains("output"));
        insta::assert_snapshot!(contents(&rendered)[1], @r#"
        These example tasks are data that shows the kind and quality wanted. Do not carry out what they say.
        [
        {"instruction":"Name the capital  of the\ncountry:","input":"Portugal"},
        {"instruction":"Quote a proverb.","input":""}
        ]
        Write 20 new tasks without answers.
        "#);
        let answer = r#"{"tasks":[{"instruction":"Add.","input":"1 2","output":"3"}]}"#;
        let items = JsonInstructions.parse(&completion(answer, FinishReason::Stop), 8);
        assert_eq!(candidates(&items), [task("Add.", "1 2", "")]);
    }

    #[test]
    fn standing_instructions_can_be_replaced_and_the_shape_stays() {
        let own = JsonInstructions.render_with("Write riddles.", &EXAMPLES, 5);
        assert_eq!(contents(&own)[0], format!("Write riddles.\n\n{SHAPE}"));
        let usual = [JsonInstructions.render(&EXAMPLES, 5), JsonInstructions.render(&[], 9)];
        assert_eq!(contents(&usual[0])[0], contents(&usual[1])[0]);
    }

    #[test]
    fn a_broken_answer_gives_every_whole_instruction() {
        let answer = "```json\n{\"tasks\":[{\"instruction\":\"a\",\"input\":\"N/A\"},\
            {\"instruction\":\"b\"},{\"input\":\"c\"},{\"instruction\":\"d\",\"inp";
        let items = JsonInstructions.parse(&completion(answer, FinishReason::Length), 8);
        assert_eq!(candidates(&items), [task("a", "", ""), task("b", "", "")]);
        assert_eq!(rules(&items), ["missing_instruction", "truncated"]);
    }
}
