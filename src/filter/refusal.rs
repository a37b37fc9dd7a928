//! The rule on outputs that decline the task.

use std::sync::LazyLock;

use regex::Regex;

use super::{Built, FilterSettings, Rule, rule_if};
use crate::task::Candidate;

/// How far into an output a sentence may begin that counts as its opening, in characters.
const OPENING_CHARS: usize = 200;

/// How much of a refusal a verdict quotes, in characters.
const QUOTE_CHARS: usize = 80;

/// Where a sentence begins. A quotation mark is none of these, so that a character in a story may
/// refuse what it likes.
const SENTENCE_START: &str = r"(?:^[*_>\s]*|[.!?]\s+|[。！？]\s*|\n\s*)";

/// "As an AI language model, I ...": nobody else begins so.
const LANGUAGE_MODEL: &str = concat!(
    r"as an? (?:large )?(?:ai |artificial intelligence )?(?:large )?language model\b",
    r"[^.!?\n]{0,80}?\b(?:i|my|me|it(?:'s| is) (?:not|im\w+))\b",
);

/// "As an AI, I don't ...": an AI may also say what it does, so something must be lacking.
const AI: &str = concat!(
    r"as an (?:ai|artificial intelligence)(?: (?:model|assistant|chatbot|system|program))?",
    r"(?: (?:developed|created|trained|made|built|designed) by [^.!?,\n]{1,40})?,? i\b",
    r"[^.!?\n]{0,60}?(?:n't|\b(?:not|cannot|unable|never|lack|no))\b",
);

/// "I am only an AI and cannot ...".
const I_AM_AI: &str = concat!(
    r"i(?:'m| am) (?:just |only |merely )?an? (?:large )?",
    r"(?:ai|artificial intelligence|language model)(?: language)?(?: model| assistant| chatbot)?",
    r"(?:[,;]| and| so)[^.!?\n]{0,60}?(?:n't|\b(?:not|cannot|unable))\b",
);

/// "I must decline to answer".
const DECLINE: &str = concat!(
    r"i (?:must|have to|need to|will have to) (?:respectfully |politely )?decline ",
    r"(?:to (?:answer|provide|fulfil+|assist|help|respond|generate|create|write)",
    r"|(?:this|that|your) request)\b",
);

/// "I don't have personal opinions".
const LACK: &str = concat!(
    r"i (?:do not|don't) have (?:personal (?:opinions|experiences|feelings|preferences|beliefs)",
    r"|access to (?:the internet|real-time|external)",
    r"|the (?:ability|capability) to (?:access|browse|view|see|hear|feel|generate|provide))\b",
);

/// "I cannot", "I'm unable to", "I won't be able to".
const I_CANNOT: &str = concat!(
    r"i(?: (?:cannot|can't|can not|could not|couldn't|won't|will not|do not have|don't have)",
    r"|(?: am|'m) (?:unable|not able) to)(?: be able to)?",
);

/// "I'm sorry, but", "I apologize for the confusion, but as an AI,".
const APOLOGY: &str = concat!(
    r"(?:(?:i(?:'m| am) )?(?:very |so |really |truly |deeply )?sorry|i apologi[sz]e",
    r"|(?:my )?apologies|unfortunately)(?: for (?:the|any) [^,.\n]{1,30})?[,.;]? ",
    r"(?:but )?(?:as an? [^,.\n]{1,40}, )?",
);

/// What only a model that declines a task apologizes for. "I'm sorry, but I can't come" is a
/// letter.
const AFTER_AN_APOLOGY: [&str; 11] = [
    r"(?:fulfil+|comply|provide|engage|participate in|continue with|do (?:that|this|so))\b",
    r"assist (?:you )?(?:with|in)\b",
    r"help (?:you )?with (?:that|this|your)\b",
    r"(?:answer|respond to) (?:that|this|your)\b",
    r"(?:complete|process|perform|execute) (?:that|this|the|your|any)\b",
    r"(?:generate|create|write|produce|translate|make) (?:that|this|the|such|any|content|an?)\b",
    r"(?:access|see|view|open|display|browse|play|watch|listen to) (?:the |any |your |that |this |an? )?(?:images?|pictures?|photos?|files?|attachments?|links?|urls?|audio|videos?|documents?|external|internet|web|websites?)\b",
    r"access to\b",
    r"personal (?:opinions|experiences|feelings|preferences|beliefs)\b",
    r"the (?:ability|capability)\b",
    r"enough (?:information|context)\b",
];

/// What is said of requests alone, even without an apology.
const WITHOUT_AN_APOLOGY: [&str; 6] = [
    r"fulfil+ (?:that|this|the|your|such)\b",
    r"(?:comply|assist|assist you) with (?:that|this|your|such)\b",
    r"help (?:you )?with (?:that|this|your) (?:request|task|question)\b",
    r"(?:provide|create|generate|write|produce|engage in) (?:content that|information (?:that|on how|about how)|instructions (?:that|on how|for)|harmful|illegal|explicit|hateful|discriminatory)\b",
    r"answer (?:that|this|your) question\b",
    r"complete (?:that|this|your) (?:request|task)\b",
];

/// The same in Chinese: speaking as a language model, being sorry to be unable, being unable.
const CHINESE: [&str; 3] = [
    concat!(
        r"作为(?:一个|一名|一位|一种|一款)?\s*(?:大型|基于)?\s*(?:AI|人工智能|语言模型)(?:的)?\s*(?:大?语言)?",
        r"(?:模型|助手|助理|程序|系统|机器人)?[，,]?\s*(?:我|本模型|无法|不能|没有|很?抱歉|对不起)",
    ),
    concat!(
        r"我?(?:非常|很|十分|深感)?(?:抱歉|对不起|遗憾)[，,。！!]?\s*(?:但是?|不过)?(?:作为[^，,。]{1,15}[，,]?\s*)?",
        r"(?:我|本模型)?(?:无法|不能|没有办法|没办法)(?:为[您你])?",
        r"(?:提供|回答|帮助|帮[你您]|完成|满足|协助|生成|执行|访问|处理|理解|查看|打开|创作|编写|翻译|做出|给出)",
    ),
    r"我(?:无法|不能)(?:提供|回答|满足|协助|完成|生成|访问)(?:您|你|这|该|此|任何|相关|有关)",
];

/// Every phrase above has one of these. Few outputs do, and fixed words are found many times faster.
const WORDS: &str = concat!(
    r"(?i)language\s+model|\sai|artificial\s+intelligence|cannot|can.t|can\s+not|could\s+not",
    r"|couldn.t|won.t|will\s+not|do\s+not\s+have|don.t\s+have|unable|not\s+able|decline",
    "|作为|无法|不能|没有办法|没办法",
);

static WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(WORDS).expect("the pattern is constant and tested"));

/// Group 1 is the phrase.
static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    let sorry = format!("{APOLOGY}{I_CANNOT} (?:{})", AFTER_AN_APOLOGY.join("|"));
    let cannot = format!("{I_CANNOT} (?:{})", WITHOUT_AN_APOLOGY.join("|"));
    let phrases: Vec<&str> = [LANGUAGE_MODEL, AI, I_AM_AI, &sorry, &cannot, DECLINE, LACK]
        .into_iter()
        .chain(CHINESE)
        .collect();
    Regex::new(&format!("(?i){SENTENCE_START}({})", phrases.join("|")))
        .expect("the pattern is constant and tested")
});

#[derive(Debug)]
struct Refusal;

impl Rule for Refusal {
    fn check(&self, candidate: &Candidate) -> Option<String> {
        let opening = opening(&candidate.output);
        if !WORD.is_match(opening) {
            return None;
        }
        let opening = plain(opening);
        let phrase = PATTERN.captures(&opening)?.get(1)?.as_str();
        Some(phrase.chars().take(QUOTE_CHARS).collect())
    }
}

/// The beginning of an output.
fn opening(output: &str) -> &str {
    let output = output.trim_start();
    let end = output.char_indices().nth(OPENING_CHARS).map_or(output.len(), |(at, _)| at);
    output.get(..end).unwrap_or(output)
}

/// The text with its apostrophes made alike and runs of spaces made one.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut after_space = true;
    for c in text.chars() {
        let c = match c {
            '\u{2019}' | '\u{2018}' | '\u{2BC}' | '\u{FF07}' | '`' | '\u{B4}' => '\'',
            '\n' => '\n',
            c if c.is_whitespace() => ' ',
            c => c,
        };
        if c != ' ' || !after_space {
            plain.push(c);
        }
        after_space = c == ' ';
    }
    plain
}

/// The rule `refusal`.
pub(super) fn refusal(settings: &FilterSettings) -> Built {
    rule_if(settings.content, Refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(output: &str) -> Option<String> {
        Refusal.check(&Candidate { output: output.to_owned(), ..Candidate::default() })
    }

    #[test]
    fn refusals_are_found() {
        for output in [
            "As an AI language model, I don't have personal preferences, but blue is popular.",
            "as an ai language model I cannot browse the web",
            "As an AI language model developed by a company, I can't say.",
            "As an AI language model, it is not possible to see this.",
            "As a large language model, my knowledge ends in 2021.",
            "  \n**As an AI language model, I must warn you**",
            "Thank you for asking! As an AI language model, I have no body.",
            "As an AI, I don't have feelings.",
            "As an AI assistant, I am unable to taste food.",
            "As an artificial intelligence, I have never been to Rome.",
            "I am just an AI and cannot feel pain.",
            "I'm sorry, but I can't help with that.",
            "I’m sorry, but I can’t assist with that request.",
            "I am sorry, but I cannot provide medical advice.",
            "I'm sorry, I cannot fulfill this request.",
            "Sorry, but I can't generate such content.",
            "I apologize, but I am unable to view images.",
            "I'm sorry for the confusion, but as an AI, I cannot see pictures.",
            "Unfortunately, I don't have access to current data.",
            "Unfortunately, I do not have enough information to answer.",
            "I'm  sorry,\u{A0}but I\u{2BC}m unable to complete this task.",
            "I cannot fulfil your request.",
            "I can't assist with that.",
            "I cannot create content that is harmful.",
            "I won't be able to help you with this request.",
            "I must decline to answer that question.",
            "I don't have personal opinions.",
            "作为一个人工智能，我没有感情。",
            "作为一个人工智能语言模型，我无法体验情感。",
            "作为AI语言模型，我不能提供医疗建议。",
            "作为一名AI助手，我没有个人喜好。",
            "作为语言模型，无法回答。",
            "很抱歉，我无法提供实时天气信息。",
            "对不起，我不能回答这个问题。",
            "您好。抱歉，无法完成该请求。",
            "我无法满足您的要求。",
        ] {
            assert!(met(output).is_some(), "{output}");
        }
    }

    #[test]
    fn answers_are_left_alone() {
        let late = format!("{} As an AI language model, I can't.", "A long answer. ".repeat(20));
        for output in [
            "",
            "An AI language model predicts the next token.",
            "A model may say: as an AI language model, I cannot feel.",
            "\"As an AI language model, I cannot feel,\" said the robot.",
            "Chatbots often begin with \"I'm sorry, but I can't help with that.\"",
            "As an AI engineer, I built models that did not fail.",
            "As an AI assistant, I can help you plan a trip.",
            "As an airline, we cannot refund tickets.",
            "I'm sorry, but I can't come to the party on Saturday.",
            "I am sorry for the late reply. I cannot wait to see you!",
            "Unfortunately, I missed the bus.",
            "Sorry, I don't have time today.",
            "I cannot access my account since Monday. Please help.",
            "I can't help falling in love.",
            "I have to decline your kind invitation.",
            "I don't have personal experience with Rust, but I learn fast.",
            "作为一个人工智能工程师，他每天写代码。",
            "人工智能是计算机科学的一个分支。",
            "对不起，我不能参加聚会。",
            "抱歉让你久等了。",
            &late,
        ] {
            assert_eq!(met(output), None, "{output}");
        }
    }

    #[test]
    fn the_detail_quotes_the_phrase() {
        let detail = met("Hello! I’m sorry, but I can’t help with that. Ask another.");
        assert_eq!(detail.as_deref(), Some("I'm sorry, but I can't help with that"));
        let detail = met(&format!("As an AI language model{}, I", " a".repeat(38)));
        assert_eq!(detail.map(|detail| detail.chars().count()), Some(QUOTE_CHARS));
    }
}
