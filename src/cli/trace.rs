//! `kiln trace`.

use clap::Args;
use kiln::engine;

use super::past::Past;
use super::render::look::Look;
use super::select::ProjectArgs;
use super::{Stop, render};

#[derive(Args, Debug)]
pub(crate) struct Trace {
    /// The run: a name or its beginning, `latest`, `latest~2`.
    #[arg(default_value = "latest")]
    pub(crate) run: String,
    /// The whole run in the trace event format.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn trace(place: &ProjectArgs, args: &Trace) -> Result<u8, Stop> {
    let run = Past::open(place)?.find(&args.run)?;
    if args.json {
        render::json(&engine::trace(&run))?;
    } else {
        render::data(&render::trace::text(&run, &engine::critical_path(&run), &Look::stdout()))?;
    }
    Ok(0)
}
