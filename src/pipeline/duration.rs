//! Durations as people write them: `90s`, `2h`, `1h30m`.

use std::time::Duration;

/// Reads a duration: numbers with the units d, h, m and s, largest first, each at most once; more than nothing and
/// at most a year.
pub fn parse(text: &str) -> Option<Duration> {
    const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
    let mut seconds: u64 = 0;
    let mut units = UNITS.iter();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let (_, size) = units.find(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(count.checked_mul(*size)?)?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    (1..=366 * 86_400).contains(&seconds).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_and_their_sums() {
        for (text, seconds) in [("90s", 90), ("2h", 7_200), ("1h30m", 5_400), ("1d", 86_400), (" 1m5s ", 65)] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "5", "h", "1x", "1m1h", "1h1h", "0s", "99999999999999999999s", "99999999999999d", "-1s", "1.5h"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
