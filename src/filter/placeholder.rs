//! The rule on outputs that leave something to be filled in.

use std::sync::LazyLock;

use regex::Regex;

use super::{Built, FilterSettings, Rule, is_python_space, rule_if};
use crate::task::Candidate;

/// Outputs that are nothing but a placeholder.
const WHOLE_OUTPUTS: [&str; 5] = ["...", "…", "……", "TODO", "<noinput>"];

/// `[insert ...]`, `[Your Name]`, `[Company Name]`, `[Date]`; in full-width brackets as well.
/// Neither an index (`names[name]`) nor a Markdown link (`[name](url)`).
const IN_BRACKETS: &str = concat!(
    r"(?:^|[^\w\])])(\[(?:",
    r"(?:insert|enter|fill in|your|name of|recipient|sender)\b[^\[\]\n]{0,80}",
    r"|(?:[^\[\]\n]{0,30}\b)?name|(?:today's |current )?date|(?:street |email |mailing )?address",
    r"|phone(?: number)?|email|company|position|job title|city(?:, ?state)?(?:, ?zip(?: code)?)?",
    r"|amount)\])(?:[^(]|$)",
);
const IN_CHINESE_BRACKETS: &str = concat!(
    r"([\[【［](?:[您你]的|请?(?:填写|填入|输入|插入)|(?:公司|收件人|客户)?(?:姓名|名称|名字)|日期)",
    r"[^\]】］\n]{0,30}[\]】］])",
);

/// `{{name}}`, not `x^{{n}}`.
const IN_BRACES: &str = r#"(?:^|[\s(,:"'>])(\{\{\s*[a-z][\w .-]{1,40}\}\})"#;

/// `<your name here>`, not a tag with attributes.
const IN_ANGLES: &str = r#"(<(?:your|insert|enter) [^<>\n="/]{1,60}>)"#;

/// `TODO:`, `[TODO]`, `// TODO`; alone it is also the Spanish word for "all".
const TODO: &str = r"((?-i:\bTODO:|[\[(]TODO\b|(?://|#|\*) ?TODO\b))";

const LOREM_IPSUM: &str = r"\b(lorem ipsum)\b";

static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    let shapes =
        [IN_BRACKETS, IN_CHINESE_BRACKETS, IN_BRACES, IN_ANGLES, TODO, LOREM_IPSUM].join("|");
    Regex::new(&format!("(?i){shapes}")).expect("the pattern is constant and tested")
});

/// What an instruction or input says when placeholders belong in the output.
static ASKED_FOR: LazyLock<Regex> = LazyLock::new(|| {
    let words = concat!(
        r"(?i)\b(?:templates?|placeholders?|fill[- ]in|blanks?|boilerplate|form letters?",
        r"|brackets?|mad libs?|handlebars|jinja2?|mustache|to-?do)\b|模板|模版|占位|范本|填空",
    );
    Regex::new(words).expect("the pattern is constant and tested")
});

#[derive(Debug)]
struct Placeholder;

impl Rule for Placeholder {
    fn check(&self, candidate: &Candidate) -> Option<String> {
        let output = candidate.output.trim_matches(is_python_space);
        if WHOLE_OUTPUTS.contains(&output) {
            return Some(output.to_owned());
        }
        // Most outputs end here, so it comes before what excuses a placeholder.
        if !PATTERN.is_match(output) {
            return None;
        }
        let given = [&candidate.instruction, &candidate.input];
        // In code, brackets and braces have meanings of their own.
        if output.contains("```") || given.iter().any(|text| ASKED_FOR.is_match(text)) {
            return None;
        }
        let given = given.map(|text| text.to_lowercase());
        let is_left_over = |found: &&str| {
            let found = found.to_lowercase();
            !given.iter().any(|text| text.contains(&found))
        };
        PATTERN
            .captures_iter(output)
            .filter_map(|captures| captures.iter().skip(1).flatten().next())
            .map(|shape| shape.as_str())
            .find(is_left_over)
            .map(str::to_owned)
    }
}

/// The rule `placeholder`.
pub(super) fn placeholder(settings: &FilterSettings) -> Built {
    rule_if(settings.content, Placeholder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(instruction: &str, input: &str, output: &str) -> Option<String> {
        Placeholder.check(&Candidate {
            instruction: instruction.to_owned(),
            input: input.to_owned(),
            output: output.to_owned(),
        })
    }

    #[test]
    fn placeholders_are_found() {
        for (output, expected) in [
            (" ...\n", "..."),
            ("…", "…"),
            ("TODO", "TODO"),
            ("<noinput>", "<noinput>"),
            ("Dear [Recipient's Name],\nThank you.", "[Recipient's Name]"),
            ("Dear Ann,\nThank you.\n[Your Name]", "[Your Name]"),
            ("Yours, [name]", "[name]"),
            ("[Insert a joke about cats here]", "[Insert a joke about cats here]"),
            ("I work at **[Company Name]**.", "[Company Name]"),
            ("Paris, [Date]", "[Date]"),
            ("The bill is [amount].", "[amount]"),
            ("Hello {{name}}!", "{{name}}"),
            ("Hello {{ first_name }}!", "{{ first_name }}"),
            ("Sign: <your name here>", "<your name here>"),
            ("Send it to <insert email>", "<insert email>"),
            ("TODO: write the rest", "TODO:"),
            ("The answer is [TODO]", "[TODO"),
            ("// TODO implement", "// TODO"),
            ("Lorem ipsum dolor sit amet", "Lorem ipsum"),
            ("尊敬的[您的姓名]：", "[您的姓名]"),
            ("此致，【姓名】", "【姓名】"),
        ] {
            assert_eq!(met("Write a thank-you letter", "", output).as_deref(), Some(expected));
        }
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for output in [
            "",
            "Wait for it ... and done.",
            "arr[i] and names[name] and get()[date]",
            "x = data[\"your name\"]['name']",
            "See [your name](https://example.com) and [Wikipedia](https://example.com).",
            "Citations [1] and [citation needed] stay.",
            "The interval [0, 1] and the list [1, 2, 3].",
            "[Verse 1] La la la [Chorus]",
            "x^{{n}} and \\frac{{a}}{{b}} and {{}}",
            "if a < your_limit and b > 3",
            "<input name=\"enter\"> <b>bold</b> <insert into=\"t\">",
            "TODO ES POSIBLE",
            "Mail me at someone@example.com",
            "```python\n# TODO: later\nprint('{{name}} [Your Name]')\n```",
            "她的名字是小明【注】",
        ] {
            assert_eq!(met("Write something", "", output), None, "{output}");
        }
    }

    #[test]
    fn what_was_asked_for_or_given_is_no_leftover() {
        let letter = "Dear [Name],\n[Your Name]";
        for instruction in [
            "Write an email template for a refund",
            "Draft a letter with placeholders for the names",
            "Write a fill-in-the-blank letter",
            "写一个请假条模板",
        ] {
            assert_eq!(met(instruction, "", letter), None, "{instruction}");
        }
        assert_eq!(met("Make this friendlier", "Hi [name], from [YOUR NAME]", letter), None);
        let rest = met("Make this friendlier", "Hi [name]", letter);
        assert_eq!(rest.as_deref(), Some("[Your Name]"));
        assert_eq!(met("Where does lorem ipsum come from?", "", "Lorem ipsum is Latin."), None);
        // Nothing excuses an output that is a placeholder altogether.
        assert_eq!(met("Write a template", "", "...").as_deref(), Some("..."));
    }
}
