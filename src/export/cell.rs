//! The value of one column in one row.

use std::borrow::Cow;

use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use super::row::ProvenanceRow;
use crate::chat::Role;

/// A value, before a format gives it its bytes.
pub(super) enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    Integer(u64),
    Number(f64),
    Turns(Turns<'a>),
    Instances(Instances<'a>),
    /// Texts with their scores.
    Scores(&'a [(String, f64)]),
    Provenance(ProvenanceRow<'a>),
}

impl<'a> Cell<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_u64(*number),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Turns(turns) => turns.serialize(serializer),
            Self::Instances(instances) => [instances].serialize(serializer),
            Self::Scores(scores) => {
                serializer.collect_map(scores.iter().map(|(text, score)| (text, score)))
            }
            Self::Provenance(provenance) => provenance.serialize(serializer),
        }
    }
}

/// A conversation of one question and one answer.
pub(super) struct Turns<'a> {
    pub(super) keys: &'static TurnKeys,
    pub(super) system: Option<&'a str>,
    pub(super) question: Cow<'a, str>,
    pub(super) answer: &'a str,
}

/// What the parts of a turn are called.
pub(super) struct TurnKeys {
    role: &'static str,
    text: &'static str,
    system: &'static str,
    user: &'static str,
    assistant: &'static str,
}

impl Turns<'_> {
    pub(super) const OPENAI: TurnKeys = TurnKeys {
        role: "role",
        text: "content",
        system: Role::System.as_str(),
        user: Role::User.as_str(),
        assistant: Role::Assistant.as_str(),
    };
    pub(super) const SHAREGPT: TurnKeys =
        TurnKeys { role: "from", text: "value", system: "system", user: "human", assistant: "gpt" };
}

impl Serialize for Turns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keys = self.keys;
        let mut turns = serializer.serialize_seq(Some(2 + usize::from(self.system.is_some())))?;
        if let Some(text) = self.system {
            turns.serialize_element(&Turn { keys, role: keys.system, text })?;
        }
        turns.serialize_element(&Turn { keys, role: keys.user, text: &self.question })?;
        turns.serialize_element(&Turn { keys, role: keys.assistant, text: self.answer })?;
        turns.end()
    }
}

struct Turn<'a> {
    keys: &'static TurnKeys,
    role: &'static str,
    text: &'a str,
}

impl Serialize for Turn<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut turn = serializer.serialize_map(Some(2))?;
        turn.serialize_entry(self.keys.role, self.role)?;
        turn.serialize_entry(self.keys.text, self.text)?;
        turn.end()
    }
}

/// One element of Self-Instruct's `instances`.
#[derive(Serialize)]
pub(super) struct Instances<'a> {
    pub(super) input: &'a str,
    pub(super) output: &'a str,
}
