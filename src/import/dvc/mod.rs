//! DVC: reading a project of DVC's, writing a pipeline that means the same, and taking over its results.
//!
//! In reading order: `project` finds the files; `file` reads a `dvc.yaml` by way of `yaml`, `context`, `params` and `template`, `group`
//! expands it, `single` reads a stage in a file of its own, and `apart` divides what does not stay one; `plan` says what its stages become: `planner` one of them, with `command` for
//! what it runs, `deps` and `roles` for its paths; `write` writes the text by way of `scalar`, `dvcignore` that of `.kilnignore`; `merge`
//! puts it into a file that somebody edited. `note` is what there is to tell. `adopt` holds `lock` against the project by `digest`, `cache`
//! with `settings`, and `buckets`, and `intake` reads each file once; `data` are `.dvc` files.

mod adopt;
mod apart;
mod buckets;
mod cache;
mod command;
mod comments;
mod context;
mod data;
mod deps;
mod digest;
mod dvcignore;
mod environment;
pub mod export;
mod file;
mod group;
mod ignore;
mod intake;
mod keyed;
mod lock;
mod merge;
mod note;
mod outputs;
mod params;
mod plan;
mod planned;
mod planner;
mod ports;
mod project;
mod python;
mod roles;
mod scalar;
mod settings;
mod single;
mod template;
mod text;
mod write;
mod yaml;

pub use intake::Opening;
pub use merge::{Change, Fate, How, Merge, Prefer};
pub use note::{Note, Weight};
pub use project::{Import, Outcome, import};
