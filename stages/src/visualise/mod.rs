//! Figures: each kind here reads a stage's files and hands plain data to one of the charts.
//!
//! In reading order: `style` (colours, sizes), `text` (fonts and widths), `canvas` (marks in an SVG), `figure` (layout,
//! PNG), `chart/` (data in, marks out), then a file a kind. No font, clock or setting of the machine decides a pixel.

mod accuracy;
mod calibration;
mod canvas;
mod categories;
mod chart;
mod confusion;
mod curves;
mod embedded;
mod figure;
mod images;
mod k_distance;
mod layers;
mod matching;
mod mistakes;
mod network;
mod png;
mod predictions;
mod projected;
mod projection;
mod read;
mod samples;
mod scores;
mod share;
mod silhouette;
mod statistics;
mod style;
mod subclusters;
mod text;

use crate::kind::{Arity, Kind, Output, Port, Reads, Role};

/// The kinds of this module.
pub const KINDS: &[&Kind] = &[
    &statistics::KIND,
    &layers::KIND,
    &network::KIND,
    &curves::KIND,
    &confusion::KIND,
    &scores::KIND,
    &mistakes::KIND,
    &calibration::KIND,
    &silhouette::KIND,
    &k_distance::KIND,
    &projection::KIND,
    &samples::KIND,
    &subclusters::KIND,
    &categories::KIND,
    &accuracy::KIND,
];

/// What every figure writes.
const OUTPUTS: &[Output] = &[
    Output { name: "svg", file: "figure.svg", role: Role::Figure, doc: "the figure as SVG" },
    Output { name: "png", file: "figure.png", role: Role::Figure, doc: "the figure as PNG, two pixels a CSS pixel" },
];

/// What `evaluate` counted.
const CONFUSION: Port = port("confusion", Arity::One, "`confusion.csv` of an evaluate stage");
/// Where `project` stages put the samples.
const PROJECTIONS: Port = port("projections", Arity::Many, "`projection.csv` of project stages");
/// What `subclusters` found, class by class.
const CATEGORIES: Port = port("categories", Arity::One, "`categories.json` of a subclusters stage");
/// What `cluster` made its choice from.
const CHOICE: Port = port(
    "choice",
    Arity::One,
    "`choice.csv` of a cluster stage: by k-means for the silhouette, by DBSCAN for the k-distance curve",
);
/// The groups that `cluster` made.
const CLUSTERS: Port = port("clusters", Arity::One, "`clusters.csv` of a cluster stage");

/// An input that is read as the bytes it holds.
const fn port(name: &'static str, arity: Arity, doc: &'static str) -> Port {
    Port { name, doc, arity, reads: Reads::Artifact }
}
