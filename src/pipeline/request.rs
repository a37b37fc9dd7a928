//! Making requests: in-context examples or open tasks, prompt, sampling parameters.

use super::lane::Lane;
use crate::chat::{CompletionRequest, ReasoningEffort};
use crate::config::{CacheConfig, RequestConfig, ResponsesConfig};
use crate::ledger::prompt_token_bound;
use crate::pool::{Pool, sample_examples};
use crate::task::{Candidate, TaskRef};
use crate::template::{TaskText, outputs};
use crate::usd::Usd;

/// Bytes that a body may gain when a parameter gets another name.
const SLACK_BYTES: usize = 64;
/// Bytes of text in a token of output, at most on average over an answer: instructions and inputs
/// are prose.
const BYTES_PER_TOKEN: usize = 8;

/// The request of an index, with the examples that it shows.
pub(super) fn render(
    config: &RequestConfig,
    model: &str,
    pool: &Pool,
    request_index: u64,
) -> (Vec<TaskRef>, CompletionRequest) {
    let examples = sample_examples(
        pool,
        config.num_examples,
        config.accepted_examples,
        config.seed,
        request_index,
    );
    let request = render_examples(config, model, pool, &examples);
    (examples, request)
}

/// The request that shows these examples.
pub(super) fn render_examples(
    config: &RequestConfig,
    model: &str,
    pool: &Pool,
    examples: &[TaskRef],
) -> CompletionRequest {
    let texts: Vec<TaskText<'_>> = examples
        .iter()
        .filter_map(|task| pool.get(*task))
        .map(|e| TaskText { instruction: e.instruction, input: e.input, output: e.output })
        .collect();
    let tasks = config.tasks_per_request;
    let rendered = match &config.system {
        Some(system) => config.template.render_with(system, &texts, tasks),
        None => config.template.render(&texts, tasks),
    };
    CompletionRequest {
        model: model.to_owned(),
        cache_key: config.cache.as_ref().and_then(|cache| cache.key_for(&rendered.prompt)),
        prompt: rendered.prompt,
        max_output_tokens: config.max_output_tokens,
        temperature: Some(config.temperature),
        top_p: Some(config.top_p),
        stop: rendered.stop,
        response_schema: rendered.response_schema,
        reasoning_effort: config.reasoning_effort,
    }
}

/// How outputs are asked for.
#[derive(Debug, Clone)]
pub(super) struct OutputRequests {
    system: Option<String>,
    tasks_per_request: usize,
    /// For one task.
    max_output_tokens: u32,
    temperature: f64,
    top_p: f64,
    reasoning_effort: Option<ReasoningEffort>,
    cache: Option<CacheConfig>,
}

impl OutputRequests {
    pub(super) fn new(config: &ResponsesConfig) -> Self {
        Self {
            system: config.system.clone(),
            tasks_per_request: config.tasks_per_request as usize,
            max_output_tokens: config.max_output_tokens,
            temperature: config.temperature,
            top_p: config.top_p,
            reasoning_effort: config.reasoning_effort,
            cache: config.cache.clone(),
        }
    }

    /// The most tasks of one request.
    pub(super) fn tasks_per_request(&self) -> usize {
        self.tasks_per_request
    }

    /// The request for the outputs of these tasks.
    pub(super) fn render(&self, model: &str, tasks: &[&Candidate]) -> CompletionRequest {
        let texts: Vec<TaskText<'_>> = tasks
            .iter()
            .map(|task| TaskText { instruction: &task.instruction, input: &task.input, output: "" })
            .collect();
        let rendered = outputs::render(self.system.as_deref(), &texts);
        let count = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        CompletionRequest {
            model: model.to_owned(),
            cache_key: self.cache.as_ref().and_then(|cache| cache.key_for(&rendered.prompt)),
            prompt: rendered.prompt,
            max_output_tokens: self.max_output_tokens.saturating_mul(count),
            temperature: Some(self.temperature),
            top_p: Some(self.top_p),
            stop: rendered.stop,
            response_schema: rendered.response_schema,
            reasoning_effort: self.reasoning_effort,
        }
    }

    /// The worst case of requests for outputs on a lane.
    pub(super) fn worst_cases(&self, lane: &Lane) -> OutputWorstCases {
        let empty = self.render(&lane.model, &[&Candidate::default()]);
        let body = lane.provider.encode(&empty, &lane.quirks());
        OutputWorstCases {
            overhead_bytes: body.len() + SLACK_BYTES,
            max_output_tokens: u64::from(self.max_output_tokens),
            price: lane.price,
        }
    }
}

/// Bounds on what outputs cost, without the requests for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutputWorstCases {
    overhead_bytes: usize,
    /// For one task.
    max_output_tokens: u64,
    price: crate::ledger::Price,
}

impl OutputWorstCases {
    /// Of a request for the output of one task. Several tasks in one request cost no more than
    /// each in its own: they share the overhead.
    pub(super) fn of_task(&self, task: &Candidate) -> Usd {
        self.of_text(escaped_len(&task.instruction) + escaped_len(&task.input))
    }

    /// Of the requests for all outputs that an answer with instructions can call for, long inputs
    /// included.
    pub(super) fn of_instructions(&self, tasks: u32, max_output_tokens: u32) -> Usd {
        let text = (max_output_tokens as usize).saturating_mul(BYTES_PER_TOKEN);
        let texts = self.price.worst_case(prompt_token_bound(text), 0);
        self.of_text(0).saturating_mul(u64::from(tasks)).saturating_add(texts)
    }

    fn of_text(&self, bytes: usize) -> Usd {
        let prompt_bound = prompt_token_bound(self.overhead_bytes.saturating_add(bytes));
        self.price.worst_case(prompt_bound, self.max_output_tokens)
    }
}

/// The bytes of a text in JSON, the quotes around it and a blank line aside.
fn escaped_len(text: &str) -> usize {
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\t' => 1,
        // The others have six bytes, as in \u001f.
        0..0x20 | 0x7f => 5,
        _ => 0_usize,
    });
    text.len() + escapes.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::provider::{PROVIDERS, Quirks};
    use crate::template::{Rendered, TEMPLATES};

    /// The bodies of a request in each wire format.
    fn bodies(rendered: Rendered, cached: bool) -> Vec<Vec<u8>> {
        let request = CompletionRequest {
            model: "m".to_owned(),
            cache_key: cached.then(|| "key".to_owned()),
            prompt: rendered.prompt,
            max_output_tokens: 100,
            temperature: Some(1.0),
            top_p: Some(1.0),
            stop: rendered.stop,
            response_schema: rendered.response_schema,
            reasoning_effort: None,
        };
        PROVIDERS.iter().map(|p| p.encode(&request, &Quirks::default())).collect()
    }

    /// Fails unless two bodies are the same up to the end of the constant part's last words.
    #[track_caller]
    fn assert_common(one: &[Vec<u8>], other: &[Vec<u8>], last_words: &str) {
        for ((one, other), provider) in one.iter().zip(other).zip(PROVIDERS) {
            assert_ne!(one, other);
            let common = one.iter().zip(other).take_while(|(a, b)| a == b).count();
            let text = String::from_utf8_lossy(one);
            let end = text.find(last_words).unwrap() + last_words.len();
            assert!(common >= end, "{}: {common} of {end} bytes", provider.name());
        }
    }

    #[test]
    fn requests_begin_with_their_constant_part_byte_for_byte() {
        let whole = TEMPLATES.iter().copied();
        let all = whole.flat_map(|template| [Some(template), template.instructions()]).flatten();
        for template in all {
            let of = |word: &str, cached| {
                let example = TaskText { instruction: word, input: "", output: word };
                bodies(template.render(&[example; 8], 10), cached)
            };
            let is_text = template.name() == "alpaca";
            let last_words = if is_text { "as the list below begins" } else { "in this shape:" };
            for cached in [false, true] {
                assert_common(&of("one", cached), &of("other", cached), last_words);
            }
        }
        for tasks in [1, 3] {
            let of = |instruction| {
                let task = TaskText { instruction, input: "", output: "" };
                bodies(outputs::render(Some("Be a poet."), &vec![task; tasks]), true)
            };
            assert_common(&of("one"), &of("other"), "Be a poet.");
        }
    }

    proptest! {
        #[test]
        fn the_length_in_json_is_never_underrated(text in ".{0,40}|[\u{0}-\u{7f}]{0,40}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert!(escaped_len(&text) + 2 >= json.len());
        }
    }
}
