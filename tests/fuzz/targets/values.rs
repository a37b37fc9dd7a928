//! Short texts that mean something: conditions of `--where`, money, similarities, names of tasks.

use std::fmt::Display;
use std::str::FromStr;

use instructmill::export::Condition;
use instructmill::novelty::Combination;
use instructmill::task::{AcceptedTask, Candidate, OpenTask, Provenance, TaskRef};
use instructmill::usd::{Usd, UsdError};

use super::{lossy, split};

/// The first byte chooses what the rest is read as.
pub fn check(bytes: &[u8]) {
    let ([kind], text) = split(bytes);
    let text = lossy(text);
    match kind % 4 {
        0 => condition(&text),
        1 => money(&text),
        2 => combination(&text),
        _ => {
            reads_back::<TaskRef>(&text);
            reads_back::<OpenTask>(&text);
        }
    }
}

fn task() -> AcceptedTask {
    AcceptedTask {
        id: 7,
        task: Candidate {
            instruction: "Name a fruit.".to_owned(),
            input: String::new(),
            output: "语言".to_owned(),
        },
        provenance: Provenance {
            cost_share: Usd::from_pico(200_000_000),
            received_at_ms: 1_700_000_000_000,
            nearest: Some((TaskRef::Seed(1), 0.5)),
            ..Provenance::default()
        },
        similarity: None,
    }
}

/// Written as it was read; and of opposites just one holds.
fn condition(text: &str) {
    let Ok(condition) = Condition::parse(text) else { return };
    assert_eq!(Condition::parse(&condition.to_string()).as_ref(), Ok(&condition));
    let text = condition.to_string();
    let at = text.find(['<', '>', '!', '=', '~']).expect("a condition has an operator");
    let (field, rest) = text.split_at(at);
    let operators = ["<=", ">=", "!=", "!~", "==", "=", "<", ">", "~"];
    let found = operators.iter().find_map(|it| Some((*it, rest.strip_prefix(it)?)));
    let (operator, value) = found.expect("a condition has an operator");
    let opposite = match operator {
        "<" => ">=",
        ">=" => "<",
        ">" => "<=",
        "<=" => ">",
        "=" | "==" => "!=",
        "!=" => "==",
        "~" => "!~",
        _ => "~",
    };
    let opposite = format!("{field}{opposite}{value}");
    let opposite = Condition::parse(&opposite).expect("the same with another operator");
    assert_ne!(condition.holds(&task()), opposite.holds(&task()), "{condition}, {opposite}");
}

/// As long division by hand gives it.
fn money(text: &str) {
    let read = text.parse::<Usd>();
    if let Ok(amount) = &read {
        assert_eq!(amount.to_string().parse().as_ref(), Ok(amount), "not what was written");
        assert!(amount.display(2).starts_with('$'));
    }
    let plain = text.trim();
    let (mantissa, exponent) = plain.split_once(['e', 'E']).unwrap_or((plain, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let Ok(exponent) = exponent.parse::<i32>() else { return };
    if !is_number || exponent.abs() > 100 || text.len() > 200 {
        return;
    }
    // The digits, with a point that is moved by the exponent and twelve places, which makes it pico.
    let point = i64::try_from(whole.len()).expect("short") + i64::from(exponent) + 12;
    let digit = |place: i64| {
        let digit = usize::try_from(place).ok().and_then(|place| digits.as_bytes().get(place));
        u128::from(digit.map_or(0, |digit| digit - b'0'))
    };
    let first = digits.bytes().position(|byte| byte != b'0');
    let first = i64::try_from(first.unwrap_or(digits.len())).expect("short");
    let exact = if point - first > 30 {
        u128::MAX
    } else {
        (first..point).fold(0, |number, place| number * 10 + digit(place))
    };
    let end = i64::try_from(digits.len()).expect("short");
    let is_rest = (point.max(0)..end).any(|place| digit(place) != 0);
    let expected = exact.saturating_add(u128::from(is_rest));
    match u64::try_from(expected) {
        _ if first == end => assert_eq!(read, Ok(Usd::ZERO), "{text}"),
        Ok(pico) => assert_eq!(read, Ok(Usd::from_pico(pico)), "{text}"),
        Err(_) => assert!(matches!(read, Err(UsdError::TooLarge(_))), "{text}: {read:?}"),
    }
}

fn combination(text: &str) {
    let Ok(combination) = Combination::parse(text, None) else { return };
    let parts = combination.parts();
    assert!(!parts.is_empty() && parts.iter().all(|part| (0.0..=1.0).contains(&part.threshold)));
    let written = combination.to_text();
    let again = Combination::parse(&written, None).expect("it was written here");
    assert_eq!(again.to_text(), written);
}

fn reads_back<T: FromStr + Display + PartialEq>(text: &str) {
    let Ok(read) = text.parse::<T>() else { return };
    assert!(read.to_string().parse().is_ok_and(|again: T| again == read), "{read}");
}
