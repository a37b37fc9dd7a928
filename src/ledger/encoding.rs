//! OpenAI's public vocabularies: how many tokens a text has for a model.

use std::fmt;

/// A vocabulary that its maker has published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Of GPT-4o and later models.
    O200kBase,
    /// Of GPT-4 and GPT-3.5 Turbo, and of the base models that are still served.
    Cl100kBase,
}

/// Which encoding a model has: its name is one of the first column, or begins with it and a hyphen.
///
/// Not a guess from names but what `OpenAI` publishes: the tables of `tiktoken/model.py`, version
/// 0.14.0 (<https://github.com/openai/tiktoken>), without what is no longer served.
const MODELS: [(&str, Encoding); 12] = [
    ("o1", Encoding::O200kBase),
    ("o3", Encoding::O200kBase),
    ("o4-mini", Encoding::O200kBase),
    ("gpt-5", Encoding::O200kBase),
    ("gpt-4.5", Encoding::O200kBase),
    ("gpt-4.1", Encoding::O200kBase),
    ("gpt-4o", Encoding::O200kBase),
    ("chatgpt-4o", Encoding::O200kBase),
    ("gpt-4", Encoding::Cl100kBase),
    ("gpt-3.5-turbo", Encoding::Cl100kBase),
    ("davinci-002", Encoding::Cl100kBase),
    ("babbage-002", Encoding::Cl100kBase),
];

impl Encoding {
    /// Every encoding, the newest first.
    pub const ALL: [Self; 2] = [Self::O200kBase, Self::Cl100kBase];

    /// Whether this build can count: the vocabularies come with the cargo feature `tokenizer`.
    pub const IS_BUILT_IN: bool = cfg!(feature = "tokenizer");

    /// The name that tiktoken gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::O200kBase => "o200k_base",
            Self::Cl100kBase => "cl100k_base",
        }
    }

    /// The encoding with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.name() == name)
    }

    /// The encoding of a model that `OpenAI` serves, by its name there, where that is published. A
    /// model that was fine-tuned, `ft:gpt-4o-mini-2024-07-18:me::id`, has that of its base.
    pub fn of_model(model: &str) -> Option<Self> {
        let tuned = model.strip_prefix("ft:").and_then(|rest| rest.split(':').next());
        let base = tuned.unwrap_or(model);
        // tiktoken has `gpt-5` as a prefix without a hyphen, for `gpt-5.1` and its kind.
        let is_of = |name: &str| match base.strip_prefix(name) {
            Some("") => true,
            Some(rest) => rest.starts_with('-') || (name == "gpt-5" && rest.starts_with('.')),
            None => false,
        };
        MODELS.into_iter().find(|(name, _)| is_of(name)).map(|(_, encoding)| encoding)
    }

    /// The tokens of a text, special ones read as plain text; `None` in a build without vocabularies.
    ///
    /// The first call of a session unpacks the vocabulary, which takes a tenth of a second.
    #[cfg_attr(
        not(feature = "tokenizer"),
        expect(unused_variables, reason = "there is nothing to count with")
    )]
    pub fn count(self, text: &str) -> Option<u64> {
        #[cfg(feature = "tokenizer")]
        {
            let tokenizer = match self {
                Self::O200kBase => bpe_openai::o200k_base(),
                Self::Cl100kBase => bpe_openai::cl100k_base(),
            };
            Some(u64::try_from(tokenizer.count(text)).unwrap_or(u64::MAX))
        }
        #[cfg(not(feature = "tokenizer"))]
        None
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_have_the_encoding_that_is_published() {
        let (new, old) = (Some(Encoding::O200kBase), Some(Encoding::Cl100kBase));
        for (model, encoding) in [
            ("gpt-4o", new),
            ("gpt-4o-mini-2024-07-18", new),
            ("gpt-4.1-nano", new),
            ("gpt-5.1-mini", new),
            ("o3-pro", new),
            ("gpt-4", old),
            ("gpt-4-turbo", old),
            ("gpt-3.5-turbo-instruct", old),
            ("davinci-002", old),
            ("ft:gpt-4o-mini-2024-07-18:me::id", new),
            // tiktoken's own prefixes would make it cl100k_base.
            ("ft:gpt-4.1-2025-04-14:me::id", new),
            ("ft:davinci-002:me::id", old),
            // Nothing is published of these, however much they sound like it.
            ("gpt-50", None),
            ("gpt-4oo", None),
            ("o1x", None),
            ("openai/gpt-4o", None),
            ("claude-haiku-4-5", None),
            ("text-davinci-003", None),
            ("", None),
        ] {
            assert_eq!(Encoding::of_model(model), encoding, "{model}");
        }
    }

    #[test]
    fn names_lead_back() {
        for encoding in Encoding::ALL {
            assert_eq!(Encoding::by_name(encoding.name()), Some(encoding));
        }
        assert_eq!(Encoding::by_name("p50k_base"), None);
    }

    /// The first counts stand in `OpenAI`'s cookbook, on its page about tiktoken.
    #[cfg(feature = "tokenizer")]
    #[test]
    fn counts_as_published() {
        for (text, new, old) in [
            ("", 0, 0),
            ("antidisestablishmentarianism", 6, 6),
            ("2 + 2 = 4", 7, 7),
            ("お誕生日おめでとう", 8, 9),
            // As plain text, since that is what it is in a message: as a special token it would be 1.
            ("<|endoftext|>", 7, 7),
        ] {
            assert_eq!(Encoding::O200kBase.count(text), Some(new), "{text:?}");
            assert_eq!(Encoding::Cl100kBase.count(text), Some(old), "{text:?}");
        }
    }
}
