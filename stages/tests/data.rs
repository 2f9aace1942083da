//! The data stages, run as the engine runs them: from files to files.

#[path = "data/artifacts.rs"]
mod artifacts;
#[path = "data/bench.rs"]
mod bench;
#[path = "data/fetch.rs"]
mod fetch;
#[path = "data/import.rs"]
mod import;
#[path = "data/study.rs"]
mod study;
