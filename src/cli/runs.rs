//! `kiln runs`.

use super::args::{Place, Runs};
use super::{Stop, project, render};

pub(crate) fn runs(place: &Place, args: &Runs) -> Result<u8, Stop> {
    let root = project::root(&place.file)?;
    let runs = project::store(place, &root)?.runs(Some(&root))?;
    if args.json {
        render::json(&runs)?;
    } else {
        render::runs(&runs);
    }
    Ok(0)
}
