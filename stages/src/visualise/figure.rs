//! A whole figure: title, rows of charts, caption; laid out by the sizes of its parts and written as SVG and PNG.

use std::sync::{Arc, LazyLock};

use anyhow::Context as _;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::canvas::{Canvas, Point, Type, svg};
use super::png;
use super::style::{BODY, HEADING, LEADING, MUTED, PAPER, SPACE, TITLE};
use super::text::{self, Weight};
use crate::kind::Context;

/// Pixels of the PNG in a pixel of the SVG.
const DENSITY: f32 = 2.0;
/// The ground around everything.
const MARGIN: f64 = 3.0 * SPACE;
/// Between charts, side by side or one under another.
const GUTTER: f64 = 3.0 * SPACE;
/// A figure is never narrower than this, so that its title has room.
const NARROWEST: f64 = 380.0;
/// More lines than this of title or caption are cut.
const MOST_LINES: usize = 6;

/// Something that takes up room in a figure.
pub(super) trait Chart {
    /// Width and height.
    fn size(&self) -> Point;
    /// Draws it with its top left corner at `at`.
    fn draw(&self, canvas: &mut Canvas<'_>, at: Point);
}

/// A figure.
pub(super) struct Figure {
    /// What it shows, with the finding's number.
    pub(super) title: String,
    /// What else a reader should know at once; may be empty.
    pub(super) subtitle: String,
    /// The charts, a row under another.
    pub(super) rows: Vec<Vec<Box<dyn Chart>>>,
    /// What stands below the charts; may be empty.
    pub(super) caption: String,
}

/// Lines of one kind of text.
struct Paragraph {
    lines: Vec<String>,
    set: Type,
}

impl Paragraph {
    fn new(content: &str, room: f64, set: Type) -> Self {
        Self { lines: text::wrap(content, set.size, set.weight, room, MOST_LINES), set }
    }

    fn height(&self) -> f64 {
        self.lines.len() as f64 * self.set.size * LEADING
    }

    fn draw(&self, canvas: &mut Canvas<'_>, at: Point) {
        let leading = self.set.size * LEADING;
        canvas.lines(&self.lines, (at.0, at.1 + leading / 2.0), leading, self.set);
    }
}

impl Figure {
    /// The figure as an SVG document. The same figure gives the same bytes.
    pub(super) fn svg(&self) -> String {
        let rows: Vec<Point> = self.rows.iter().map(|row| row_size(row)).collect();
        let widest = rows.iter().map(|row| row.0).fold(NARROWEST, f64::max);
        let title = Paragraph::new(&self.title, widest, Type::new(TITLE).bold());
        let subtitle = Paragraph::new(&self.subtitle, widest, Type::new(HEADING).colour(MUTED));
        let caption = Paragraph::new(&self.caption, widest, Type::new(BODY).colour(MUTED));
        let head = title.height() + subtitle.height();
        let blocks: Vec<f64> = [head]
            .into_iter()
            .chain(rows.iter().map(|row| row.1))
            .chain([caption.height()])
            .filter(|h| *h > 0.0)
            .collect();
        let height = blocks.iter().sum::<f64>() + GUTTER * blocks.len().saturating_sub(1) as f64;
        let (width, height) = (widest + 2.0 * MARGIN, height + 2.0 * MARGIN);
        svg(width, height, &self.title, |canvas| {
            canvas.rectangle((0.0, 0.0), (width.ceil(), height.ceil()), PAPER);
            let mut y = MARGIN;
            title.draw(canvas, (MARGIN, y));
            subtitle.draw(canvas, (MARGIN, y + title.height()));
            if head > 0.0 {
                y += head + GUTTER;
            }
            for (row, size) in self.rows.iter().zip(&rows) {
                let mut x = MARGIN;
                for chart in row {
                    chart.draw(canvas, (x, y));
                    x += chart.size().0 + GUTTER;
                }
                y += size.1 + GUTTER;
            }
            caption.draw(canvas, (MARGIN, y));
        })
    }

    /// Writes the outputs `svg` and `png`.
    ///
    /// # Errors
    /// If a file cannot be written, or the figure is too large to be rasterised.
    pub(super) fn write(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let svg = self.svg();
        let png = rasterise(&svg)?;
        for (name, bytes) in [("svg", svg.as_bytes()), ("png", &png)] {
            let path = context.output(name)?;
            std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

fn row_size(row: &[Box<dyn Chart>]) -> Point {
    let sizes: Vec<Point> = row.iter().map(|chart| chart.size()).collect();
    let width = sizes.iter().map(|s| s.0).sum::<f64>() + GUTTER * sizes.len().saturating_sub(1) as f64;
    (width, sizes.iter().map(|s| s.1).fold(0.0, f64::max))
}

/// Rasterises an SVG document with the embedded fonts and no others.
///
/// # Errors
/// If it is not SVG or too large.
pub(super) fn rasterise(svg: &str) -> anyhow::Result<Vec<u8>> {
    static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(text::REGULAR.to_vec());
        fonts.load_font_data(text::BOLD.to_vec());
        fonts.set_sans_serif_family(text::FAMILY);
        Arc::new(fonts)
    });
    let options = Options { fontdb: FONTS.clone(), font_family: text::FAMILY.to_owned(), ..Options::default() };
    let tree = Tree::from_str(svg, &options)?;
    let size = tree.size();
    let (width, height) = ((size.width() * DENSITY).ceil() as u32, (size.height() * DENSITY).ceil() as u32);
    let mut pixels = Pixmap::new(width, height)
        .with_context(|| format!("a figure of {width} x {height} pixels is too large to be rasterised"))?;
    resvg::render(&tree, Transform::from_scale(DENSITY, DENSITY), &mut pixels.as_mut());
    png::encode(&pixels)
}

/// The height that a chart's title takes up: nothing where there is none.
pub(super) fn heading_height(title: &str) -> f64 {
    if title.is_empty() { 0.0 } else { HEADING * LEADING + SPACE }
}

/// Draws a chart's title into the strip that [`heading_height`] leaves for it, cut to the width of the chart.
pub(super) fn draw_heading(canvas: &mut Canvas<'_>, title: &str, at: Point, room: f64) {
    let title = text::fit(title, HEADING, Weight::Bold, room);
    canvas.text(&title, (at.0, at.1 + HEADING * LEADING / 2.0), Type::new(HEADING).bold());
}
