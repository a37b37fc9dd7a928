//! What the wire formats share when they write a request.

use std::borrow::Cow;

use serde::Serialize;

use crate::chat::{CompletionRequest, Prompt, Role};

use super::Quirks;

/// One turn of a conversation whose system messages are gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turn<'a> {
    pub(super) role: Role,
    pub(super) text: Cow<'a, str>,
}

/// The system messages of a prompt as one text, and the turns without them. Where the model takes
/// no system message, or nothing else is there, its text stands first in the user's turn.
pub(super) fn conversation(prompt: &Prompt, quirks: Quirks) -> (Option<String>, Vec<Turn<'_>>) {
    let messages = match prompt {
        Prompt::Text(text) => {
            return (None, vec![Turn { role: Role::User, text: Cow::Borrowed(text) }]);
        }
        Prompt::Messages(messages) => messages,
    };
    let is_system = |role| role == Role::System;
    let system: Vec<&str> =
        messages.iter().filter(|m| is_system(m.role)).map(|m| m.content.as_str()).collect();
    let system = (!system.is_empty()).then(|| system.join("\n\n"));
    let turns = messages.iter().filter(|m| !is_system(m.role));
    let mut turns: Vec<Turn<'_>> =
        turns.map(|m| Turn { role: m.role, text: Cow::Borrowed(m.content.as_str()) }).collect();
    match system {
        Some(system) if turns.is_empty() || !quirks.system_messages => {
            put_first(system, &mut turns);
            (None, turns)
        }
        system => (system, turns),
    }
}

/// Puts a text at the start of the first user turn.
fn put_first(text: String, turns: &mut Vec<Turn<'_>>) {
    match turns.first_mut() {
        Some(first) if first.role == Role::User => {
            first.text = Cow::Owned(format!("{text}\n\n{}", first.text));
        }
        _ => turns.insert(0, Turn { role: Role::User, text: Cow::Owned(text) }),
    }
}

/// The sampling parameters that are sent: temperature and nucleus mass.
///
/// JSON has no NaN or infinity: such a value is the same as none.
pub(super) fn sampling(request: &CompletionRequest, quirks: Quirks) -> (Option<f64>, Option<f64>) {
    let sent = |value: Option<f64>| value.filter(|v| quirks.sampling && v.is_finite());
    (sent(request.temperature), sent(request.top_p))
}

/// The JSON of a body. Its buffer has room for the prompt's escapes and the parameters from the
/// start, so that it is not copied while it grows.
pub(super) fn to_json(body: &impl Serialize, prompt: &Prompt) -> Vec<u8> {
    let text_bytes = match prompt {
        Prompt::Text(text) => text.len(),
        Prompt::Messages(messages) => messages.iter().map(|message| message.content.len()).sum(),
    };
    let mut json = Vec::with_capacity(text_bytes + text_bytes / 8 + 1_024);
    serde_json::to_writer(&mut json, body).expect("strings and numbers always serialize");
    json
}

/// A model's name as one segment of a path: everything but letters, digits and `-._~` is escaped.
pub(super) fn path_segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                segment.push(char::from(byte));
            }
            _ => {
                let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
                segment.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Message;

    fn prompt(turns: &[(Role, &str)]) -> Prompt {
        let message = |(role, content): &(Role, &str)| Message {
            role: *role,
            content: (*content).to_owned(),
        };
        Prompt::Messages(turns.iter().map(message).collect())
    }

    fn shown(prompt: &Prompt, system_messages: bool) -> String {
        let quirks = Quirks { system_messages, ..Quirks::default() };
        let (system, turns) = conversation(prompt, quirks);
        let turns: Vec<_> = turns.iter().map(|t| (t.role.as_str(), t.text.as_ref())).collect();
        format!("{system:?} {turns:?}")
    }

    #[test]
    fn system_messages_go_apart_or_into_the_first_user_turn() {
        let usual = prompt(&[(Role::System, "S"), (Role::User, "U"), (Role::Assistant, "A")]);
        assert_eq!(shown(&usual, true), r#"Some("S") [("user", "U"), ("assistant", "A")]"#);
        assert_eq!(shown(&usual, false), r#"None [("user", "S\n\nU"), ("assistant", "A")]"#);
        let alone = prompt(&[(Role::System, "S"), (Role::System, "T")]);
        assert_eq!(shown(&alone, true), r#"None [("user", "S\n\nT")]"#);
        let answered = prompt(&[(Role::System, "S"), (Role::Assistant, "A")]);
        assert_eq!(shown(&answered, false), r#"None [("user", "S"), ("assistant", "A")]"#);
        assert_eq!(shown(&Prompt::Text("T".to_owned()), false), r#"None [("user", "T")]"#);
    }

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(path_segment("gpt-4o_mini.v1~"), "gpt-4o_mini.v1~");
        assert_eq!(path_segment("a/../b?c#d e%é"), "a%2f..%2fb%3fc%23d%20e%25%c3%a9");
    }
}
