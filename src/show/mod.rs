//! Words for people, shared by the terminal, the report and the record: numbers, durations, many variants under one name, reasons.

pub mod difference;
pub mod failure;
pub mod names;
pub mod number;
pub mod reason;
pub mod scratch;
pub mod script;
