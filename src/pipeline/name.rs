//! Which names stages, axes, ports and labels may have, and how a label becomes part of a path.

/// What [`fault`] lets pass, as regular expressions: with dots, and without.
pub(super) const WITH_DOTS: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$";
pub(super) const WITHOUT_DOTS: &str = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$";

/// Why a name is refused, or nothing. Stages may hold dots; ports and axes may not, so that references stay readable.
pub(super) fn fault(name: &str, dots: bool) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || (dots && c == '.');
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > 100 {
        Some("it is longer than 100 letters")
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        Some("it must begin with a letter, a digit or `_`")
    } else if !name.chars().all(allowed) {
        Some(if dots {
            "only letters, digits, `_`, `-` and `.` are allowed"
        } else {
            "only letters, digits, `_` and `-` are allowed"
        })
    } else {
        None
    }
}

/// Why a label of a matrix value is refused, or nothing. What a reference or target could not spell is refused.
pub(super) fn label_fault(label: &str) -> Option<&'static str> {
    if label.is_empty() {
        Some("it is empty")
    } else if label.len() > 100 {
        Some("it is longer than 100 bytes")
    } else if label.chars().any(|c| c.is_control() || matches!(c, ',' | '=' | '[' | ']' | '*' | '?')) {
        Some("it may not hold `,`, `=`, `[`, `]`, `*`, `?` or control characters")
    } else if label.trim() != label {
        Some("it may not begin or end with a space")
    } else {
        None
    }
}

/// The label as part of a file name. Letters, digits, `_`, `-`, `.` and `+` stay; anything else is written `%XX`, so
/// that two labels never share a path, and no label leaves its folder.
pub(super) fn path_form(label: &str) -> String {
    let mut out = String::with_capacity(label.len());
    for (i, byte) in label.bytes().enumerate() {
        match byte {
            b'.' if i == 0 => out.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'+' => out.push(byte as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_one_safe_path_component() {
        assert_eq!(path_form("0.5"), "0.5");
        assert_eq!(path_form("1e-5"), "1e-5");
        assert_eq!(path_form("a/b"), "a%2Fb");
        assert_eq!(path_form(".."), "%2E.");
        assert_eq!(path_form("50%"), "50%25");
        assert_eq!(path_form("é"), "%C3%A9");
    }

    #[test]
    fn names_that_a_reference_cannot_spell_are_refused() {
        assert_eq!(fault("train-1.full", true), None);
        assert!(fault("train.full", false).is_some());
        for name in ["", "-x", ".x", "a b", "a/b", "a[b]", "ä"] {
            assert!(fault(name, true).is_some(), "{name}");
        }
        assert_eq!(label_fault("a b"), None);
        for label in ["", "a,b", "a=b", "x]", "*", " a", "a\n"] {
            assert!(label_fault(label).is_some(), "{label:?}");
        }
    }
}
