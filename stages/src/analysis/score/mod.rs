//! Figures that say how good a clustering or a projection is.

mod agreement;
mod silhouette;
mod trustworthiness;

pub use agreement::Agreement;
pub use silhouette::{mean, silhouette, silhouettes};
pub use trustworthiness::trustworthiness;
