//! Making a request: in-context examples, prompt, sampling parameters.

use crate::chat::CompletionRequest;
use crate::config::RequestConfig;
use crate::pool::{Pool, sample_examples};
use crate::task::TaskRef;
use crate::template::TaskText;

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
    let texts: Vec<TaskText<'_>> = examples
        .iter()
        .filter_map(|task| pool.get(*task))
        .map(|e| TaskText { instruction: e.instruction, input: e.input, output: e.output })
        .collect();
    let rendered = config.template.render(&texts, config.tasks_per_request);
    let request = CompletionRequest {
        model: model.to_owned(),
        prompt: rendered.prompt,
        max_output_tokens: config.max_output_tokens,
        temperature: Some(config.temperature),
        top_p: Some(config.top_p),
        stop: rendered.stop,
        response_schema: rendered.response_schema,
        reasoning_effort: config.reasoning_effort,
    };
    (examples, request)
}
