//! The `kiln` binary.

mod cli;

fn main() {}
