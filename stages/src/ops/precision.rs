//! How exactly products are computed.

use serde::{Deserialize, Serialize};

/// What the operands of products are rounded to. Sums, and all that is no product, are float32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Not rounded.
    #[default]
    Float32,
    /// To bfloat16: 8 significant bits.
    Bf16,
}

impl Precision {
    /// Whether it is what is meant where nothing is said. Such a parameter is left out of keys.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
