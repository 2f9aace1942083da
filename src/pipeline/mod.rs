//! From `pipeline.yaml` to a DAG of checked stages.
//!
//! [`load`] goes through these steps, one file each: the text becomes a tree of placed values (`source`, by way of
//! `parse` and `positions`), the tree a typed spec (`decode`, `form`, `spec`; `environment`, `packages`, `executor` and `remote` read their
//! own keys); parameters are settled (`params`, from files too: `param_file`), matrices expanded (`matrix`, `axis`) and with them stages
//! (`expand`); inputs are followed to their producers (`inputs`, `reference`, `written`) and narrowed to what a command sees (`narrow`,
//! `view`); bodies are filled in (`bodies`, `with`, `command`, `shell`, `settings`, `step_values`) by what names stand for (`interpolate`);
//! paths are checked (`check`, `reach`, `documents`, `resolved`), the report's references too (`report`), and the whole is put in order
//! (`graph`) as what is run (`stage`). What came out is kept (`kept`, `wire`; `sections` is the form of what is kept beside it), and taken again while it still holds and this is the same `program`. Mistakes are collected
//! along the way (`mistake`) and told together.

mod axis;
mod bodies;
mod cache;
mod check;
mod command;
mod decode;
mod disk;
mod documents;
mod duration;
pub(crate) mod environment;
mod executor;
mod expand;
mod form;
mod graph;
mod inputs;
mod interpolate;
pub(crate) mod kept;
mod load;
mod matrix;
mod meet;
mod mistake;
mod name;
mod narrow;
mod near;
mod no_value;
mod node;
mod overrides;
mod packages;
mod param_file;
mod params;
mod parse;
mod part;
mod paths;
mod pieces;
mod positions;
mod program;
mod reach;
mod reference;
mod remote;
mod report;
mod resolved;
mod schema;
mod sections;
mod select;
mod settings;
mod shell;
mod size;
mod source;
mod spec;
mod stage;
mod step_values;
mod steps;
mod template;
mod view;
mod wire;
mod with;
mod written;

use crate::suggest;

pub use crate::stage_name::is_named;
pub use cache::PutAs;
pub use duration::parse as duration;
pub use executor::{Cluster, Commands, Elsewhere, ExecutorSpec, Scheduler, Wishes};
pub use kept::{Identity, load_kept};
pub use load::{load, load_without_sources};
pub use overrides::Overrides;
pub use param_file::file_values;
pub(crate) use part::Part;
pub(crate) use paths::PROJECT;
pub use remote::RemoteSpec;
pub use resolved::Documents;
pub use schema::schema;
pub(crate) use sections::Sections;
pub use select::{matching, matching_names, select};
pub use stage::{
    Body, Command, Environment, From, Input, Output, Pipeline, Ports, Report, Resources, Source, Stage, StageId,
    StageName, coordinates,
};
pub use steps::{Best, Keep, Steps};
pub(crate) use view::IGNORE as IGNORE_FILE;
pub use view::{View, read_written};
