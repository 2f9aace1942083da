//! PNG files of at most 256 colours: a third of the size of those that name every pixel's colour in full.

use std::collections::HashMap;

use anyhow::Context as _;
use png::{BitDepth, ColorType, Compression, Encoder, Filter};
use resvg::tiny_skia::Pixmap;

/// The most colours that a palette holds.
const COLOURS: usize = 256;

type Rgb = [u8; 3];

/// Encodes an opaque picture. Up to 256 colours are kept exactly; of more, each pixel takes the nearest of 256 of them.
///
/// # Errors
/// If the picture is too large for the format.
pub(super) fn encode(pixels: &Pixmap) -> anyhow::Result<Vec<u8>> {
    let colours: Vec<Rgb> = pixels.pixels().iter().map(|p| [p.red(), p.green(), p.blue()]).collect();
    let mut counts: HashMap<Rgb, u64> = HashMap::new();
    colours.iter().for_each(|colour| *counts.entry(*colour).or_default() += 1);
    let mut counts: Vec<(Rgb, u64)> = counts.into_iter().collect();
    // Hash maps have no order of their own, and the same picture is to give the same bytes.
    counts.sort_unstable();
    let (palette, places) = palette(&counts);
    let place: HashMap<Rgb, u8> = counts.iter().map(|(colour, _)| *colour).zip(places).collect();
    let rows: Vec<u8> = colours.iter().map(|colour| place[colour]).collect();

    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, pixels.width(), pixels.height());
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(palette.concat());
    // Neighbours in a palette are no neighbours in colour: a filter would only do harm.
    encoder.set_filter(Filter::NoFilter);
    encoder.set_compression(Compression::High);
    let mut writer = encoder.write_header().context("cannot write the head of a PNG")?;
    writer.write_image_data(&rows).context("cannot write the pixels of a PNG")?;
    writer.finish().context("cannot end a PNG")?;
    Ok(file)
}

/// A palette, and for each of the colours the nearest in it. It grows by whichever colour is most wrong so far: the
/// squared distance to the nearest in it, times how many pixels have the colour.
fn palette(counts: &[(Rgb, u64)]) -> (Vec<Rgb>, Vec<u8>) {
    let (mut palette, mut places) = (Vec::new(), vec![0; counts.len()]);
    let mut errors = vec![u64::from(u32::MAX); counts.len()];
    while palette.len() < COLOURS {
        let wrong = |at: usize| errors[at] * counts[at].1;
        let Some(worst) = (0..counts.len()).max_by_key(|&at| wrong(at)).filter(|&at| errors[at] > 0) else { break };
        let chosen = counts[worst].0;
        for ((error, place), (colour, _)) in errors.iter_mut().zip(&mut places).zip(counts) {
            let distance = squared(chosen, *colour);
            if distance < *error {
                (*error, *place) = (distance, palette.len() as u8);
            }
        }
        palette.push(chosen);
    }
    (palette, places)
}

fn squared(a: Rgb, b: Rgb) -> u64 {
    a.iter().zip(b).map(|(&a, b)| u64::from(a.abs_diff(b)).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(colour: impl Fn(u32) -> Rgb) -> Pixmap {
        let mut pixels = Pixmap::new(64, 32).unwrap();
        for (at, pixel) in pixels.pixels_mut().iter_mut().enumerate() {
            let [r, g, b] = colour(at as u32);
            *pixel = resvg::tiny_skia::PremultipliedColorU8::from_rgba(r, g, b, 255).unwrap();
        }
        pixels
    }

    #[test]
    fn few_colours_are_kept_to_the_bit() {
        let pixels = picture(|at| [(at % 16 * 17) as u8, (at / 256) as u8, 200]);
        assert_eq!(Pixmap::decode_png(&encode(&pixels).unwrap()).unwrap(), pixels);
    }

    #[test]
    fn of_many_colours_the_common_ones_are_kept_and_the_others_are_near() {
        let pixels = picture(|at| if at < 1024 { [255; 3] } else { [(at / 8) as u8, (at % 8 * 30) as u8, 90] });
        let found = Pixmap::decode_png(&encode(&pixels).unwrap()).unwrap();
        let pairs = found.pixels().iter().zip(pixels.pixels());
        let error = |a: u8, b: u8| u32::from(a.abs_diff(b));
        let worst =
            pairs.map(|(a, b)| error(a.red(), b.red()) + error(a.green(), b.green()) + error(a.blue(), b.blue())).max();
        assert!(worst.unwrap() <= 16, "{worst:?}");
        assert_eq!(found.pixels()[..1024], pixels.pixels()[..1024]);
    }
}
