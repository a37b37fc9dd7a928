//! The rule on words for things that a text model cannot see or make.

use regex::Regex;

use super::{Built, FilterError, FilterSettings, Rule};
use crate::task::Candidate;

/// The original's list.
const KEYWORDS: [&str; 18] = [
    "image",
    "images",
    "graph",
    "graphs",
    "picture",
    "pictures",
    "file",
    "files",
    "map",
    "maps",
    "draw",
    "plot",
    "go to",
    "video",
    "audio",
    "music",
    "flowchart",
    "diagram",
];

/// What `\w` does not match in Python, whose class is letters, numbers and the underscore; the
/// regex crate's own has marks and more punctuation in it, so its `\b` would fall elsewhere.
const NO_WORD_CHARACTER: &str = r"[^\p{L}\p{N}_]";

#[derive(Debug)]
struct Keyword {
    /// Its one group that takes part in a match is the keyword.
    pattern: Regex,
}

impl Rule for Keyword {
    fn check(&self, candidate: &Candidate) -> Option<String> {
        let captures = self.pattern.captures(&candidate.instruction)?;
        captures.iter().skip(1).flatten().next().map(|keyword| keyword.as_str().to_owned())
    }
}

/// The rule `keyword`: whole words, in any case. Nothing when the list is empty.
pub(super) fn keyword(settings: &FilterSettings) -> Built {
    let keywords: Vec<&str> = match &settings.keywords {
        Some(own) => own.iter().map(|keyword| keyword.trim()).collect(),
        None => KEYWORDS.to_vec(),
    };
    if let Some(index) = keywords.iter().position(|keyword| keyword.is_empty()) {
        return Err(FilterError::BlankKeyword { position: index + 1 });
    }
    if keywords.is_empty() {
        return Ok(None);
    }
    let pattern = Regex::new(&pattern(&keywords))
        .map_err(|source| FilterError::KeywordsTooLarge { count: keywords.len(), source })?;
    Ok(Some(Box::new(Keyword { pattern })))
}

/// Finds any of the keywords.
///
/// Python's `\bword\b` asks for an edge between a word character and another, or the end of the
/// text. For a keyword that begins and ends with word characters that is the same as no word
/// character beside it, and this makes sense of others, such as `C++`, too. Chinese and Japanese
/// are written without spaces: a keyword in them is found anywhere.
fn pattern(keywords: &[&str]) -> String {
    let (anywhere, spaced): (Vec<&str>, Vec<&str>) =
        keywords.iter().partition(|keyword| keyword.chars().any(is_written_without_spaces));
    // An empty alternation would match everywhere.
    let mut choices = Vec::new();
    if !spaced.is_empty() {
        choices.push(format!(
            "(?:^|{NO_WORD_CHARACTER})({})(?:$|{NO_WORD_CHARACTER})",
            alternation(&spaced)
        ));
    }
    if !anywhere.is_empty() {
        choices.push(format!("({})", alternation(&anywhere)));
    }
    format!("(?i){}", choices.join("|"))
}

fn alternation(keywords: &[&str]) -> String {
    keywords.iter().map(|keyword| escape(keyword)).collect::<Vec<_>>().join("|")
}

/// The keyword taken literally. Python's `IGNORECASE` also takes the Turkish dotted and dotless
/// letters for an `i`; the regex crate's does not.
fn escape(keyword: &str) -> String {
    regex::escape(keyword).replace(['i', 'I'], "[iıİ]")
}

/// Han, Hiragana and Katakana.
fn is_written_without_spaces(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(keywords: Option<&[&str]>, instruction: &str) -> Option<String> {
        let keywords = keywords.map(|list| list.iter().map(|&k| k.to_owned()).collect());
        let settings = FilterSettings { keywords, ..FilterSettings::default() };
        let candidate = Candidate { instruction: instruction.to_owned(), ..Candidate::default() };
        keyword(&settings).unwrap().unwrap().check(&candidate)
    }

    // Each verdict is that of `re.search(r"\b(word)\b", text, re.IGNORECASE)` in CPython 3.11 with the
    // original's words.
    #[test]
    fn the_originals_list_matches_as_in_python() {
        for (text, expected) in [
            ("Describe the image below", Some("image")),
            ("IMAGE of a cat", Some("IMAGE")),
            ("an image-based approach", Some("image")),
            ("Compare the map's scales", Some("map")),
            ("go to the shop", Some("go to")),
            ("Go To", Some("Go To")),
            ("Name some music.", Some("music")),
            ("file", Some("file")),
            ("(file)", Some("file")),
            ("naïve file", Some("file")),
            ("看file吧 file", Some("file")),
            ("\u{212A}file file", Some("file")),
            ("a file\u{301} here", Some("file")),
            ("file\u{203F}name", Some("file")),
            ("ımage and mu\u{17F}ic", Some("ımage")),
            ("mu\u{17F}ic", Some("mu\u{17F}ic")),
            ("the file_name of it", None),
            ("imagery and imagine", None),
            ("several plots and diagrams", None),
            ("a drawing", None),
            ("go  to bed", None),
            ("go\nto bed", None),
            ("image2 and 2image", None),
            ("image²", None),
            ("看file吧", None),
            ("", None),
        ] {
            assert_eq!(found(None, text).as_deref(), expected, "{text:?}");
        }
        for keyword in KEYWORDS {
            assert_eq!(found(None, &format!("the {keyword}.")).as_deref(), Some(keyword));
        }
    }

    #[test]
    fn an_own_list_replaces_the_originals() {
        let own = ["C++", "stock price", " .NET ", "a.c"];
        for (text, expected) in [
            ("Draw an image", None),
            ("Sort a list in c++ please", Some("c++")),
            ("Use C++", Some("C++")),
            ("the Stock Price today", Some("Stock Price")),
            ("stock prices", None),
            ("port it to .NET", Some(".NET")),
            ("ASP.NET", None),
            ("abc", None),
            ("a.c", Some("a.c")),
        ] {
            assert_eq!(found(Some(&own), text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn chinese_keywords_need_no_spaces() {
        for keywords in [&["图片", "chart"][..], &["图片"]] {
            assert_eq!(found(Some(keywords), "请描述这张图片的内容").as_deref(), Some("图片"));
            assert_eq!(found(Some(keywords), "请描述这张图").as_deref(), None);
        }
    }

    #[test]
    fn lists_without_anything_to_look_for() {
        let build = |list: &[&str]| {
            let keywords = Some(list.iter().map(|&k| k.to_owned()).collect());
            keyword(&FilterSettings { keywords, ..FilterSettings::default() })
        };
        assert!(build(&[]).unwrap().is_none());
        let error = build(&["image", " "]).unwrap_err();
        assert_eq!(error.to_string(), "keyword 2 is blank");
    }
}
