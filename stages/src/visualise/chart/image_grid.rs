//! A grid of pictures: a row a group, a caption under each picture.

use resvg::tiny_skia::Pixmap;

use crate::visualise::canvas::{Anchor, Canvas, Point, Type};
use crate::visualise::figure::Chart;
use crate::visualise::style::{BODY, Colour, FAINT, LEADING, MUTED, SMALL, SPACE};
use crate::visualise::text::{self, Weight};

/// The longer side of a picture.
const SIDE: f64 = 84.0;
/// Between two pictures, side by side and one under another.
const GAP: Point = (1.5 * SPACE, 2.5 * SPACE);
/// The most that a row's name takes up.
const NAME: f64 = 170.0;
/// The most lines of a caption.
const LINES: usize = 3;

/// A picture with its caption.
pub(in crate::visualise) struct Picture {
    /// The pixels.
    pub(in crate::visualise) image: Pixmap,
    /// What it is.
    pub(in crate::visualise) caption: String,
    /// The colour of what it is, drawn as a bar above the caption.
    pub(in crate::visualise) colour: Colour,
}

/// A row of pictures.
pub(in crate::visualise) struct Group {
    /// What they have in common.
    pub(in crate::visualise) name: String,
    /// What else there is to say of them.
    pub(in crate::visualise) detail: String,
    /// The pictures.
    pub(in crate::visualise) pictures: Vec<Picture>,
}

/// A grid of pictures.
pub(in crate::visualise) struct ImageGrid {
    /// The rows.
    pub(in crate::visualise) groups: Vec<Group>,
}

/// Width and height of a picture whose longer side is [`SIDE`].
fn scaled(image: &Pixmap) -> Point {
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    let scale = SIDE / width.max(height);
    // Whole pixels, where they are large enough to be seen as squares.
    let scale = if scale >= 2.0 { scale.floor() } else { scale };
    ((width * scale).max(1.0), (height * scale).max(1.0))
}

impl ImageGrid {
    fn names(&self) -> f64 {
        let name = text::widest(self.groups.iter().map(|g| g.name.as_str()), BODY, Weight::Bold);
        let detail = text::widest(self.groups.iter().map(|g| g.detail.as_str()), SMALL, Weight::Regular);
        name.max(detail).min(NAME) + GAP.0
    }

    fn pictures(&self) -> impl Iterator<Item = &Picture> {
        self.groups.iter().flat_map(|g| &g.pictures)
    }

    /// A picture's room: wide enough for most captions.
    fn cell(&self) -> Point {
        let side =
            self.pictures().map(|p| scaled(&p.image)).fold((0.0, 0.0), |a: Point, b| (a.0.max(b.0), a.1.max(b.1)));
        let caption = text::widest(self.pictures().map(|p| p.caption.as_str()), SMALL, Weight::Regular);
        let width = side.0.max(caption.min(1.3 * SIDE));
        let lines = self.pictures().map(|p| caption_lines(p, width).len()).max().unwrap_or(0) as f64;
        (width, side.1 + SPACE + lines * SMALL * LEADING)
    }
}

fn caption_lines(picture: &Picture, width: f64) -> Vec<String> {
    text::wrap(&picture.caption, SMALL, Weight::Regular, width + 0.5, LINES)
}

impl Chart for ImageGrid {
    fn size(&self) -> Point {
        let columns = self.groups.iter().map(|g| g.pictures.len()).max().unwrap_or(0) as f64;
        let cell = self.cell();
        let rows = self.groups.len() as f64;
        (self.names() + columns * (cell.0 + GAP.0) - GAP.0, rows * (cell.1 + GAP.1) - GAP.1)
    }

    fn draw(&self, canvas: &mut Canvas<'_>, at: Point) {
        let (names, cell) = (self.names(), self.cell());
        let width = self.size().0;
        for (i, group) in self.groups.iter().enumerate() {
            let top = at.1 + i as f64 * (cell.1 + GAP.1);
            if i > 0 {
                canvas.line((at.0, top - GAP.1 / 2.0), (at.0 + width, top - GAP.1 / 2.0), FAINT, 1.0);
            }
            let middle = top + cell.1 / 2.0;
            let name = text::fit(&group.name, BODY, Weight::Bold, names - GAP.0 + 0.5);
            canvas.text(&name, (at.0, middle - BODY * LEADING / 2.0), Type::new(BODY).bold());
            let detail = text::fit(&group.detail, SMALL, Weight::Regular, names - GAP.0 + 0.5);
            canvas.text(&detail, (at.0, middle + BODY * LEADING / 2.0), Type::new(SMALL).colour(MUTED));
            for (j, picture) in group.pictures.iter().enumerate() {
                let left = at.0 + names + j as f64 * (cell.0 + GAP.0);
                draw_picture(canvas, picture, (left, top), cell);
            }
        }
    }
}

fn draw_picture(canvas: &mut Canvas<'_>, picture: &Picture, at: Point, cell: Point) {
    let size = scaled(&picture.image);
    let middle = at.0 + cell.0 / 2.0;
    let corner = (middle - size.0 / 2.0, at.1);
    canvas.rectangle((corner.0 - 1.0, corner.1 - 1.0), (size.0 + 2.0, size.1 + 2.0), FAINT);
    canvas.image(&picture.image, corner, size);
    canvas.rectangle((corner.0 - 1.0, corner.1 + size.1 + 1.0), (size.0 + 2.0, 3.0), picture.colour);
    let first = at.1 + size.1 + SPACE + SMALL * LEADING / 2.0;
    let set = Type::new(SMALL).anchor(Anchor::Middle);
    canvas.lines(&caption_lines(picture, cell.0), (middle, first), SMALL * LEADING, set);
}
