//! `kiln runs`.

use super::args::{Place, Runs};
use super::past::Past;
use super::render::look::Look;
use super::{Stop, render};

pub(crate) fn runs(place: &Place, args: &Runs) -> Result<u8, Stop> {
    let past = Past::open(place)?;
    let runs = past.store.runs(if args.all { None } else { Some(&past.project) })?;
    if args.json {
        render::json(&serde_json::json!({ "version": 1, "runs": runs }))?;
        return Ok(0);
    }
    if !runs.is_empty() {
        render::data(&render::list::runs(&runs, &Look::stdout()))?;
    } else if let Stop::Usage(text) = past.nothing() {
        render::talk(&format!("{text}\n"));
    }
    // What is not listed is not forgotten.
    if let Some(others) = past.elsewhere().filter(|_| !args.all && !runs.is_empty()) {
        render::talk(&format!("not listed: {others}\n"));
    }
    Ok(0)
}
