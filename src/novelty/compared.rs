//! Which text of a task is compared.

use std::borrow::Cow;

use crate::task::Candidate;

/// The part of a task that must be novel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compared {
    /// The instruction alone, as in Self-Instruct and Alpaca.
    #[default]
    Instruction,
    /// The instruction and the input: the same instruction on other inputs is novel.
    InstructionAndInput,
    /// Instruction, input and output.
    All,
}

impl Compared {
    /// Every choice, with its name on the command line and in configuration.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("instruction", Self::Instruction),
        ("instruction+input", Self::InstructionAndInput),
        ("all", Self::All),
    ];

    /// The choice of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, compared)| *compared)
    }

    /// The text of a task that is compared; empty parts are left out.
    pub fn text(self, task: &Candidate) -> Cow<'_, str> {
        let Candidate { instruction, input, output } = task;
        let further: &[&str] = match self {
            Self::Instruction => &[],
            Self::InstructionAndInput => &[input],
            Self::All => &[input, output],
        };
        let further = further.iter().filter(|text| !text.is_empty());
        further.fold(Cow::Borrowed(instruction), |text, more| Cow::Owned(format!("{text}\n{more}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_takes_its_parts() {
        let task = |input: &str| Candidate {
            instruction: "do".to_owned(),
            input: input.to_owned(),
            output: "done".to_owned(),
        };
        let texts =
            |input| Compared::NAMES.map(|(_, compared)| compared.text(&task(input)).into_owned());
        assert_eq!(texts("this"), ["do", "do\nthis", "do\nthis\ndone"]);
        assert_eq!(texts(""), ["do", "do", "do\ndone"]);
        assert_eq!(Compared::by_name("all"), Some(Compared::All));
        assert_eq!(Compared::by_name("output"), None);
    }
}
