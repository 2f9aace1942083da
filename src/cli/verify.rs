//! `kiln verify`.

use clap::Args;

use super::render::look::Look;
use super::select::ProjectArgs;
use super::{EXIT_FAILED, Stop, project, render};

#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn verify(place: &ProjectArgs, args: &Verify) -> Result<u8, Stop> {
    let root = project::root(&place.file)?;
    let store = project::store_to_write(place, &root)?;
    let bar = render::verify::bar();
    let findings = store.verify(&|done, total| bar.tell(done, total))?;
    drop(bar);
    if args.json {
        render::json(&findings)?;
    } else {
        render::data(&render::verify::text(&findings, &Look::stdout()))?;
    }
    Ok(if findings.is_sound() { 0 } else { EXIT_FAILED })
}
