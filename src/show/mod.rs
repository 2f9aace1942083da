//! Words for people, shared by the terminal and the report: numbers, durations, many variants under one name.

pub mod names;
pub mod number;
pub mod scratch;
