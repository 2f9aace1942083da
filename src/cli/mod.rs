//! The command line.

// Until the commands call it.
#[allow(dead_code)]
mod render;
