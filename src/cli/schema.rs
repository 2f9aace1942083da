//! `kiln schema`: the JSON Schema of the pipeline file.

use kiln::catalog::catalog;

use super::{Stop, render};

pub(crate) fn schema() -> Result<u8, Stop> {
    render::json(&kiln::pipeline::schema(&catalog()))?;
    Ok(0)
}
