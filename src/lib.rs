//! Kiln: declarative, incremental pipelines whose stages are keyed by content.

pub mod action;
pub mod catalog;
pub mod compare;
pub mod diagnostic;
pub mod differ;
pub mod engine;
pub mod events;
pub mod failure;
pub mod hash;
pub mod interrupt;
mod journal;
mod json_number;
pub mod kind;
pub mod links;
pub mod pipeline;
pub mod reason;
pub mod record;
pub mod report;
mod series;
pub mod show;
pub mod store;
pub mod text;
