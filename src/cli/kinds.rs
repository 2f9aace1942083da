//! `kiln kinds`: the built-in stage kinds and their ports.

use kiln::catalog::catalog;

use super::args::Kinds;
use super::{Stop, render};

pub(crate) fn kinds(args: &Kinds) -> Result<u8, Stop> {
    let catalog = catalog();
    match &args.kind {
        None => render::data(&render::kinds::list(catalog.values().map(AsRef::as_ref)))?,
        Some(name) => match catalog.get(name) {
            Some(kind) => render::data(&render::kinds::one(kind.as_ref()))?,
            None => {
                let names = catalog.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                return Err(Stop::Usage(format!("there is no stage kind `{name}`; there are {names}")));
            }
        },
    }
    Ok(0)
}
