//! Rules on whether there is an output at all.

use super::{Built, FilterSettings, Rule, is_python_space, rule_if};
use crate::task::Candidate;

#[derive(Debug)]
struct EmptyOutput;

impl Rule for EmptyOutput {
    fn check(&self, candidate: &Candidate) -> Option<String> {
        candidate.output.chars().all(is_python_space).then(String::new)
    }
}

#[derive(Debug)]
struct OutputEqualsInput;

impl Rule for OutputEqualsInput {
    fn check(&self, candidate: &Candidate) -> Option<String> {
        let [input, output] =
            [&candidate.input, &candidate.output].map(|text| text.trim_matches(is_python_space));
        (!input.is_empty() && input == output).then(String::new)
    }
}

/// The rule `empty_output`.
pub(super) fn empty_output(settings: &FilterSettings) -> Built {
    rule_if(settings.content, EmptyOutput)
}

/// The rule `output_equals_input`.
pub(super) fn output_equals_input(settings: &FilterSettings) -> Built {
    rule_if(settings.content, OutputEqualsInput)
}
