//! `kiln trace`.

use kiln::engine;

use super::args::{Place, Trace};
use super::render::look::Look;
use super::{Stop, project, render};

pub(crate) fn trace(place: &Place, args: &Trace) -> Result<u8, Stop> {
    let root = project::root(&place.file)?;
    let store = project::store(place, &root)?;
    let run = store.find_run(&args.run, Some(&root)).map_err(|e| Stop::Usage(e.to_string()))?;
    if args.json {
        render::json(&engine::trace(&run))?;
    } else {
        render::data(&render::trace::text(&run, &engine::critical_path(&run), &Look::stdout()))?;
    }
    Ok(0)
}
