//! Completions, read by every template and by the reader of outputs that are bought apart.

use instructmill::chat::{Completion, FinishReason};
use instructmill::template::{Item, TEMPLATES, outputs};

use super::{choose, lossy, split};

const FINISHES: [FinishReason; 4] =
    [FinishReason::Stop, FinishReason::Length, FinishReason::ContentFilter, FinishReason::Missing];
/// Items read from one answer, and one that says that there are more.
const MAX_ITEMS: usize = 1001;
/// The most characters of a text in question.
const MAX_SAMPLE_CHARS: usize = 500;

/// The first byte says how the completion ended, the second how much was shown or asked for.
pub fn check(bytes: &[u8]) {
    let ([finish, count], text) = split(bytes);
    let finish_reason = choose(&FINISHES, finish).clone();
    let completion = Completion { text: lossy(text).into_owned(), finish_reason, usage: None };
    let count = usize::from(count % 8);
    let without_outputs = TEMPLATES.iter().filter_map(|template| template.instructions());
    for template in TEMPLATES.iter().copied().chain(without_outputs) {
        let items = template.parse(&completion, count);
        let is_alpaca = template.name() == "alpaca";
        assert!(is_alpaca || !items.is_empty(), "an answer without items");
        assert!(items.len() <= MAX_ITEMS, "{} items", items.len());
        check_items(&items, &completion.text, is_alpaca);
    }
    let items = outputs::parse(&completion, count + 1);
    assert_eq!(items.len(), count + 1, "an item for each output");
    // In outputs an instruction is nobody's business.
    check_items(&items, &completion.text, true);
}

fn check_items(items: &[Item], text: &str, any_instruction: bool) {
    let mut kept = 0;
    for item in items {
        match item {
            Item::Candidate(task) => {
                let fields = [&task.instruction, &task.input, &task.output];
                kept += fields.iter().map(|field| field.len()).sum::<usize>();
                assert!(any_instruction || !task.instruction.is_empty(), "no instruction");
                let is_clean = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
                let all_clean = fields.iter().all(|field| field.chars().all(is_clean));
                assert!(any_instruction || all_clean, "control characters: {task:?}");
            }
            Item::Defect { rule, sample } => {
                assert!(
                    !rule.is_empty() && rule.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                );
                assert!(sample.chars().count() <= MAX_SAMPLE_CHARS, "a sample of everything");
            }
        }
    }
    // A control character is six as an escape; nothing else grows as much.
    assert!(kept <= 6 * text.len() + 64, "{kept} bytes out of {}", text.len());
}
