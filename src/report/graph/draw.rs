//! A laid-out graph as SVG: on its own, or within a page whose style sheet colours it.

use maud::{Markup, PreEscaped, html};

use super::Graph;
use super::layout::{Layout, layout};

const LABEL: f64 = 13.0;
const DETAIL: f64 = 11.5;
const PAD: (f64, f64) = (12.0, 8.0);
const MARGIN: f64 = 6.0;
/// The width of a page's text and figures, less the margins: a drawing in a page is to fit.
const ROOM: f64 = 880.0;
/// The ground and the ink of a drawing on its own.
const LIGHT: [(&str, &str); 3] = [("ink", "#22211f"), ("line", "#8d877c"), ("box", "#ffffff")];

/// An SVG document of its own, readable on any ground.
pub fn document(graph: &Graph) -> String {
    let layout = laid_out(graph, None);
    let (width, height) = size(&layout);
    let body = body(graph, &layout);
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(n(width)) height=(n(height)) viewBox=(view(width, height))
            font-family="system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif" {
            title { "The stages of the pipeline" }
            rect width="100%" height="100%" fill=(LIGHT[2].1) {}
            (body)
        }
    };
    format!("{}\n", markup.into_string())
}

/// The drawing as part of a page; the title is for those who cannot see it.
pub(in crate::report) fn element(graph: &Graph, title: &str) -> Markup {
    let layout = laid_out(graph, Some(ROOM));
    let (width, height) = size(&layout);
    html! {
        svg.graph role="img" aria-label=(title) width=(n(width)) height=(n(height)) viewBox=(view(width, height))
            style=(format!("--w:{}px", n(width))) {
            (body(graph, &layout))
        }
    }
}

fn laid_out(graph: &Graph, room: Option<f64>) -> Layout {
    let width = |text: &str, size: f64| text_width(text, size);
    let sizes: Vec<(f64, f64)> = graph
        .nodes
        .iter()
        .map(|node| {
            let wide = width(&node.label, LABEL).max(width(&node.detail, DETAIL)) + 2.0 * PAD.0;
            let lines = if node.detail.is_empty() { LABEL * 1.35 } else { LABEL * 1.35 + DETAIL * 1.4 };
            (wide.ceil(), (lines + 2.0 * PAD.1).ceil())
        })
        .collect();
    layout(&sizes, &graph.edges, room)
}

fn size(layout: &Layout) -> (f64, f64) {
    (layout.size.0 + 2.0 * MARGIN, layout.size.1 + 2.0 * MARGIN)
}

fn view(width: f64, height: f64) -> String {
    format!("0 0 {} {}", n(width), n(height))
}

fn body(graph: &Graph, layout: &Layout) -> Markup {
    let (ink, line, ground) = (LIGHT[0].1, LIGHT[1].1, LIGHT[2].1);
    html! {
        g transform=(format!("translate({MARGIN} {MARGIN})")) {
            g.edges fill="none" stroke=(line) stroke-width="1.25" {
                @for points in &layout.edges { path d=(curve(points)) {} }
            }
            @for (node, centre) in graph.nodes.iter().zip(&layout.centres) {
                @let wide = text_width(&node.label, LABEL).max(text_width(&node.detail, DETAIL)) + 2.0 * PAD.0;
                @let lines = if node.detail.is_empty() { LABEL * 1.35 } else { LABEL * 1.35 + DETAIL * 1.4 };
                @let (wide, high) = (wide.ceil(), (lines + 2.0 * PAD.1).ceil());
                g class=(format!("node {}", node.class).trim()) {
                    @if !node.whole.is_empty() && node.whole != node.label { title { (node.whole) } }
                    rect x=(n(centre.0 - wide / 2.0)) y=(n(centre.1 - high / 2.0)) width=(n(wide)) height=(n(high))
                        rx="5" fill=(ground) stroke=(line) stroke-width="1.25" {}
                    @let top = centre.1 - high / 2.0 + PAD.1;
                    text.label x=(n(centre.0)) y=(n(top + LABEL)) text-anchor="middle" font-size=(LABEL) fill=(ink) {
                        (node.label)
                    }
                    @if !node.detail.is_empty() {
                        text.detail x=(n(centre.0)) y=(n(top + LABEL * 1.35 + DETAIL)) text-anchor="middle"
                            font-size=(DETAIL) fill=(ink) { (node.detail) }
                    }
                }
            }
        }
    }
}

/// Vertical at both ends and at every layer that is passed.
fn curve(points: &[(f64, f64)]) -> PreEscaped<String> {
    let mut path = String::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| points[i]);
        path += &match before {
            None => format!("M{} {}", n(x), n(y)),
            Some((px, _)) if px == x => format!("V{}", n(y)),
            Some((px, py)) => {
                let middle = n((py + y) / 2.0);
                format!("C{} {middle} {} {middle} {} {}", n(px), n(x), n(x), n(y))
            }
        };
    }
    PreEscaped(path)
}

/// A number with a tenth of a pixel.
fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// About how wide a text is in a sans-serif font: rather too wide than too narrow.
pub(in crate::report) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '|' | '!' | '\'' | ' ' | '·' => 0.31,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' => 0.4,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.93,
        'A'..='Z' => 0.72,
        c if c.is_ascii() => 0.59,
        _ => 1.0,
    };
    text.chars().map(em).sum::<f64>() * size
}
