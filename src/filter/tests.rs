//! The rules together: their order, their settings, and that they take any text.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

fn candidate(instruction: &str, input: &str, output: &str) -> Candidate {
    Candidate {
        instruction: instruction.to_owned(),
        input: input.to_owned(),
        output: output.to_owned(),
    }
}

fn chain(settings: &FilterSettings) -> FilterChain {
    FilterChain::new(settings).unwrap()
}

/// The rule that rejects an instruction whose input and output are in order.
fn rule(chain: &FilterChain, instruction: &str) -> Option<&'static str> {
    chain.check(&candidate(instruction, "", "An answer.")).err().map(|rejection| rejection.rule)
}

fn disabled(names: &[&str]) -> FilterSettings {
    let disabled = names.iter().map(|&name| name.to_owned()).collect();
    FilterSettings { disabled, ..FilterSettings::default() }
}

#[test]
fn all_rules_apply_by_default_in_the_order_of_the_list() {
    let rules = chain(&FilterSettings::default()).rules();
    assert_eq!(rules, FILTERS.iter().map(|filter| filter.name).collect::<Vec<_>>());
    insta::assert_snapshot!(rules.join(" "), @"too_short too_long keyword write_a_program starts_with_punctuation starts_with_non_ascii empty_output output_equals_input refusal placeholder");
}

#[test]
fn instructions_are_judged_as_in_the_original() {
    let words = |count: usize| vec!["word"; count].join(" ");
    let chain = chain(&FilterSettings::default());
    for (instruction, expected) in [
        ("", Some("too_short")),
        ("one two three", Some("too_short")),
        ("one two three four", None),
        (&words(150), None),
        (&words(151), Some("too_long")),
        ("Describe this picture in detail", Some("keyword")),
        ("Write a program that sorts numbers", Some("write_a_program")),
        ("Write a programme for the theatre", Some("write_a_program")),
        ("Write a Python program that sorts", None),
        ("write a program that sorts numbers", None),
        ("Please Write a program that sorts", None),
        ("_emphasis_ on these four words", Some("starts_with_punctuation")),
        ("$5 is how much money", Some("starts_with_punctuation")),
        ("\"Quote\" this sentence for me", Some("starts_with_punctuation")),
        ("¿Cómo se dice esto aquí?", Some("starts_with_non_ascii")),
        ("Élan is a French word", Some("starts_with_non_ascii")),
        ("Cómo se dice esto aquí?", None),
        ("\u{1}odd but in the original fine", None),
        (" a leading space is fine", None),
        ("3 is the number of what?", None),
    ] {
        assert_eq!(rule(&chain, instruction), expected, "{instruction:?}");
    }
}

#[test]
fn the_32_characters_of_ascii_punctuation() {
    let all: String = ('\0'..='\u{7F}').filter(char::is_ascii_punctuation).collect();
    assert_eq!(all, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
    let chain = chain(&FilterSettings::default());
    for first in all.chars() {
        let instruction = format!("{first} one two three");
        assert_eq!(rule(&chain, &instruction), Some("starts_with_punctuation"));
    }
}

#[test]
fn earlier_rules_win() {
    let cases = [
        ("\"file\"", "too_short"),
        ("\"Open the file\" he said", "keyword"),
        ("Write a program that plays music", "keyword"),
    ];
    let chain = chain(&FilterSettings::default());
    for (instruction, expected) in cases {
        assert_eq!(rule(&chain, instruction), Some(expected));
    }
    let check = |input, output| {
        chain.check(&candidate("Say it once more", input, output)).map_err(|r| (r.stage, r.rule))
    };
    assert_eq!(check("", " \n\u{1F}"), Err((Stage::Filter, "empty_output")));
    assert_eq!(check(" same\n", "same "), Err((Stage::Filter, "output_equals_input")));
    assert_eq!(check("...", "..."), Err((Stage::Filter, "output_equals_input")));
    assert_eq!(check("same", "Same"), Ok(()));
    assert_eq!(
        check("", "I'm sorry, but I can't help with that. [Your Name]"),
        Err((Stage::Filter, "refusal")),
    );
    assert_eq!(check("", "Yours, [Your Name]"), Err((Stage::Filter, "placeholder")));
}

#[test]
fn details_say_what_met_the_rule() {
    let chain = chain(&FilterSettings::default());
    let details: Vec<String> = [
        "",
        "Hello",
        &vec!["word"; 151].join(" "),
        "Describe this Picture in detail",
        "Write a program in C",
        "_emphasis_ on these words",
        "Élan is a word",
    ]
    .iter()
    .map(|instruction| chain.check(&candidate(instruction, "", "An answer.")).unwrap_err())
    .map(|rejection| format!("{}: {}", rejection.rule, rejection.detail))
    .collect();
    insta::assert_snapshot!(details.join("\n"), @"
    too_short: 0 words, the minimum is 4
    too_short: 1 word, the minimum is 4
    too_long: 151 words, the maximum is 150
    keyword: Picture
    write_a_program: Write a program
    starts_with_punctuation: _
    starts_with_non_ascii: É (U+00C9)
    ");
}

#[test]
fn rules_are_switched_off_by_name() {
    for filter in FILTERS {
        let rules = chain(&disabled(&[filter.name])).rules();
        assert_eq!(rules.len(), FILTERS.len() - 1);
        assert!(!rules.contains(&filter.name));
    }
    assert_eq!(rule(&chain(&disabled(&["too_short"])), ""), None);
    assert_eq!(rule(&chain(&disabled(&["keyword"])), "Describe this picture in detail"), None);
    let original = FilterSettings { content: false, ..FilterSettings::default() };
    let chain = chain(&original);
    assert_eq!(chain.rules().len(), 6);
    assert_eq!(chain.check(&candidate("Say nothing at all", "", "")), Ok(()));
}

#[test]
fn unicode_settings_take_chinese() {
    let unicode = chain(&FilterSettings { unicode: true, ..FilterSettings::default() });
    assert_eq!(rule(&unicode, "给出三个保持健康的提示。"), None);
    assert_eq!(rule(&unicode, "写首诗"), Some("too_short"));
    assert_eq!(rule(&unicode, &"字".repeat(151)), Some("too_long"));
    assert_eq!(rule(&chain(&FilterSettings::default()), "给出三个提示"), Some("too_short"));
    assert!(!unicode.rules().contains(&"starts_with_non_ascii"));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let message = |settings: &FilterSettings| FilterChain::new(settings).unwrap_err().to_string();
    let limits = FilterSettings { min_words: 10, max_words: 5, ..FilterSettings::default() };
    let keywords = Some(vec!["image".to_owned(), String::new()]);
    let blank = FilterSettings { keywords, ..FilterSettings::default() };
    let keywords = Some(vec!["k".repeat(200_000)]);
    let long = FilterSettings { keywords, ..FilterSettings::default() };
    let messages = [
        message(&disabled(&["too_short", "keywords"])),
        message(&disabled(&["start_with_punctuation"])),
        message(&disabled(&["xyz"])),
        message(&limits),
        message(&blank),
        message(&long),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    there is no filter `keywords`; did you mean `keyword`?
    there is no filter `start_with_punctuation`; did you mean `starts_with_punctuation`?
    there is no filter `xyz`; the filters are too_short, too_long, keyword, write_a_program, starts_with_punctuation, starts_with_non_ascii, empty_output, output_equals_input, refusal, placeholder
    min_words (10) is above max_words (5): every instruction would be rejected
    keyword 2 is blank
    the keywords (1) are too many or too long to search for
    ");
}

/// Chains without limits on length, so that every rule sees every text: with words as in the
/// original and as in Unicode.
static WITHOUT_LIMITS: LazyLock<[FilterChain; 2]> = LazyLock::new(|| {
    let names = ["too_short", "too_long", "starts_with_non_ascii", "empty_output"];
    [false, true].map(|unicode| chain(&FilterSettings { unicode, ..disabled(&names) }))
});

proptest! {
    #[test]
    fn any_text_is_judged(
        instruction in "\\PC{0,40}|(?s:.{0,40})", input in ".{0,20}", output in "(?s:.{0,300})",
    ) {
        for chain in &*WITHOUT_LIMITS {
            if let Err(rejection) = chain.check(&candidate(&instruction, &input, &output)) {
                prop_assert!(chain.rules().contains(&rejection.rule));
            }
        }
    }

    #[test]
    fn word_limits_hold(count in 0_usize..200, min in 0_usize..100, extra in 0_usize..100) {
        let settings = FilterSettings {
            min_words: min,
            max_words: min + extra,
            keywords: Some(Vec::new()),
            ..FilterSettings::default()
        };
        let expected = if count < min {
            Some("too_short")
        } else if count > min + extra {
            Some("too_long")
        } else {
            None
        };
        prop_assert_eq!(rule(&chain(&settings), &vec!["word"; count].join(" ")), expected);
    }
}
