//! What the engine and the built-in stage kinds have in common. Neither knows the other; both know this.

pub mod kind;
pub mod params;
pub mod scalar;
pub mod suggest;
