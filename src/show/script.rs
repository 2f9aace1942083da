//! Scripts as the user wrote them. A value reaches a script as a variable, `KILN_ARG_4_matrix_model`; who reads wants to see
//! `${matrix.model}`.

const PREFIX: &str = "KILN_ARG_";

/// What names of values begin with.
const ROOTS: [&str; 5] = ["params", "matrix", "label", "inputs", "outputs"];

/// The name by which the user wrote the value that a variable holds; `None` for a variable of the user's own. What had a dot or
/// another sign has an underscore beyond the first part: that much is not kept.
pub fn written(variable: &str) -> Option<String> {
    let (number, told) = variable.strip_prefix(PREFIX)?.split_once('_')?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let root = ROOTS.into_iter().find_map(|root| Some((root, told.strip_prefix(root)?.strip_prefix('_')?)));
    Some(root.map_or_else(|| format!("${{{told}}}"), |(root, rest)| format!("${{{root}.{rest}}}")))
}

/// The path of a parameter of a command as it is shown: `env.KILN_ARG_4_matrix_model` is `${matrix.model}`.
pub fn as_parameter(path: &str) -> String {
    path.strip_prefix("env.").and_then(written).unwrap_or_else(|| path.to_owned())
}

/// A script, or a line of one, with its values by the names that the user wrote.
pub fn as_written(script: &str) -> String {
    let mut out = String::with_capacity(script.len());
    let mut rest = script;
    while let Some(at) = rest.find("${KILN_ARG_") {
        let (before, from) = rest.split_at(at);
        let Some(end) = from.find('}') else { break };
        let Some(name) = written(&from[2..end]) else {
            out.push_str(&rest[..at + end + 1]);
            rest = &from[end + 1..];
            continue;
        };
        // The quotes around it are Kiln's where they hold nothing else.
        let quoted = before.ends_with('"') && from[end + 1..].starts_with('"');
        let before = if quoted { &before[..before.len() - 1] } else { before };
        // An input that gathers several is several variables.
        let again = out.ends_with(&name) && before == " ";
        if !again {
            out.push_str(before);
            out.push_str(&name);
        }
        rest = &from[end + 1 + usize::from(quoted)..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_named_as_they_were_written() {
        assert_eq!(written("KILN_ARG_4_matrix_model").as_deref(), Some("${matrix.model}"));
        assert_eq!(written("KILN_ARG_0_params_learning_rate").as_deref(), Some("${params.learning_rate}"));
        for own in ["LANG", "KILN_ARG_", "KILN_ARG_x_params_a", "KILN_ARG_1"] {
            assert_eq!(written(own), None, "{own}");
        }
        let script = "cat \"${KILN_ARG_0_inputs_p}\" \"${KILN_ARG_1_inputs_p}\" > \"x/${KILN_ARG_2_label_a}\"; ${HOME}";
        assert_eq!(as_written(script), "cat ${inputs.p} > \"x/${label.a}\"; ${HOME}");
        assert_eq!(as_written("echo ${KILN_ARG_x} ${KILN_ARG_3_params_a"), "echo ${KILN_ARG_x} ${KILN_ARG_3_params_a");
    }
}
