//! Kiln: declarative, incremental pipelines whose stages are keyed by content.
//!
//! What is public here is what the tests of its parts use. All else is private, so that the compiler sees what nobody uses.
#![allow(unreachable_pub, reason = "`pub` is what a room offers to others; which rooms leave the crate is said here")]

// As the tests of `cli` name it.
extern crate self as kiln;

pub mod action;
pub mod address;
pub mod catalog;
mod cli;
pub mod compare;
pub mod diagnostic;
mod differ;
mod engine;
pub mod events;
mod failure;
mod git;
pub mod hash;
mod heap;
mod import;
mod interrupt;
mod journal;
mod json_number;
pub mod json_text;
pub mod kind;
mod links;
pub mod name_map;
pub mod pipeline;
mod reason;
pub mod record;
pub mod remote;
mod report;
mod series;
mod show;
mod stage_name;
pub mod store;
mod suggest;
mod text;

pub use cli::main;
