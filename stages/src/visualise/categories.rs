//! `visualise/categories`: what each class means, as a table of the sub-categories found inside it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::table::{Align, Row, Table};
use super::figure::Figure;
use super::read::{self, grouped};
use crate::kind::{Context, Kind, check, schema};

/// A label with at least this share of a group is part of its name.
const PART: f64 = 0.2;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "visualise/categories",
    summary: "Draws a table of the classes: their labels, and the sub-categories found inside them.",
    inputs: &[super::CATEGORIES],
    outputs: super::OUTPUTS,
    check: check::<Params>,
    params: schema::<Params>,
    run,
    fixed: None,
    chain: None,
    module: "visualise/categories.rs",
};

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Params {
    /// What stands over the figure; the most important number follows it.
    title: String,
    /// A remark below the figure.
    caption: String,
}

impl Default for Params {
    fn default() -> Self {
        Self { title: "The meaning of each class".to_owned(), caption: String::new() }
    }
}

/// How many images have an original label.
#[derive(Deserialize)]
pub(super) struct Count {
    name: String,
    images: u64,
}

/// How good the groups of a class are.
#[derive(Deserialize)]
pub(super) struct Scores {
    /// The mean silhouette, where there are several groups.
    pub(super) silhouette: Option<f64>,
    /// The agreement with the original labels, where there are several.
    pub(super) ari: Option<f64>,
}

/// A group inside a class.
#[derive(Deserialize)]
pub(super) struct Group {
    /// How many images it has.
    pub(super) images: u64,
    labels: Vec<Count>,
}

/// A class.
#[derive(Deserialize)]
pub(super) struct Category {
    /// Its number.
    pub(super) label: u32,
    /// Its name.
    pub(super) name: String,
    /// How many images it has.
    pub(super) images: u64,
    /// How good its groups are.
    pub(super) scores: Scores,
    /// Its groups, the largest first.
    pub(super) clusters: Vec<Group>,
}

impl Group {
    /// The labels that make up a good part of it.
    fn name(&self) -> String {
        let large = |count: &&Count| count.images as f64 >= PART * self.images as f64;
        let named: Vec<&str> = self.labels.iter().filter(large).map(|count| count.name.as_str()).collect();
        if named.is_empty() { "mixed".to_owned() } else { named.join(", ") }
    }

    fn labels(&self) -> String {
        let label = |count: &Count| format!("{} {}", count.name, grouped(count.images));
        self.labels.iter().map(label).collect::<Vec<_>>().join(", ")
    }
}

impl Category {
    /// Whether it falls into groups.
    pub(super) fn is_divided(&self) -> bool {
        self.clusters.len() > 1
    }

    /// How well its groups agree with the original labels. One group agrees with nothing.
    pub(super) fn agreement(&self) -> Option<f64> {
        self.scores.ari.filter(|_| self.is_divided())
    }

    /// What the groups are called: by the labels in them, and by a number where that does not tell them apart.
    pub(super) fn names(&self) -> Vec<String> {
        let names: Vec<String> = self.clusters.iter().map(Group::name).collect();
        let name = |(i, name): (usize, &String)| {
            let same = |names: &[String]| names.iter().filter(|other| *other == name).count();
            match same(&names) {
                1 => name.clone(),
                _ => format!("{name}, group {}", same(&names[..=i])),
            }
        };
        names.iter().enumerate().map(name).collect()
    }
}

/// The classes of a `categories.json`.
///
/// # Errors
/// If the file cannot be read, is something else, or holds no class or an empty one.
pub(super) fn open(path: &Path) -> anyhow::Result<Vec<Category>> {
    let categories: Vec<Category> = read::json(path)?;
    let whole = !categories.is_empty() && categories.iter().all(|category| !category.clusters.is_empty());
    anyhow::ensure!(whole, "{} has no classes, or one without groups", path.display());
    Ok(categories)
}

fn run(params: &Value, context: &Context<'_>) -> anyhow::Result<()> {
    let params = Params::deserialize(params)?;
    let categories = open(context.input("categories")?)?;
    let divided = || categories.iter().filter(|category| category.is_divided());
    let found: usize = divided().map(|category| category.clusters.len()).sum();
    let title = match divided().count() {
        0 => format!("{}: no class falls into sub-categories", params.title),
        count => format!("{}: {found} sub-categories in {count} of {} classes", params.title, categories.len()),
    };
    let subtitle =
        "Groups found in the embeddings of each class alone; the original labels only name them and check them";
    let heads = [
        ("class", Align::Right),
        ("meaning", Align::Left),
        ("images", Align::Right),
        ("silhouette", Align::Right),
        ("ARI", Align::Right),
        ("sub-category", Align::Left),
        ("images", Align::Right),
        ("original labels in it", Align::Left),
    ];
    let table = Table {
        title: String::new(),
        columns: heads.map(|(head, align)| (head.to_owned(), align)).to_vec(),
        rows: categories.iter().flat_map(rows).collect(),
        notes: vec![
            "Silhouette: how far apart the groups of a class are; none where the class is one group.".to_owned(),
            "ARI: agreement of the groups with the original labels (1 the same, 0 by chance); none where there is one group \
             or one label."
                .to_owned(),
        ],
        width: 520.0,
    };
    Figure { title, subtitle: subtitle.to_owned(), rows: vec![vec![Box::new(table)]], caption: params.caption }
        .write(context)
}

/// A row a group; the first one says what holds for the class.
fn rows(category: &Category) -> Vec<Row> {
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |v| format!("{v:.3}").replace('-', "−"));
    let of_class = [
        category.label.to_string(),
        category.name.clone(),
        grouped(category.images),
        number(category.scores.silhouette),
        number(category.agreement()),
    ];
    let names = category.names();
    let row = |(i, group): (usize, &Group)| {
        let first = if i == 0 { of_class.to_vec() } else { vec![String::new(); of_class.len()] };
        let own = [names[i].clone(), grouped(group.images), group.labels()];
        Row::new(first.into_iter().chain(own))
    };
    category.clusters.iter().enumerate().map(row).collect()
}
