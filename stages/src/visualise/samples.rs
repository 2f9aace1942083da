//! `visualise/samples`: random images of each cluster with their true class.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use anyhow::{Context as _, ensure};
use resvg::tiny_skia::{IntSize, Pixmap};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::image_grid::{Group, ImageGrid, Picture};
use super::figure::Figure;
use super::read::{self, Clustered, grouped};
use super::style;
use crate::artifact::dataset::{Dataset, Pixels};
use crate::kind::{Arity, Context, Kind, check};
use crate::rng::Rng;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/samples",
    summary: "Draws random images of each cluster, a row a cluster, with their true class.",
    inputs: &[
        super::port("data", Arity::One, "the image set that was clustered"),
        super::port("clusters", Arity::One, "`clusters.csv` of a cluster stage"),
    ],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/samples.rs",
};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Params {
    title: String,
    caption: String,
    /// How many images of each cluster.
    samples: NonZeroUsize,
    seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        let samples = NonZeroUsize::new(5).expect("5 is not 0");
        Self { title: "Random images of each cluster".to_owned(), caption: String::new(), samples, seed: 0 }
    }
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let data = Dataset::open(context.input("data")?)?;
    let path = context.input("clusters")?;
    let rows: Vec<Clustered> = read::csv(path)?;
    for row in &rows {
        ensure!(
            data.labels.get(row.index) == Some(&row.label),
            "sample {} of {} is not in the image set, or of another class there: they do not belong together",
            row.index,
            path.display()
        );
    }
    let mut clusters: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for row in &rows {
        clusters.entry(row.cluster).or_default().push(row.index);
    }
    let images = Images::new(&data)?;
    // Noise comes last.
    let (noise, real): (Vec<_>, Vec<_>) = clusters.into_iter().partition(|(cluster, _)| *cluster < 0);
    let mut groups = Vec::new();
    for (cluster, members) in real.into_iter().chain(noise) {
        let mut pictures = Vec::new();
        for index in draw(&members, params.samples.get(), params.seed, cluster) {
            let label = data.labels[index] as usize;
            let caption = data.classes[label].clone();
            pictures.push(Picture { image: images.get(index)?, caption, colour: style::category(label) });
        }
        let name = if cluster < 0 { "noise".to_owned() } else { format!("cluster {cluster}") };
        groups.push(Group { name, detail: format!("{} images", grouped(members.len() as u64)), pictures });
    }
    let subtitle = format!("True class under each image; seed {}", params.seed);
    let grid = ImageGrid { groups };
    Figure { title: params.title, subtitle, rows: vec![vec![Box::new(grid)]], caption: params.caption }.write(context)
}

/// Some members, each at most once; what is drawn of a cluster does not depend on the others.
fn draw(members: &[usize], count: usize, seed: u64, cluster: i64) -> Vec<usize> {
    let mut members = members.to_vec();
    members.sort_unstable();
    Rng::new(seed, "samples", cluster as u64).shuffle(&mut members);
    members.truncate(count);
    members
}

/// The pixels of an image set, and the range that is shown from black to white.
struct Images<'a> {
    pixels: Pixels<'a>,
    shape: [usize; 4],
    range: (f32, f32),
}

impl<'a> Images<'a> {
    fn new(data: &'a Dataset) -> anyhow::Result<Self> {
        let channels = data.shape[3];
        ensure!(
            matches!(channels, 1 | 3 | 4) && data.image_len() > 0,
            "images of {} x {} pixels with {channels} channels cannot be drawn: grey (1), RGB (3) or RGBA (4) can",
            data.shape[1],
            data.shape[2]
        );
        let pixels = data.pixels()?;
        let range = match &pixels {
            Pixels::U8(_) => (0.0, 255.0),
            Pixels::F32(values) => {
                let (low, high) = values
                    .iter()
                    .filter(|v| v.is_finite())
                    .fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
                // Values of 0 to 1 are shown as they are, standardised ones from the least to the greatest.
                if low >= 0.0 && high <= 1.0 { (0.0, 1.0) } else { (low, high) }
            }
        };
        Ok(Self { pixels, shape: data.shape, range })
    }

    /// An image in RGBA.
    fn get(&self, index: usize) -> anyhow::Result<Pixmap> {
        let [_, height, width, channels] = self.shape;
        let length = height * width * channels;
        let (low, high) = self.range;
        let scaled = |v: f32| {
            let share = if high > low { (v - low) / (high - low) } else { 0.0 };
            (share.clamp(0.0, 1.0) * 255.0).round() as u8
        };
        let bytes: Vec<u8> = match &self.pixels {
            Pixels::U8(all) => all[index * length..][..length].to_vec(),
            Pixels::F32(all) => all[index * length..][..length].iter().map(|&v| scaled(v)).collect(),
        };
        let rgba = bytes.chunks_exact(channels).flat_map(|pixel| match *pixel {
            [grey] => [grey, grey, grey, 255],
            [r, g, b] => [r, g, b, 255],
            [r, g, b, a] => {
                let weighted = |v: u8| (u16::from(v) * u16::from(a) / 255) as u8;
                [weighted(r), weighted(g), weighted(b), a]
            }
            _ => unreachable!("the number of channels was checked"),
        });
        let size =
            IntSize::from_wh(u32::try_from(width)?, u32::try_from(height)?).context("an image without pixels")?;
        Pixmap::from_vec(rgba.collect(), size).context("an image of another size than it says")
    }
}
