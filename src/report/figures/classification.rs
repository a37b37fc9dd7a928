//! Tasks whose answer is one of a few labels, told by their words.

/// Phrases of instructions that ask for a label. Compared in lower case.
const ASKS: &[&str] = &[
    "classif",
    "categoriz",
    "categoris",
    "which category",
    "what category",
    "true or false",
    "yes or no",
    "positive or negative",
    "positive, negative",
    "spam or",
    "sentiment",
    "label the",
    "label each",
    "multiple choice",
    "multiple-choice",
    "choose the correct",
    "select the correct",
    "choose the best",
    "determine whether",
    "determine if",
    "decide whether",
    "decide if",
    "tell whether",
    "tell me if",
    "identify whether",
    "identify if",
    "judge whether",
    "answer with yes",
    "fact or opinion",
    "分类",
    "归类",
    "判断",
    "是否",
    "真还是假",
    "情感",
];

/// A label is at most so many words.
const LABEL_WORDS: u64 = 5;

/// Whether a task asks for one of a few labels: its instruction has a phrase that does, and its
/// output is as short as a label. A rule of thumb: a label asked for in other words is overlooked.
pub fn asks_for_a_label(instruction: &str, output: &str) -> bool {
    let words = super::word_count(output);
    if words == 0 || words > LABEL_WORDS {
        return false;
    }
    let instruction = instruction.to_lowercase();
    ASKS.iter().any(|phrase| instruction.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_the_question_and_a_short_answer() {
        assert!(asks_for_a_label("Classify the animal.", "Mammal"));
        assert!(asks_for_a_label("Is it spam or not?", "spam"));
        assert!(asks_for_a_label("判断这句话的情感", "积极"));
        assert!(!asks_for_a_label(
            "Classify the animal and say why.",
            "It is a mammal, because it"
        ));
        assert!(!asks_for_a_label("Name an animal.", "Mammal"));
        assert!(!asks_for_a_label("Classify the animal.", " "));
    }
}
