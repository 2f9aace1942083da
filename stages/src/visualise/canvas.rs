//! Drawing in CSS pixels on plotters' SVG backend: the few marks that all charts are made of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontDesc, FontFamily, FontStyle, FontTransform, ShapeStyle, TextStyle};
use resvg::tiny_skia::Pixmap;

use super::style::{Colour, INK};
use super::text::{FAMILIES, STYLE_SHEET, Weight};

/// Units of the drawing in a pixel: the backend knows whole numbers only, and a grid of whole pixels shows.
const UNIT: f64 = 10.0;
/// plotters' font sizes are those of SVG times this.
const FONT_SCALE: f64 = 1.24;

/// How far a text is lowered to look centred, in parts of its size.
const LOWER: f64 = 0.06;

/// A place, in pixels from the top left corner.
pub(super) type Point = (f64, f64);

/// Which end of a text is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// Its left end.
    Start,
    /// Its middle.
    Middle,
    /// Its right end.
    End,
}

/// How a text is set; its place is half-way up its letters.
#[derive(Clone, Copy)]
pub(super) struct Type {
    /// Its size.
    pub(super) size: f64,
    /// Its weight.
    pub(super) weight: Weight,
    /// Its colour.
    pub(super) colour: Colour,
    /// Which end is at its place.
    pub(super) anchor: Anchor,
    /// Whether it reads upwards.
    pub(super) upwards: bool,
}

impl Type {
    /// Regular, black, from its left end.
    pub(super) fn new(size: f64) -> Self {
        Self { size, weight: Weight::Regular, colour: INK, anchor: Anchor::Start, upwards: false }
    }

    /// Set in bold.
    pub(super) fn bold(mut self) -> Self {
        self.weight = Weight::Bold;
        self
    }

    /// Set in a colour.
    pub(super) fn colour(mut self, colour: Colour) -> Self {
        self.colour = colour;
        self
    }

    /// Placed by another end.
    pub(super) fn anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }

    /// Turned by a quarter, to read upwards.
    pub(super) fn upwards(mut self) -> Self {
        self.upwards = true;
        self
    }
}

/// A drawing in the making.
pub(super) struct Canvas<'a> {
    backend: SVGBackend<'a>,
    images: Vec<String>,
}

/// Draws into an SVG document of the given size. `title` names it for those who cannot see it.
pub(super) fn svg(width: f64, height: f64, title: &str, draw: impl FnOnce(&mut Canvas<'_>)) -> String {
    let (width, height) = (width.ceil(), height.ceil());
    let mut body = String::new();
    let images = {
        let backend = SVGBackend::with_string(&mut body, (units(width) as u32, units(height) as u32));
        let mut canvas = Canvas { backend, images: Vec::new() };
        draw(&mut canvas);
        sure(canvas.backend.present());
        std::mem::take(&mut canvas.images)
    };
    // The backend gives the document the size of its own units; a viewer is to see pixels.
    let (_, body) = body.split_once(">\n").expect("the backend opens with the root element");
    let body = body.trim_end().strip_suffix("</svg>").expect("the backend ends with the root element");
    // What says nothing, tens of thousands of times; and only fills are ever transparent, for which `fill-opacity` is
    // the same and much faster to rasterise. In a text these would have their quotes escaped.
    let body = body.replace(" stroke=\"none\" stroke-width=\"1\"", "").replace(" opacity=\"1\"", "");
    let body = body.replace(" opacity=\"", " fill-opacity=\"");
    let title = escape(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" \
         role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<style>\n{}</style>\n{body}{}</svg>\n",
        units(width),
        units(height),
        *STYLE_SHEET,
        images.concat(),
    )
}

impl Canvas<'_> {
    /// A line of text.
    pub(super) fn text(&mut self, text: &str, at: Point, set: Type) {
        if text.is_empty() {
            return;
        }
        let style = match set.weight {
            Weight::Regular => FontStyle::Normal,
            Weight::Bold => FontStyle::Bold,
        };
        let mut font = FontDesc::new(FontFamily::Name(FAMILIES), set.size * UNIT * FONT_SCALE, style);
        if set.upwards {
            font = font.transform(FontTransform::Rotate270);
        }
        let end = match set.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = TextStyle::from(font).color(&set.colour).pos(Pos::new(end, VPos::Center));
        // The backend centres small letters; capitals and digits are higher than they.
        let lower = set.size * LOWER;
        let at = if set.upwards { (at.0 + lower, at.1) } else { (at.0, at.1 + lower) };
        sure(self.backend.draw_text(text, &style, place(at)));
    }

    /// Lines of text, the first one at `at`, each `leading` below the one before.
    pub(super) fn lines(&mut self, lines: &[String], at: Point, leading: f64, set: Type) {
        for (i, line) in lines.iter().enumerate() {
            self.text(line, (at.0, at.1 + i as f64 * leading), set);
        }
    }

    /// A straight line.
    pub(super) fn line(&mut self, from: Point, to: Point, colour: Colour, width: f64) {
        let style = stroke(colour, width);
        sure(self.backend.draw_line(place(from), place(to), &style));
    }

    /// A line through points.
    pub(super) fn path(&mut self, points: &[Point], colour: Colour, width: f64) {
        let style = stroke(colour, width);
        sure(self.backend.draw_path(points.iter().map(|&p| place(p)), &style));
    }

    /// A filled rectangle.
    pub(super) fn rectangle(&mut self, corner: Point, size: Point, colour: Colour) {
        let other = (corner.0 + size.0, corner.1 + size.1);
        sure(self.backend.draw_rect(place(corner), place(other), &colour.filled(), true));
    }

    /// The border of a rectangle, drawn inside it.
    pub(super) fn outline(&mut self, corner: Point, size: Point, colour: Colour, width: f64) {
        let half = width / 2.0;
        let (left, top) = (corner.0 + half, corner.1 + half);
        let (right, bottom) = (corner.0 + size.0 - half, corner.1 + size.1 - half);
        self.path(&[(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], colour, width);
    }

    /// A filled polygon.
    pub(super) fn polygon(&mut self, corners: &[Point], colour: Colour) {
        sure(self.backend.fill_polygon(corners.iter().map(|&p| place(p)), &colour.filled()));
    }

    /// A filled circle; `opacity` from 0 to 1.
    pub(super) fn circle(&mut self, centre: Point, radius: f64, colour: Colour, opacity: f64) {
        let style = colour.mix(opacity).filled();
        sure(self.backend.draw_circle(place(centre), units(radius) as u32, &style, true));
    }

    /// A picture in a box. Enlarged pixels stay squares.
    pub(super) fn image(&mut self, image: &Pixmap, corner: Point, size: Point) {
        let png = image.encode_png().expect("a picture in memory can be encoded");
        let enlarged = size.0 >= f64::from(image.width());
        let rendering = if enlarged { " style=\"image-rendering:pixelated\"" } else { "" };
        self.images.push(format!(
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\"{rendering} \
             href=\"data:image/png;base64,{}\"/>\n",
            units(corner.0),
            units(corner.1),
            units(size.0),
            units(size.1),
            STANDARD.encode(png)
        ));
    }
}

fn units(pixels: f64) -> i32 {
    (pixels * UNIT).round() as i32
}

fn place(at: Point) -> (i32, i32) {
    (units(at.0), units(at.1))
}

fn stroke(colour: Colour, width: f64) -> ShapeStyle {
    colour.stroke_width(units(width) as u32)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The backend writes to a string, which has no way to fail.
fn sure<E: std::fmt::Debug>(result: Result<(), E>) {
    result.expect("writing to a string does not fail");
}
