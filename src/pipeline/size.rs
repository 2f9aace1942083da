//! Sizes as people write them: `500MB`, `20 GB`, `0`.

/// Reads a size in bytes: a number and one of B, kB, MB, GB and TB (of 1000 each), or KiB, MiB, GiB and TiB.
pub(super) fn parse(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("b", 1),
        ("kb", 1000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
    ];
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = text[end..].trim().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let number = &text[..end];
    match number.parse::<u64>() {
        // A number alone is only clear if it is nothing.
        Ok(count) if unit.is_empty() && count > 0 => None,
        Ok(count) => count.checked_mul(*factor),
        Err(_) if unit.is_empty() => None,
        Err(_) => {
            let bytes = number.parse::<f64>().ok()? * *factor as f64;
            (bytes < 1e18).then_some(bytes as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_with_units() {
        for (text, bytes) in
            [("0", 0), ("500MB", 500_000_000), ("20 GB", 20_000_000_000), ("1.5kB", 1500), ("2MiB", 2 << 20)]
        {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in ["", "GB", "5", "-1GB", "1XB", "1.2.3GB", "99999999999999999999GB", "1e3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
