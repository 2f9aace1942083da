//! DVC: reading a project of DVC's, writing a pipeline that means the same, and taking over its results.
//!
//! In reading order: `project` finds the files; `file` reads a `dvc.yaml` by way of `yaml`, `context`, `params` and `template`, and
//! `group` expands it, and `apart` divides what does not stay one; `plan` says what its stages become, with `command` for what they run; `write` writes the text, `dvcignore` that of `.kilnignore`. `note` is
//! what there is to tell. `adopt` holds `lock` against the project by `digest`, `cache` and `buckets`; `data` are `.dvc` files.

mod adopt;
mod apart;
mod buckets;
mod cache;
mod command;
mod comments;
mod context;
mod data;
mod digest;
mod dvcignore;
pub mod export;
mod file;
mod group;
mod ignore;
mod keyed;
mod lock;
mod note;
mod outputs;
mod params;
mod plan;
mod project;
mod python;
mod template;
mod text;
mod write;
mod yaml;

pub use note::{Note, Weight};
pub use project::{Import, Outcome, import};
