//! Many variants under one short name: `train[model=1..7] (7)`.

use std::collections::HashSet;

/// The part of a name before its coordinates: `train` of `train[model=5]`.
pub fn base(name: &str) -> &str {
    name.split_once('[').map_or(name, |(base, _)| base)
}

/// A name that may hold anything, on one line: what would break the line, steer a terminal or turn the text around is escaped.
pub fn escaped(name: &str) -> String {
    let odd = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    name.chars().map(|c| if odd(c) { c.escape_debug().to_string() } else { c.to_string() }).collect()
}

/// One label for variants of one stage, with their number if there are several.
pub fn collapsed(names: &[&str]) -> String {
    let [first, _, ..] = names else {
        return names.first().map(|&name| name.to_owned()).unwrap_or_default();
    };
    let axes: Vec<Vec<(&str, &str)>> = names.iter().map(|name| coordinates(name)).collect();
    let shape: Vec<&str> = axes[0].iter().map(|(axis, _)| *axis).collect();
    let alike = axes.iter().all(|pairs| pairs.iter().map(|(axis, _)| *axis).eq(shape.iter().copied()));
    let inner = if alike && !shape.is_empty() {
        let of = |i: usize| values(axes.iter().map(|pairs| pairs[i].1).collect());
        shape.iter().enumerate().map(|(i, axis)| format!("{axis}={}", of(i))).collect::<Vec<_>>().join(",")
    } else {
        "*".to_owned()
    };
    format!("{}[{inner}] ({})", base(first), names.len())
}

fn coordinates(name: &str) -> Vec<(&str, &str)> {
    let inner = name.split_once('[').map_or("", |(_, rest)| rest.strip_suffix(']').unwrap_or(rest));
    inner.split(',').filter_map(|pair| pair.split_once('=')).collect()
}

/// `1..7` for whole numbers without a gap, `a|b|c` for a few values, `a|b|...` for many.
fn values(all: Vec<&str>) -> String {
    let mut seen = HashSet::new();
    let mut distinct: Vec<&str> = all.into_iter().filter(|value| seen.insert(*value)).collect();
    let numbers: Option<Vec<i64>> = distinct.iter().map(|value| value.parse().ok()).collect();
    if let Some(mut numbers) = numbers.filter(|numbers| numbers.len() > 2) {
        numbers.sort_unstable();
        let (low, high) = (numbers[0], numbers[numbers.len() - 1]);
        if numbers.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1])) {
            return format!("{low}..{high}");
        }
    }
    const SHOWN: usize = 4;
    let more = if distinct.len() > SHOWN { "|..." } else { "" };
    distinct.truncate(SHOWN);
    format!("{}{more}", distinct.join("|"))
}

/// The first of some names, and how many more there are: `a, b and 3 more`.
pub fn first_of(names: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = names.len().saturating_sub(most);
    let shown = names.take(most).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_on_its_line() {
        assert_eq!(escaped("a\nb\u{1b}[2J\té \u{202e}漢"), "a\\nb\\u{1b}[2J\\té \\u{202e}漢");
    }

    #[test]
    fn variants_collapse_to_their_values() {
        assert_eq!(collapsed(&["train"]), "train");
        assert_eq!(collapsed(&["train[model=5]"]), "train[model=5]");
        assert_eq!(collapsed(&["train[model=2]", "train[model=1]", "train[model=3]"]), "train[model=1..3] (3)");
        assert_eq!(collapsed(&["t[m=1,s=a]", "t[m=1,s=b]", "t[m=3,s=a]", "t[m=3,s=b]"]), "t[m=1|3,s=a|b] (4)");
        let many: Vec<String> = (0..9).map(|i| format!("t[x=v{i}]")).collect();
        assert_eq!(collapsed(&many.iter().map(String::as_str).collect::<Vec<_>>()), "t[x=v0|v1|v2|v3|...] (9)");
        assert_eq!(collapsed(&["t[a=1]", "t[b=1]"]), "t[*] (2)");
    }
}
