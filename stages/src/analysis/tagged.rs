//! Parameters whose `method` says which other parameters there are, with mistakes named at their place.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kind::{self, ParamError};

/// Takes `method` out of a mapping: its name, and the mapping without it.
pub(super) fn method(with: &Value, names: &[&str]) -> Result<(String, Value), ParamError> {
    let known = || names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" or ");
    let Value::Object(map) = with else {
        return Err(ParamError {
            path: vec![],
            message: "`method` is missing".into(),
            hint: Some(format!("write `method: {}`; known methods: {}", names[0], known())),
        });
    };
    let mut rest = map.clone();
    match rest.remove("method") {
        Some(Value::String(name)) if names.contains(&name.as_str()) => Ok((name, Value::Object(rest))),
        Some(other) => Err(ParamError {
            path: vec!["method".into()],
            message: format!("there is no method {other}"),
            hint: Some(format!("known methods: {}", known())),
        }),
        None => Err(ParamError {
            path: vec![],
            message: "`method` is missing".into(),
            hint: Some(format!("known methods: {}", known())),
        }),
    }
}

/// Parameters that have limits beyond their types.
pub(super) trait Limits {
    /// The first parameter out of its limits.
    fn limits(&self) -> Result<(), ParamError>;
}

/// Reads the parameters of a method and checks their limits.
pub(super) fn read<P: DeserializeOwned + Serialize + Limits>(rest: &Value) -> Result<P, ParamError> {
    let params: P = kind::parse(rest)?;
    params.limits()?;
    Ok(params)
}

/// An error of a parameter if it is not as it should be.
pub(super) fn require(holds: bool, name: &str, message: &str, hint: &str) -> Result<(), ParamError> {
    if holds {
        return Ok(());
    }
    Err(ParamError { path: vec![name.into()], message: message.into(), hint: Some(hint.into()) })
}
