//! Gives back the LaTeX commands whose backslash JSON took for the start of an escape.
//!
//! A model that forgets to double the backslash of `\times` writes a tab and `imes`, which is valid
//! JSON. What is put back must be certain, for a line end or tab before a word is common:
//!
//! - a backspace or form feed before a letter, as in `\beta` and `\frac`: nobody means these;
//! - a tab, line end or carriage return before what is left of a command in [`CERTAIN`], where that
//!   is no word by itself and no letter follows;
//! - `\neq` between spaces;
//! - inside a formula, the commands of [`IN_FORMULAS`] too. A formula is at most 200 bytes between
//!   `$` and `$`, `\(` and `\)` or `\[` and `\]`, touches no space at its ends, and each of its
//!   tabs and line ends begins a command; so `$5\nu owe $3` is none.

use std::borrow::Cow;

/// Commands of which JSON leaves no word, nor a name that programs use. Some need their brace.
const CERTAIN: &[&str] = &[
    "text{",
    "textbf{",
    "textit{",
    "textrm{",
    "texttt{",
    "textstyle",
    "tfrac{",
    "theta",
    "therefore",
    "tilde",
    "times",
    "triangle",
    "nabla",
    "newcommand",
    "newline",
    "noindent",
    "nonumber",
    "notin",
    "rangle",
    "rho",
    "right",
    "rightarrow",
];
/// Commands that need a formula around them.
const IN_FORMULAS: &[&str] = &[
    "tag",
    "tan",
    "tanh",
    "tau",
    "tbinom",
    "tfrac",
    "to",
    "top",
    "ne",
    "neq",
    "nexists",
    "ngeq",
    "ni",
    "nleq",
    "nmid",
    "not",
    "nparallel",
    "nsubseteq",
    "nu",
    "rVert",
    "rceil",
    "rfloor",
    "rm",
    "root",
];
/// What begins and ends a formula.
const DELIMITERS: [(&str, &str); 3] = [("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")];
/// The most bytes of a formula.
const MAX_FORMULA: usize = 200;

/// The text with its commands.
pub(super) fn restore_commands(text: &str) -> Cow<'_, str> {
    // Most texts have nothing that could be one.
    if !text.bytes().any(|byte| letter_of(byte.into()).is_some()) {
        return text.into();
    }
    let mut restored = String::new();
    let mut formula_ends = 0;
    let mut copied = 0;
    for (at, c) in text.char_indices() {
        if matches!(c, '$' | '\\') && at >= formula_ends {
            formula_ends = at + formula_len(text.get(at..).unwrap_or_default());
        }
        let Some(letter) = letter_of(c) else { continue };
        if is_command(text, at, at < formula_ends) {
            restored.push_str(text.get(copied..at).unwrap_or_default());
            restored.extend(['\\', letter]);
            copied = at + c.len_utf8();
        }
    }
    if copied == 0 {
        return text.into();
    }
    restored.push_str(text.get(copied..).unwrap_or_default());
    restored.into()
}

/// Whether the control character at `at` is what JSON made of a command's beginning.
fn is_command(text: &str, at: usize, in_formula: bool) -> bool {
    let (before, rest) = text.split_at_checked(at).unwrap_or_default();
    begins(CERTAIN, rest)
        || in_formula && begins(IN_FORMULAS, rest)
        || rest.starts_with("\neq ") && before.ends_with(' ')
        || begins_odd_escape(rest)
}

/// The letter that makes this control character in JSON.
fn letter_of(control: char) -> Option<char> {
    match control {
        '\u{8}' => Some('b'),
        '\u{c}' => Some('f'),
        '\n' => Some('n'),
        '\r' => Some('r'),
        '\t' => Some('t'),
        _ => None,
    }
}

/// Whether a backspace or form feed comes first, and then a letter.
fn begins_odd_escape(rest: &str) -> bool {
    let after = rest.strip_prefix(['\u{8}', '\u{c}']);
    after.is_some_and(|after| after.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// Whether what JSON leaves of a command with one of these names comes first.
fn begins(names: &[&str], rest: &str) -> bool {
    let mut chars = rest.chars();
    let Some(letter) = chars.next().and_then(letter_of) else { return false };
    names.iter().any(|name| {
        let tail = name.strip_prefix(letter);
        let after = tail.and_then(|tail| chars.as_str().strip_prefix(tail));
        let ends = |after: &str| {
            name.ends_with('{') || !after.starts_with(|c: char| c.is_ascii_alphabetic())
        };
        after.is_some_and(ends)
    })
}

/// Bytes of the formula that begins `rest`, with its marks; 0 when none does.
fn formula_len(rest: &str) -> usize {
    let lengths = DELIMITERS.iter().filter_map(|(begin, end)| {
        let formula = rest.strip_prefix(begin)?;
        let window = formula.as_bytes().get(..MAX_FORMULA).unwrap_or(formula.as_bytes());
        let length = window.windows(end.len()).position(|at| at == end.as_bytes())?;
        let (formula, after) = (formula.get(..length)?, formula.get(length + end.len()..)?);
        is_formula(formula, after).then_some(begin.len() + length + end.len())
    });
    lengths.max().unwrap_or_default()
}

fn is_formula(formula: &str, after: &str) -> bool {
    let mut controls = formula.char_indices().filter(|(_, c)| matches!(c, '\n' | '\r' | '\t'));
    let is_command = |(at, _)| {
        let rest = formula.get(at..).unwrap_or_default();
        begins(CERTAIN, rest) || begins(IN_FORMULAS, rest)
    };
    !formula.is_empty()
        && !formula.starts_with(' ')
        && !formula.ends_with(char::is_whitespace)
        && !after.starts_with(|c: char| c.is_ascii_digit())
        && controls.all(is_command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_back() {
        let cases = [
            ("\u{c}rac{1}{2} \u{8}eta", r"\frac{1}{2} \beta"),
            (
                "2 \times\theta \nabla f \right) \text{if} \rho_1",
                r"2 \times\theta \nabla f \right) \text{if} \rho_1",
            ),
            ("$a \neq b$, $\nu$ and $x\to 0$", r"$a \neq b$, $\nu$ and $x\to 0$"),
            ("if x \neq 0", r"if x \neq 0"),
            ("\\(\tan x\\) \\[a\ne b\\] $$\tau$$", r"\(\tan x\) \[a\ne b\] $$\tau$$"),
        ];
        for (text, expected) in cases {
            assert_eq!(restore_commands(text), expected);
        }
    }

    #[test]
    fn line_ends_and_tabs_before_words_stay() {
        let texts = [
            "x\ttext\timestamp\nnot\rright",
            "import sympy\neq = sympy.Eq(x, 5)\neq1 = 2",
            "$5\nu owe $3",
            "$5\tan apple\t$6",
            "$$\ne = mc^2\n$$",
            "\\[\nu = v\n\\]",
            "a) $x$\nu$y",
            "a\nb\nc\nd\ne\nf\n\nnew\nto\n\ttan\n\tfrac := 2",
            "\u{c} \u{8}",
            "See:\n- \\(a\\)\nni \\(b\\)",
        ];
        for text in texts {
            assert_eq!(restore_commands(text), text);
        }
    }
}
