//! The images of an image set as pictures to draw.

use anyhow::{Context as _, ensure};
use resvg::tiny_skia::{IntSize, Pixmap};

use crate::artifact::dataset::{Dataset, Pixels};

/// The pixels of an image set, and the range that is shown from black to white.
pub(super) struct Images<'a> {
    pixels: Pixels<'a>,
    shape: [usize; 4],
    range: (f32, f32),
}

impl<'a> Images<'a> {
    /// Those of an image set.
    ///
    /// # Errors
    /// If they have no pixels, or a number of channels that no picture has.
    pub(super) fn new(data: &'a Dataset) -> anyhow::Result<Self> {
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
    ///
    /// # Errors
    /// If it is too large.
    pub(super) fn get(&self, index: usize) -> anyhow::Result<Pixmap> {
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
