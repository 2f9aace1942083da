//! The DAG as text, Graphviz dot and Mermaid, from pairs of a stage's name and the names it depends on.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use super::names::{base, collapsed};

/// A stage and what it depends on.
pub(crate) type Pair = (String, Vec<String>);

/// The stages in the order given, variants of one stage under one name, each with what it needs.
pub(crate) fn text(pairs: &[Pair]) -> String {
    let drawing = Drawing::new(pairs, true);
    let width = drawing.labels.iter().map(|label| console::measure_text_width(label)).max().unwrap_or(0);
    let mut text = String::new();
    for (i, label) in drawing.labels.iter().enumerate() {
        let needs: Vec<&str> = drawing.needs(i).map(|from| drawing.labels[from].as_str()).collect();
        let pad = " ".repeat(width - console::measure_text_width(label));
        let line = if needs.is_empty() { label.clone() } else { format!("{label}{pad}  <- {}", needs.join(", ")) };
        let _ = writeln!(text, "{line}");
    }
    text
}

/// Graphviz dot; `whole` draws every variant as its own node.
pub(crate) fn dot(pairs: &[Pair], whole: bool) -> String {
    let drawing = Drawing::new(pairs, !whole);
    let mut text = "digraph pipeline {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n".to_owned();
    for (i, label) in drawing.labels.iter().enumerate() {
        let _ = writeln!(text, "  n{i} [label=\"{}\"];", label.replace('\\', "\\\\").replace('"', "\\\""));
    }
    for (from, to) in &drawing.edges {
        let _ = writeln!(text, "  n{from} -> n{to};");
    }
    text + "}\n"
}

/// Mermaid; `whole` draws every variant as its own node.
pub(crate) fn mermaid(pairs: &[Pair], whole: bool) -> String {
    let drawing = Drawing::new(pairs, !whole);
    let mut text = "flowchart LR\n".to_owned();
    for (i, label) in drawing.labels.iter().enumerate() {
        let label = label.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;");
        let _ = writeln!(text, "  n{i}[\"{label}\"]");
    }
    for (from, to) in &drawing.edges {
        let _ = writeln!(text, "  n{from} --> n{to}");
    }
    text
}

/// Nodes and edges to draw.
struct Drawing {
    labels: Vec<String>,
    /// From producer to consumer, by place in `labels`; in the order of consumers.
    edges: Vec<(usize, usize)>,
    /// Where the edges of each consumer begin in `edges`.
    starts: Vec<usize>,
}

impl Drawing {
    fn new(pairs: &[Pair], collapse: bool) -> Self {
        let node_of = |name: &'_ str| if collapse { base(name).to_owned() } else { name.to_owned() };
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut members: Vec<Vec<&Pair>> = Vec::new();
        for pair in pairs {
            let place = *places.entry(node_of(&pair.0)).or_insert_with(|| {
                members.push(vec![]);
                members.len() - 1
            });
            members[place].push(pair);
        }
        let labels =
            members.iter().map(|pairs| collapsed(&pairs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>()));
        let labels = labels.collect();
        let (mut edges, mut starts) = (Vec::new(), Vec::new());
        for (to, pairs) in members.iter().enumerate() {
            starts.push(edges.len());
            let needs = pairs.iter().flat_map(|(_, needs)| needs).filter_map(|need| places.get(&node_of(need)));
            let needs: BTreeSet<usize> = needs.copied().filter(|&from| from != to).collect();
            edges.extend(needs.into_iter().map(|from| (from, to)));
        }
        starts.push(edges.len());
        Self { labels, edges, starts }
    }

    fn needs(&self, node: usize) -> impl Iterator<Item = usize> {
        self.edges[self.starts[node]..self.starts[node + 1]].iter().map(|&(from, _)| from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn study() -> Vec<Pair> {
        let pair = |name: &str, needs: &[&str]| (name.to_owned(), needs.iter().map(|&n| n.to_owned()).collect());
        vec![
            pair("fetch[file=images]", &[]),
            pair("fetch[file=labels]", &[]),
            pair("import", &["fetch[file=images]", "fetch[file=labels]"]),
            pair("train[model=1]", &["import"]),
            pair("train[model=2]", &["import"]),
            pair("train[model=3]", &["import"]),
            pair("evaluate[model=1]", &["train[model=1]", "import"]),
            pair("evaluate[model=2]", &["train[model=2]", "import"]),
            pair("evaluate[model=3]", &["train[model=3]", "import"]),
        ]
    }

    #[test]
    fn as_text_variants_share_a_line() {
        let expected = "\
fetch[file=images|labels] (2)
import                         <- fetch[file=images|labels] (2)
train[model=1..3] (3)          <- import
evaluate[model=1..3] (3)       <- import, train[model=1..3] (3)
";
        assert_eq!(text(&study()), expected);
    }

    #[test]
    fn as_dot_collapsed_or_whole() {
        let expected = "\
digraph pipeline {
  rankdir=LR;
  node [shape=box, style=rounded];
  n0 [label=\"fetch[file=images|labels] (2)\"];
  n1 [label=\"import\"];
  n2 [label=\"train[model=1..3] (3)\"];
  n3 [label=\"evaluate[model=1..3] (3)\"];
  n0 -> n1;
  n1 -> n2;
  n1 -> n3;
  n2 -> n3;
}
";
        assert_eq!(dot(&study(), false), expected);
        let whole = dot(&study(), true);
        assert!(whole.contains("n8 [label=\"evaluate[model=3]\"];") && whole.contains("  n5 -> n8;\n"), "{whole}");
        assert_eq!(whole.matches("->").count(), 11);
    }

    #[test]
    fn labels_cannot_end_their_quotes() {
        let odd = vec![("say[x=\"<hi>\\#]".to_owned(), vec!["gone".to_owned()])];
        assert!(dot(&odd, true).contains(r#"n0 [label="say[x=\"<hi>\\#]"];"#));
        assert_eq!(mermaid(&odd, true), "flowchart LR\n  n0[\"say[x=#quot;#lt;hi#gt;\\#35;]\"]\n");
    }

    #[test]
    fn as_mermaid() {
        let drawn = mermaid(&study(), false);
        assert!(drawn.contains("  n2[\"train[model=1..3] (3)\"]\n") && drawn.ends_with("  n2 --> n3\n"), "{drawn}");
    }
}
