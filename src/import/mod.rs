//! Moving in from other tools: reading their projects, writing a pipeline that means the same, and taking over their results.

pub mod dvc;
