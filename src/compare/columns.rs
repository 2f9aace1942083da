//! Choosing metrics and columns by name: globs, and which numbers are details.

/// Whether `name` matches `glob`, in which `*` stands for any characters and `?` for one.
pub fn matches(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    // The classic two-pointer match: on a mismatch the latest star takes one more character.
    let (mut g, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                g += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    g = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|&c| c == '*')
}

/// Whether a number nests under a key (`macro.f1`): left out of a table of variants unless asked for.
pub(super) fn nested(metric: &str) -> bool {
    metric.contains('.')
}

/// Whether a number is one of many alike (`classes.Bag.recall`, `explained_variance_ratio.7`): left out of a
/// comparison unless asked for.
pub(super) fn one_of_many(metric: &str) -> bool {
    let segments: Vec<&str> = metric.split('.').collect();
    let numbered = segments[1..].iter().any(|segment| segment.parse::<usize>().is_ok());
    segments.len() > 2 || numbered || (segments.len() == 2 && segments[0] == "classes")
}

/// Seconds and differences that are not finite count as missing.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (glob, name) in
            [("*", ""), ("*", "x"), ("acc*", "accuracy"), ("*.f1", "macro.f1"), ("?oss", "loss"), ("a*b*c", "axxbyybc")]
        {
            assert!(matches(glob, name), "{glob} {name}");
        }
        for (glob, name) in [("", "x"), ("acc", "accuracy"), ("*.f1", "f1"), ("?", ""), ("a*b", "abc"), ("é?", "é")] {
            assert!(!matches(glob, name), "{glob} {name}");
        }
    }

    #[test]
    fn numbers_of_one_class_are_one_of_many() {
        assert!(
            one_of_many("classes.T-shirt/top.f1")
                && one_of_many("explained_variance_ratio.7")
                && one_of_many("classes.Bag")
        );
        assert!(!one_of_many("accuracy") && !one_of_many("macro.f1"));
    }
}
