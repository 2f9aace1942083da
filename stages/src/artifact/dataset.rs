//! A labelled image set: `images` [N, H, W, C], `labels` [N], `original_labels` [N], and the names of the classes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use super::tensors::{self, Data, Tensors};

/// Pixels, row-major [N, H, W, C].
#[derive(Clone)]
pub enum Pixels<'a> {
    /// Raw grey values 0..=255.
    U8(&'a [u8]),
    /// Normalised values.
    F32(Cow<'a, [f32]>),
}

/// An image set in a file.
pub struct Dataset {
    file: Tensors,
    /// N, H, W, C.
    pub shape: [usize; 4],
    /// The class of every image, counted from 0.
    pub labels: Vec<u32>,
    /// The label it had before classes were merged.
    pub original_labels: Vec<u32>,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The names of the original labels.
    pub original_classes: Vec<String>,
}

impl Dataset {
    /// Opens an image set.
    ///
    /// # Errors
    /// If the file is not one.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let file = Tensors::open(path)?;
        let shape: [usize; 4] = file
            .shape("images")?
            .try_into()
            .map_err(|s| anyhow::anyhow!("`images` of {} has shape {s:?}, not [N, H, W, C]", path.display()))?;
        let labels = file.u32("labels")?;
        let original_labels = file.u32("original_labels")?;
        ensure!(
            labels.len() == shape[0] && original_labels.len() == shape[0],
            "{} holds {} images but {} labels and {} original labels",
            path.display(),
            shape[0],
            labels.len(),
            original_labels.len()
        );
        let names = |key: &str| -> anyhow::Result<Vec<String>> {
            let text = file.metadata(key).with_context(|| format!("{} does not name its {key}", path.display()))?;
            Ok(serde_json::from_str(&text)?)
        };
        let (classes, original_classes) = (names("classes")?, names("original_classes")?);
        for (labels, names) in [(&labels, &classes), (&original_labels, &original_classes)] {
            if let Some(label) = labels.iter().find(|&&label| label as usize >= names.len()) {
                bail!("label {label} of {} has no name: there are {}", path.display(), names.len());
            }
        }
        Ok(Self { file, shape, labels, original_labels, classes, original_classes })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.shape[0]
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.shape[0] == 0
    }

    /// The number of values in an image: H x W x C.
    pub fn image_len(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// All pixels, without a copy.
    ///
    /// # Errors
    /// If they are neither `u8` nor `f32`.
    pub fn pixels(&self) -> anyhow::Result<Pixels<'_>> {
        Ok(match self.file.u8("images")? {
            Some(bytes) => Pixels::U8(bytes),
            None => Pixels::F32(self.file.f32("images")?),
        })
    }

    /// Normalised pixels.
    ///
    /// # Errors
    /// If the set has not been normalised (its pixels are `u8`).
    pub fn normalised(&self) -> anyhow::Result<Cow<'_, [f32]>> {
        self.file.f32("images").context("the images are not normalised: put a `normalise` stage before this one")
    }
}

/// Writes an image set.
///
/// # Errors
/// If the lengths disagree or the file cannot be written.
pub fn write(
    path: &Path,
    shape: [usize; 4],
    pixels: &Pixels<'_>,
    labels: &[u32],
    original_labels: &[u32],
    classes: &[String],
    original_classes: &[String],
) -> anyhow::Result<()> {
    let data = match pixels {
        Pixels::U8(v) => Data::U8(v),
        Pixels::F32(v) => Data::F32(v),
    };
    let metadata = BTreeMap::from([
        ("classes".to_owned(), serde_json::to_string(classes)?),
        ("original_classes".to_owned(), serde_json::to_string(original_classes)?),
    ]);
    tensors::write(
        path,
        &[
            ("images", shape.to_vec(), data),
            ("labels", vec![shape[0]], Data::U32(labels)),
            ("original_labels", vec![shape[0]], Data::U32(original_labels)),
        ],
        metadata,
    )
}
