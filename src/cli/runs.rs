//! `kiln runs`.

use super::args::{Place, Runs};
use super::render::look::Look;
use super::{Stop, project, render};

pub(crate) fn runs(place: &Place, args: &Runs) -> Result<u8, Stop> {
    let root = project::root(&place.file)?;
    let runs = project::store(place, &root)?.runs(Some(&root))?;
    if args.json {
        render::json(&serde_json::json!({ "version": 1, "runs": runs }))?;
    } else if runs.is_empty() {
        render::talk("no runs yet: `kiln run` makes the first\n");
    } else {
        render::data(&render::list::runs(&runs, &Look::stdout()))?;
    }
    Ok(0)
}
