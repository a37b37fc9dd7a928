//! The names by which requests of a batch, and the batch itself, are known again.

use std::fmt;

/// Names a batch: the run and the batch's number in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tag {
    /// The run's own identity, in hexadecimal digits.
    pub run: String,
    /// The number of the batch in the run.
    pub batch: u64,
}

/// Names a request of a batch: `RUN-BATCH-ATTEMPT`, unique for ever.
///
/// Both APIs allow 64 characters; Anthropic letters, digits, `-` and `_` only
/// (<https://platform.claude.com/docs/en/api/messages/batches/create>).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CustomId {
    /// The batch.
    pub tag: Tag,
    /// The attempt.
    pub attempt: u64,
}

impl fmt::Display for CustomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.tag.run, self.tag.batch, self.attempt)
    }
}

impl CustomId {
    /// Reads a name that was made here. Another way to write its numbers, such as `007` or `+7`, is
    /// another name, which nobody here gave.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '-');
        let attempt = parts.next()?.parse().ok()?;
        let batch = parts.next()?.parse().ok()?;
        let tag = Tag { run: parts.next()?.to_owned(), batch };
        Some(Self { tag, attempt }).filter(|id| id.to_string() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_are_short_enough() {
        let tag = Tag { run: "0123456789abcdef".to_owned(), batch: u64::MAX };
        let id = CustomId { tag, attempt: u64::MAX };
        let text = id.to_string();
        assert!(text.len() <= 64, "{text}");
        assert_eq!(CustomId::parse(&text), Some(id));
        for other in ["", "1-2", "run-x-1", "run-1-", "run-1--1", "run-1-01", "run-+1-1"] {
            assert_eq!(CustomId::parse(other), None, "{other}");
        }
    }
}
