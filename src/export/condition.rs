//! Conditions that a task must meet to be exported: `nearest_score < 0.5`.

use std::cmp::Ordering;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::task::AcceptedTask;
use crate::usd::Usd;

/// A comparison of one field of a task with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: String,
    field: &'static Field,
    operator: Operator,
    value: Value,
}

/// Why a text is no condition. Each message says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// It has no operator.
    #[error(
        "`{text}` is no condition: write FIELD OP VALUE, as in \"output_chars >= 20\"; OP is one of = != < <= > >= ~ !~"
    )]
    NoOperator {
        /// The condition.
        text: String,
    },
    /// A field that tasks do not have.
    #[error("`{name}` is no field: there are {}", names())]
    UnknownField {
        /// The name.
        name: String,
    },
    /// An operator that has no meaning for the field.
    #[error("`{operator}` cannot be asked of {field}: use {instead}")]
    WrongOperator {
        /// The operator.
        operator: &'static str,
        /// The field.
        field: &'static str,
        /// Those that can.
        instead: &'static str,
    },
    /// A value of another kind than the field.
    #[error("`{value}` cannot be compared with {field}, which is {expected}")]
    WrongValue {
        /// The value.
        value: String,
        /// The field.
        field: &'static str,
        /// What the field is.
        expected: &'static str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Contains,
    Lacks,
}

/// Longer ones first: `<=` is not `<`.
const OPERATORS: [(&str, Operator); 9] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("!=", Operator::NotEqual),
    ("!~", Operator::Lacks),
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("~", Operator::Contains),
];

impl Operator {
    fn is_of_texts(self) -> bool {
        matches!(self, Self::Contains | Self::Lacks)
    }

    fn is_of_order(self) -> bool {
        matches!(self, Self::Less | Self::AtMost | Self::Greater | Self::AtLeast)
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Contains | Self::Lacks => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Count(u64),
    Score(f64),
    Money(Usd),
    /// Milliseconds since the Unix epoch.
    Time(i64),
}

/// How a field is taken out of a task.
#[derive(Debug, Clone, Copy)]
enum Getter {
    Text(fn(&AcceptedTask) -> &str),
    Count(fn(&AcceptedTask) -> u64),
    Score(fn(&AcceptedTask) -> Option<f64>),
    Money(fn(&AcceptedTask) -> Usd),
    Time(fn(&AcceptedTask) -> i64),
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    get: Getter,
}

/// There is one of each name.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

fn chars(text: &str) -> u64 {
    text.chars().count() as u64
}

static FIELDS: &[Field] = &[
    Field { name: "instruction", get: Getter::Text(|task| &task.task.instruction) },
    Field { name: "input", get: Getter::Text(|task| &task.task.input) },
    Field { name: "output", get: Getter::Text(|task| &task.task.output) },
    Field { name: "instruction_chars", get: Getter::Count(|task| chars(&task.task.instruction)) },
    Field { name: "input_chars", get: Getter::Count(|task| chars(&task.task.input)) },
    Field { name: "output_chars", get: Getter::Count(|task| chars(&task.task.output)) },
    Field { name: "id", get: Getter::Count(|task| task.id) },
    Field { name: "request", get: Getter::Count(|task| task.provenance.request_index) },
    Field { name: "response", get: Getter::Count(|task| task.provenance.response_seq) },
    Field { name: "item", get: Getter::Count(|task| task.provenance.item_index.into()) },
    Field { name: "cost_usd", get: Getter::Money(|task| task.provenance.cost_share) },
    Field { name: "received_at", get: Getter::Time(|task| task.provenance.received_at_ms) },
    Field {
        name: "nearest_score",
        get: Getter::Score(|task| task.provenance.nearest.map(|(_, score)| score)),
    },
];

/// The fields, for messages and help.
pub(super) fn names() -> String {
    FIELDS.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")
}

impl Condition {
    /// Reads `FIELD OP VALUE`, with or without spaces between them. Quotation marks around the
    /// value are left out.
    ///
    /// # Errors
    /// [`ConditionError`]
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        let no_operator = || ConditionError::NoOperator { text: text.to_owned() };
        let at = text.find(['<', '>', '!', '=', '~']).ok_or_else(no_operator)?;
        let (name, rest) = text.split_at_checked(at).ok_or_else(no_operator)?;
        let (symbol, operator, value) = OPERATORS
            .iter()
            .find_map(|(symbol, op)| Some((*symbol, *op, rest.strip_prefix(symbol)?)))
            .ok_or_else(no_operator)?;
        let name = name.trim();
        let field = FIELDS.iter().find(|field| field.name == name);
        let field = field.ok_or_else(|| ConditionError::UnknownField { name: name.to_owned() })?;
        field.check(symbol, operator)?;
        let value = field.value(unquoted(value.trim()))?;
        Ok(Self { text: text.trim().to_owned(), field, operator, value })
    }

    /// The field that it asks for.
    pub fn field(&self) -> &'static str {
        self.field.name
    }

    /// Whether a task meets it. A task without a value in the field meets none.
    pub fn holds(&self, task: &AcceptedTask) -> bool {
        let order = match (self.field.get, &self.value) {
            (Getter::Text(get), Value::Text(value)) => match self.operator {
                Operator::Contains => return get(task).contains(value.as_str()),
                Operator::Lacks => return !get(task).contains(value.as_str()),
                _ => Some(get(task).cmp(value)),
            },
            (Getter::Count(get), Value::Count(value)) => Some(get(task).cmp(value)),
            (Getter::Money(get), Value::Money(value)) => Some(get(task).cmp(value)),
            (Getter::Time(get), Value::Time(value)) => Some(get(task).cmp(value)),
            (Getter::Score(get), Value::Score(value)) => {
                get(task).and_then(|score| score.partial_cmp(value))
            }
            _ => None,
        };
        order.is_some_and(|order| self.operator.holds(order))
    }
}

/// As it was written.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Field {
    fn check(&self, operator: &'static str, meaning: Operator) -> Result<(), ConditionError> {
        let is_text = matches!(self.get, Getter::Text(_));
        let instead = match (is_text, meaning) {
            (true, meaning) if meaning.is_of_order() => "=, !=, ~ (contains) or !~",
            (false, meaning) if meaning.is_of_texts() => "=, !=, <, <=, > or >=",
            _ => return Ok(()),
        };
        Err(ConditionError::WrongOperator { operator, field: self.name, instead })
    }

    fn value(&self, text: &str) -> Result<Value, ConditionError> {
        let (value, expected) = match self.get {
            Getter::Text(_) => (Some(Value::Text(text.to_owned())), "a text"),
            Getter::Count(_) => (text.parse().ok().map(Value::Count), "a whole number"),
            Getter::Money(_) => (text.parse().ok().map(Value::Money), "an amount in USD"),
            Getter::Score(_) => {
                let score = text.parse().ok().filter(|score: &f64| score.is_finite());
                (score.map(Value::Score), "a number from 0 to 1")
            }
            Getter::Time(_) => {
                (time(text).map(Value::Time), "a time such as 2026-11-24 or 2026-11-24T15:00:00Z")
            }
        };
        let wrong = || {
            let value = text.to_owned();
            ConditionError::WrongValue { value, field: self.name, expected }
        };
        value.ok_or_else(wrong)
    }
}

/// A time in RFC 3339, or the first moment of a day in UTC.
fn time(text: &str) -> Option<i64> {
    let instant: Option<Timestamp> = text.parse().ok();
    let midnight = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    let instant = instant.or_else(|| midnight().map(|zoned| zoned.timestamp()))?;
    Some(instant.as_millisecond())
}

fn unquoted(text: &str) -> &str {
    let within = |mark| text.strip_prefix(mark)?.strip_suffix(mark);
    within('"').or_else(|| within('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Candidate, Provenance, TaskRef};

    fn task() -> AcceptedTask {
        AcceptedTask {
            id: 7,
            task: Candidate {
                instruction: "Name a fruit = food.".to_owned(),
                input: String::new(),
                output: "语言".to_owned(),
            },
            provenance: Provenance {
                cost_share: "0.0002".parse().unwrap(),
                received_at_ms: 1_700_000_000_000,
                nearest: Some((TaskRef::Seed(1), 0.5)),
                ..Provenance::default()
            },
            similarity: None,
        }
    }

    #[test]
    fn compares_each_kind_of_field() {
        for (text, holds) in [
            ("id = 7", true),
            ("id==7", true),
            ("id != 7", false),
            ("id<=7", true),
            ("id < 7", false),
            ("output_chars >= 2", true),
            ("output_chars > 2", false),
            ("input =", true),
            ("input != ''", false),
            ("instruction ~ fruit = food", true),
            ("instruction !~ \"fruit\"", false),
            ("cost_usd < 0.0003", true),
            ("cost_usd <= 0.0001", false),
            ("received_at >= 2023-11-14", true),
            ("received_at < 2023-11-14T22:13:20Z", false),
            ("nearest_score < 0.6", true),
            ("nearest_score > 0.5", false),
        ] {
            assert_eq!(Condition::parse(text).unwrap().holds(&task()), holds, "{text}");
        }
        let mut unknown = task();
        unknown.provenance.nearest = None;
        for text in ["nearest_score < 1", "nearest_score >= 0", "nearest_score != 0.5"] {
            assert!(!Condition::parse(text).unwrap().holds(&unknown), "{text}");
        }
    }

    #[test]
    fn refusals_say_what_to_write() {
        let refusals = [
            "output_chars 20",
            "length > 3",
            "output > a",
            "id ~ 7",
            "id < -1",
            "nearest_score < NaN",
            "received_at > yesterday",
            "cost_usd > much",
            "",
        ]
        .map(|text| Condition::parse(text).unwrap_err().to_string());
        insta::assert_snapshot!(refusals.join("\n"), @r#"
        `output_chars 20` is no condition: write FIELD OP VALUE, as in "output_chars >= 20"; OP is one of = != < <= > >= ~ !~
        `length` is no field: there are instruction, input, output, instruction_chars, input_chars, output_chars, id, request, response, item, cost_usd, received_at, nearest_score
        `>` cannot be asked of output: use =, !=, ~ (contains) or !~
        `~` cannot be asked of id: use =, !=, <, <=, > or >=
        `-1` cannot be compared with id, which is a whole number
        `NaN` cannot be compared with nearest_score, which is a number from 0 to 1
        `yesterday` cannot be compared with received_at, which is a time such as 2026-11-24 or 2026-11-24T15:00:00Z
        `much` cannot be compared with cost_usd, which is an amount in USD
        `` is no condition: write FIELD OP VALUE, as in "output_chars >= 20"; OP is one of = != < <= > >= ~ !~
        "#);
    }
}
