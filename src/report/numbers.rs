//! Numbers as people read them.

use std::time::Duration;

/// A count with thousands separated: `52,002`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration to two units: `3h 12m`, `4m 05s`, `12s`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3_600, seconds % 3_600 / 60);
    match (hours, minutes) {
        (0, 0) if seconds < 10 => format!("{:.1}s", duration.as_secs_f64()),
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m {:02}s", seconds % 60),
        (1..48, _) => format!("{hours}h {minutes:02}m"),
        _ => format!("{}d {:02}h", hours / 24, hours % 24),
    }
}

/// An amount of memory: `840 MB`, `1.3 GB`, in thousands.
pub fn bytes(bytes: u64) -> String {
    let megabytes = bytes.div_ceil(1_000_000);
    if megabytes < 1_000 {
        return format!("{megabytes} MB");
    }
    let tenths = megabytes.div_ceil(100);
    format!("{}.{} GB", count(tenths / 10), tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let counts = [0, 999, 1_000, 52_002, 1_000_000].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "52,002", "1,000,000"]);
        let durations = [0, 9, 59, 245, 11_520, 200_000].map(Duration::from_secs).map(duration);
        let sizes = [0, 1, 840_000_000, 1_320_000_001, 24_000_000_000].map(bytes);
        assert_eq!(sizes, ["0 MB", "1 MB", "840 MB", "1.4 GB", "24.0 GB"]);
        assert_eq!(durations, ["0.0s", "9.0s", "59s", "4m 05s", "3h 12m", "2d 07h"]);
    }
}
