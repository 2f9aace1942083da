//! The one look of all figures: colours, type scale and spacing. Lengths are CSS pixels.

use plotters::style::RGBColor;

/// An opaque colour.
pub(super) type Colour = RGBColor;

/// Text and data lines.
pub(super) const INK: Colour = RGBColor(0x1f, 0x23, 0x28);
/// Secondary text: subtitles, captions, axis numbers.
pub(super) const MUTED: Colour = RGBColor(0x57, 0x60, 0x6a);
/// Axis lines and strong rules.
pub(super) const AXIS: Colour = RGBColor(0x8c, 0x95, 0x9f);
/// Rules and grid lines.
pub(super) const FAINT: Colour = RGBColor(0xe1, 0xe4, 0xe8);
/// Every second row of a table.
pub(super) const STRIPE: Colour = RGBColor(0xf6, 0xf8, 0xfa);
/// The ground.
pub(super) const PAPER: Colour = RGBColor(0xff, 0xff, 0xff);
/// Points that belong to no cluster.
pub(super) const NOISE: Colour = RGBColor(0xb4, 0xba, 0xc1);
/// Where only one colour is needed, and the dark end of the heat map.
pub(super) const ACCENT: Colour = RGBColor(0x08, 0x51, 0x9c);

/// Size of a figure's title.
pub(super) const TITLE: f64 = 17.0;
/// Size of a chart's title.
pub(super) const HEADING: f64 = 13.0;
/// Size of tables, legends and axis names.
pub(super) const BODY: f64 = 12.0;
/// Size of axis numbers and captions under images.
pub(super) const SMALL: f64 = 11.0;

/// The unit of all distances.
pub(super) const SPACE: f64 = 8.0;
/// The height of a line of text, as a multiple of its size.
pub(super) const LEADING: f64 = 1.4;

/// Okabe and Ito's colours (2008) without black and yellow, then those of Tol's "muted" scheme (2021) that stay apart
/// from them: distinct with every common colour blindness for as long as there are few, and on white throughout.
const CATEGORIES: [Colour; 12] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x33, 0x22, 0x88),
    RGBColor(0x88, 0x22, 0x55),
    RGBColor(0x99, 0x99, 0x33),
    RGBColor(0x6b, 0x4a, 0x2b),
    RGBColor(0xdd, 0xcc, 0x77),
    RGBColor(0x44, 0xaa, 0x99),
];

/// The colour of a category. From the thirteenth on the colours come again, each time darker.
pub(super) fn category(index: usize) -> Colour {
    let round = (index / CATEGORIES.len()) as f64;
    mix(CATEGORIES[index % CATEGORIES.len()], INK, 1.0 - 0.55f64.powf(round))
}

/// The colour `share` of the way from `from` to `to`.
pub(super) fn mix(from: Colour, to: Colour, share: f64) -> Colour {
    let share = share.clamp(0.0, 1.0);
    let channel = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
    RGBColor(channel(from.0, to.0), channel(from.1, to.1), channel(from.2, to.2))
}

/// Black or white, whichever reads better on `ground`. The relative luminance is that of WCAG 2.2; white begins a little
/// before its contrast is the higher one (0.18), since thin black strokes on a saturated blue are hard to read.
pub(super) fn on(ground: Colour) -> Colour {
    let linear = |v: u8| {
        let v = f64::from(v) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = 0.2126 * linear(ground.0) + 0.7152 * linear(ground.1) + 0.0722 * linear(ground.2);
    if luminance > 0.25 { INK } else { PAPER }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_categories_are_thirty_colours() {
        let mut seen: Vec<_> = (0..30).map(|i| (category(i).0, category(i).1, category(i).2)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 30);
    }

    #[test]
    fn text_stands_out_from_its_ground() {
        assert_eq!(on(PAPER), INK);
        assert_eq!(on(ACCENT), PAPER);
    }
}
