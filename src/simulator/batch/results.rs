//! Results of a batch: what became of each request.

use serde_json::{Value, json};

/// What became of one request.
#[derive(Debug, Clone)]
pub(super) enum Turn {
    /// Answered, with the answer's body.
    Answered(Value),
    /// Refused, with the status and the body of the refusal.
    Refused(u16, Value),
    /// Answered, and the line of it is broken.
    Broken(Value),
    /// Nothing is said of it.
    Silent,
    Expired,
    Cancelled,
}

/// Results of a batch.
#[derive(Debug, Clone, Default)]
pub(super) struct Results {
    turns: Vec<(String, Turn)>,
}

/// How many requests ended in one way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) answered: usize,
    pub(super) refused: usize,
    pub(super) expired: usize,
    pub(super) cancelled: usize,
}

impl Results {
    pub(super) fn add(&mut self, custom_id: &str, turn: Turn) {
        self.turns.push((custom_id.to_owned(), turn));
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, turn) in &self.turns {
            *match turn {
                Turn::Answered(_) | Turn::Broken(_) | Turn::Silent => &mut counts.answered,
                Turn::Refused(..) => &mut counts.refused,
                Turn::Expired => &mut counts.expired,
                Turn::Cancelled => &mut counts.cancelled,
            } += 1;
        }
        counts
    }

    /// The lines that `line` makes of what became of the requests.
    pub(super) fn lines(&self, line: impl Fn(&str, &Turn) -> Option<Value>) -> Vec<String> {
        let whole = |(id, turn): &(String, Turn)| {
            let text = line(id, turn)?.to_string();
            match turn {
                // Not a character of JSON is missing but the last ones.
                Turn::Broken(_) => Some(text.chars().take(text.len() / 2).collect()),
                _ => Some(text),
            }
        };
        self.turns.iter().filter_map(whole).collect()
    }
}

/// A file of lines, shuffled and with lines that do not belong there when it is to be odd.
pub(super) fn file(mut lines: Vec<String>, is_odd: bool, foreign: &Value) -> Vec<u8> {
    if is_odd {
        lines.reverse();
        let repeated: Vec<String> = lines.iter().step_by(3).cloned().collect();
        lines.extend(repeated);
        lines.insert(lines.len() / 2, "{\"custom_id\":".to_owned());
        lines.insert(0, foreign.to_string());
        lines.push(json!({"hello": "world"}).to_string());
        lines.push(String::new());
    }
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text.into_bytes()
}
