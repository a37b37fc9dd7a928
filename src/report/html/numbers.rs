//! Numbers of the page.

use std::time::Duration;

use crate::report::{count, duration};
use crate::usd::Usd;

/// A large number in a few characters: `950`, `1.2k`, `3.5M`.
pub(super) fn compact(number: f64) -> String {
    let (scaled, unit) = match number.abs() {
        n if n >= 999_950_000.0 => (number / 1e9, "B"),
        n if n >= 999_950.0 => (number / 1e6, "M"),
        n if n >= 999.95 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let digits = usize::from(scaled.abs() < 100.0);
    format!("{}{unit}", trimmed(scaled, digits))
}

/// A share of 1 as a percentage: `12%`, `0.4%`.
pub(super) fn percent_text(share: f64) -> String {
    let percent = share * 100.0;
    let decimals = match percent.abs() {
        p if p >= 10.0 || p == 0.0 => 0,
        p if p >= 0.1 => 1,
        _ => 3,
    };
    format!("{}%", trimmed(percent, decimals))
}

/// A share of a whole as a percentage with one decimal.
#[expect(clippy::cast_precision_loss, reason = "a percentage for display")]
pub(super) fn share_text(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.1}%", 100.0 * part as f64 / whole as f64) }
}

/// Dollars along an axis whose numbers are `step` apart: all with the same decimals, none or two at
/// least.
pub(super) fn usd_text(amount: f64, step: f64) -> String {
    let exact = |decimals: &usize| {
        let scaled = step * 10_f64.powi(i32::try_from(*decimals).unwrap_or(0));
        (scaled - scaled.round()).abs() < 1e-6
    };
    let decimals = (0..=9).find(exact).unwrap_or(9);
    match amount {
        0.0 => "$0".to_owned(),
        a if a >= 10_000.0 => format!("${}", compact(a)),
        a if decimals == 0 => format!("${a:.0}"),
        a => format!("${a:.*}", decimals.max(2)),
    }
}

/// An amount with as many decimals as it needs to be told from nothing, at least two.
pub(crate) fn money(amount: Usd) -> String {
    let text = match amount.to_f64() {
        a if a == 0.0 || a >= 100.0 => return amount.display(2),
        a if a >= 0.01 => amount.display(4),
        _ => amount.display(6),
    };
    let zeros = text.len() - text.trim_end_matches('0').len();
    // Two of the four or six stay.
    let dropped = zeros.min(if amount.to_f64() >= 0.01 { 2 } else { 4 });
    text.chars().take(text.len() - dropped).collect()
}

/// A count with the name of what is counted: `1 response`, `2 responses`.
pub(super) fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { more })
}

/// Milliseconds as people say them: `840 ms`, `1.25 s`, `4m 05s`.
#[expect(clippy::cast_precision_loss, reason = "for display")]
pub(super) fn millis(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{} s", trimmed(ms as f64 / 1e3, 2)),
        _ => duration(Duration::from_millis(ms)),
    }
}

/// A moment in UTC, to the minute.
pub(super) fn moment(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms)
        .map_or_else(|_| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// With at most so many decimals, and none of them a needless zero.
pub(super) fn trimmed(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 7.0, 999.0, 1_000.0, 1_250.0, 52_002.0, 1e6, 2.5e9].map(compact);
        assert_eq!(numbers, ["0", "7", "999", "1k", "1.2k", "52k", "1M", "2.5B"]);
        let shares = [0.0, 0.5, 1.0, 0.042, 0.000_4].map(percent_text);
        assert_eq!(shares, ["0%", "50%", "100%", "4.2%", "0.04%"]);
        assert_eq!(share_text(1, 3), "33.3%");
        assert_eq!(share_text(0, 0), "-");
    }

    #[test]
    fn money_and_time_are_told_from_nothing() {
        let amounts = ["0", "0.0000021", "0.001", "0.0213", "0.5", "4.9906", "123.456"];
        let amounts = amounts.map(|amount| money(amount.parse().unwrap()));
        assert_eq!(
            amounts,
            ["$0.00", "$0.000003", "$0.001", "$0.0213", "$0.50", "$4.9906", "$123.46"]
        );
        assert_eq!([999, 1_250, 60_000].map(millis), ["999 ms", "1.25 s", "1m 00s"]);
        assert_eq!(moment(1_700_000_000_000), "2023-11-14 22:13 UTC");
        assert_eq!(moment(i64::MAX), "-");
    }
}
