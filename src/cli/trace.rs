//! `kiln trace`.

use kiln::engine;

use super::args::Trace;
use super::past::Past;
use super::render::look::Look;
use super::select::ProjectArgs;
use super::{Stop, render};

pub(crate) fn trace(place: &ProjectArgs, args: &Trace) -> Result<u8, Stop> {
    let run = Past::open(place)?.find(&args.run)?;
    if args.json {
        render::json(&engine::trace(&run))?;
    } else {
        render::data(&render::trace::text(&run, &engine::critical_path(&run), &Look::stdout()))?;
    }
    Ok(0)
}
