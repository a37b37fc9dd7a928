//! What instructions ask for: the verb of the first sentence and the head noun of its object, as in
//! figure 3 of Self-Instruct, found by rules instead of a parser.
//!
//! In the first sentence, a verb is looked for where an order can begin: at the start, behind a comma,
//! colon or semicolon, and behind phrases such as "your task is to". Polite words before it are
//! passed over. A word counts as a verb when it is in a closed list (`verbs.txt`). Its object is the
//! run of words behind it up to a preposition, a conjunction or a comma; articles, numbers and
//! "me" or "us" before it are passed over, and its last word is the noun, in the singular. A question
//! is counted by its question word. What fits none of this stays unclassified, and is counted too.

use std::collections::HashSet;
use std::sync::LazyLock;

type Words = LazyLock<HashSet<&'static str>>;

fn words(list: &'static str) -> HashSet<&'static str> {
    list.split_whitespace().collect()
}

/// The verbs that are known, in the form of an order.
static VERBS: Words = LazyLock::new(|| words(include_str!("verbs.txt")));

/// Words before a verb that ask for nothing themselves.
static POLITE: Words = LazyLock::new(|| {
    words(
        "please kindly now then just also carefully briefly first next can could would will you help \
         me us let's i want need to must should try finally quickly clearly correctly concisely \
         simply accurately creatively",
    )
});
/// Words before a "to" behind which an order comes.
static TO_BEFORE: Words =
    LazyLock::new(|| words("is you need asked required have task goal job want like"));
/// Parts of verbs, behind them.
static PARTICLES: Words = LazyLock::new(|| words("up out down off over back"));
/// Words between a verb and its object.
static BEFORE_NOUN: Words = LazyLock::new(|| {
    words(
        "a an the this that these those some any each every all both your my our their its his her me \
         us him them one two three four five six seven eight nine ten following given provided more \
         many few several another at least most only exactly short brief whether",
    )
});
/// Words with which the object is over.
static AFTER_NOUN: Words = LazyLock::new(|| {
    words(
        "of for in on about to from with by into between among using that which who whose where when \
         how why what if whether as at and or but so is are was were be can could should would will \
         than because based including containing describing explaining given without within through \
         over under after before during per like such against toward towards via not do does then has \
         have had below above onto until while called named related showing comparing your my our \
         their its the a an it you they we i according used found known associated needed required \
         made written spoken",
    )
});
/// Words that begin a question.
static QUESTIONS: Words = LazyLock::new(|| {
    words(
        "what how why which who whose where when is are does do did was were can could should would \
         will has have",
    )
});

/// An object is looked for this far behind its verb.
const OBJECT_WORDS: usize = 12;

/// How an instruction begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// With an order: a verb, and the head noun of its object where there is one.
    Order(String, Option<String>),
    /// With a question word.
    Question(String),
    /// Otherwise.
    Other,
}

/// How an instruction begins.
pub fn opening_of(instruction: &str) -> Opening {
    let words = first_sentence(instruction);
    let question = words.first().filter(|word| QUESTIONS.contains(word.text.as_str()));
    let polite_question = question.is_some() && words.get(1).is_some_and(|word| word.text == "you");
    if question.is_none() || polite_question {
        for start in starts(&words) {
            let polite = words.iter().skip(start).take_while(|w| POLITE.contains(w.text.as_str()));
            let at = start + polite.count();
            if let Some(verb) = words.get(at).filter(|word| VERBS.contains(word.text.as_str())) {
                let object = if verb.ends_clause { None } else { object_of(words.get(at + 1..)) };
                let up = verb.text == "come" && words.get(at + 1).is_some_and(|w| w.text == "up");
                let verb = if up { "come up with" } else { &verb.text };
                return Opening::Order(verb.to_owned(), object);
            }
        }
    }
    question.map_or(Opening::Other, |word| Opening::Question(word.text.clone()))
}

/// A word in lower case.
struct Word {
    text: String,
    /// Whether a comma or the like comes after it.
    ends_clause: bool,
}

/// The words of the first sentence, 60 at most.
fn first_sentence(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut inside = false;
    let mut characters = text.trim_start().chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_alphanumeric() || (inside && matches!(character, '\'' | '’' | '-')) {
            if !inside {
                words.push(Word { text: String::new(), ends_clause: false });
            }
            inside = true;
            if let Some(word) = words.last_mut() {
                let lower = character.to_lowercase().map(|c| if c == '’' { '\'' } else { c });
                word.text.extend(lower);
            }
            continue;
        }
        let ends = matches!(character, '!' | '?' | '\n' | '。')
            || (character == '.' && characters.peek().is_none_or(|c| c.is_whitespace()));
        if words.len() >= 60 || (ends && !words.is_empty()) {
            break;
        }
        inside = false;
        let silent = character.is_whitespace() || matches!(character, '"' | '“' | '”' | '`' | '*');
        if let Some(word) = words.last_mut().filter(|_| !silent) {
            word.ends_clause = true;
        }
    }
    words
}

/// Where an order can begin.
fn starts(words: &[Word]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().filter_map(|(index, _)| {
        let Some(before) = index.checked_sub(1).and_then(|before| words.get(before)) else {
            return Some(index);
        };
        let earlier = index.checked_sub(2).and_then(|earlier| words.get(earlier));
        let asked = before.text == "to"
            && earlier.is_some_and(|word| TO_BEFORE.contains(word.text.as_str()));
        (before.ends_clause || asked).then_some(index)
    })
}

/// The head noun of the words behind a verb.
fn object_of(words: Option<&[Word]>) -> Option<String> {
    let words = words?.iter().take(OBJECT_WORDS);
    let mut head: Option<&str> = None;
    let mut particle = false;
    for (index, word) in words.enumerate() {
        let text = word.text.as_str();
        let number = text.chars().all(|c| c.is_ascii_digit());
        let passed_over = head.is_none()
            && (BEFORE_NOUN.contains(text)
                || number
                || (index == 0 && PARTICLES.contains(text))
                || (particle && text == "with"));
        particle = index == 0 && PARTICLES.contains(text);
        if !passed_over {
            if AFTER_NOUN.contains(text) || number {
                break;
            }
            head = Some(text);
        }
        if word.ends_clause {
            break;
        }
    }
    head.map(singular)
}

/// A noun without the ending of the plural.
fn singular(noun: &str) -> String {
    let noun = noun.strip_suffix("'s").unwrap_or(noun);
    let keeps = ["ss", "us", "is", "news", "series", "species", "mathematics", "physics", "ics"];
    if noun.chars().count() < 4 || keeps.iter().any(|end| noun.ends_with(end)) {
        return noun.to_owned();
    }
    if let Some(stem) = noun.strip_suffix("ies") {
        return format!("{stem}y");
    }
    for end in ["sses", "xes", "ches", "shes"] {
        if noun.ends_with(end) {
            return noun.strip_suffix("es").unwrap_or(noun).to_owned();
        }
    }
    noun.strip_suffix('s').unwrap_or(noun).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(instruction: &str) -> String {
        match opening_of(instruction) {
            Opening::Order(verb, Some(object)) => format!("{verb} {object}"),
            Opening::Order(verb, None) => verb,
            Opening::Question(word) => format!("{word}?"),
            Opening::Other => "-".to_owned(),
        }
    }

    #[test]
    fn orders_are_found_with_their_objects() {
        for (instruction, expected) in [
            ("Write a short story about a crab.", "write story"),
            ("Write three haiku poems. Then rest.", "write poem"),
            ("Generate a list of 5 cities", "generate list"),
            ("Give me two examples of irony.", "give example"),
            ("Please explain the following sentence:", "explain sentence"),
            ("Given a list of numbers, find the largest number.", "find number"),
            ("In this task, you are asked to translate the text into French.", "translate text"),
            ("Your task is to come up with new product names.", "come up with name"),
            ("Could you help me plan a weekend trip to Rome?", "plan trip"),
            ("Describe how rainbows form.", "describe"),
            ("Summarize.", "summarize"),
            ("Rewrite this, keeping the meaning.", "rewrite"),
            ("Classify the animals' classes", "classify class"),
            ("Classify according to size", "classify"),
            ("“Edit” the paragraph…", "edit paragraph"),
        ] {
            assert_eq!(shown(instruction), expected, "{instruction}");
        }
    }

    #[test]
    fn questions_and_the_rest_are_told_apart() {
        for (instruction, expected) in [
            ("What is the capital of France?", "what?"),
            ("How do I write a letter?", "how?"),
            ("Is this a good idea?", "is?"),
            ("写一首诗", "-"),
            ("", "-"),
            ("...", "-"),
            ("The weather in Paris", "-"),
        ] {
            assert_eq!(shown(instruction), expected, "{instruction}");
        }
    }

    #[test]
    fn the_list_of_verbs_is_sorted_and_in_lower_case() {
        let verbs: Vec<&str> = include_str!("verbs.txt").split_whitespace().collect();
        assert!(verbs.is_sorted_by(|a, b| a < b), "sorted, each once");
        assert!(verbs.iter().all(|verb| verb.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }
}
