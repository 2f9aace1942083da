//! Networks: the model file, the layers it describes, their shapes, and the network that computes them.
//!
//! In reading order: [`spec`] says what a model is and [`recipe`] how it is trained; [`load`] reads one from YAML with
//! [`tree`] (values that know their place) and [`extends`] (one model as a change of another); [`plan`] infers shapes;
//! [`summary`] is the layer table; [`network`] holds weights and runs the layers; [`inference`] runs it over many images;
//! [`file`](mod@file) is `model.safetensors`; [`threads`] and [`device`](mod@device) say what computes.

pub mod device;
pub mod extends;
pub mod file;
pub mod inference;
pub mod load;
pub mod network;
pub mod plan;
pub mod recipe;
pub mod spec;
pub mod summary;
pub mod threads;
pub mod tree;

pub use load::document;
pub use network::Network;
pub use plan::Plan;
pub use spec::{Layer, LayerKind, Model};
