//! `import`: reads an IDX image file and an IDX label file into an image set, merging labels into classes by a table.

mod classes;
mod idx;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::dataset::{self, Pixels};
use crate::kind::{self, Arity, Context, Kind, Output, ParamError, Port, Reads, Role, schema};

pub use classes::Class;

/// Reads IDX files into an image set.
pub const KIND: Kind = Kind {
    name: "import",
    summary: "Read IDX images and labels into an image set, merging labels into classes",
    inputs: &[
        Port {
            name: "images",
            doc: "IDX file of unsigned bytes [N, H, W] or [N, H, W, C], packed with gzip or not",
            arity: Arity::One,
            reads: Reads::Artifact,
        },
        Port {
            name: "labels",
            doc: "IDX file of unsigned bytes [N], packed with gzip or not",
            arity: Arity::One,
            reads: Reads::Artifact,
        },
    ],
    outputs: &[Output {
        name: "dataset",
        file: "dataset.safetensors",
        role: Role::Data,
        doc: "image set: images [N, H, W, C] u8, labels [N], original_labels [N], class names in the metadata",
    }],
    check,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "data/import.rs",
};

/// The parameters of `import`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The classes in order, each with the labels that are merged into it. Without it every label is a class.
    pub classes: Option<Vec<Class>>,
    /// The names of the labels in the file, from label 0 on. Without it a label is named by its number.
    pub names: Option<Vec<String>>,
}

fn check(with: &Value) -> Result<Value, ParamError> {
    let params: Params = kind::parse(with)?;
    classes::check(params.classes.as_deref(), params.names.as_deref())?;
    Ok(serde_json::to_value(params).expect("parameters are plain data"))
}

fn run(params: &Value, context: &Context) -> anyhow::Result<()> {
    let params: Params = serde_json::from_value(params.clone())?;
    let images = idx::read(context.input("images")?, "images")?;
    let labels = idx::read(context.input("labels")?, "labels")?;
    let shape = match *images.dims {
        [n, h, w] => [n, h, w, 1],
        [n, h, w, c] => [n, h, w, c],
        ref dims => anyhow::bail!("the images have dimensions {dims:?}, not [N, H, W] or [N, H, W, C]"),
    };
    ensure!(labels.dims.len() == 1, "the labels have dimensions {:?}, not [N]", labels.dims);
    ensure!(labels.dims[0] == shape[0], "there are {} images but {} labels", shape[0], labels.dims[0]);
    let table = classes::Table::new(&labels.bytes, params.classes, params.names).context("input `labels`")?;
    let original: Vec<u32> = labels.bytes.iter().map(|&l| l.into()).collect();
    let merged: Vec<u32> = labels.bytes.iter().map(|&l| table.class_of(l)).collect();
    for (class, name) in table.classes.iter().enumerate() {
        let count = merged.iter().filter(|&&l| l as usize == class).count();
        context.message(format!("class {class} {name}: {count} images"));
    }
    dataset::write(
        context.output("dataset")?,
        shape,
        &Pixels::U8(&images.bytes),
        &merged,
        &original,
        &table.classes,
        &table.names,
    )
}
