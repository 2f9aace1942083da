//! `kiln kinds` and `kiln schema`: every parameter of every built-in kind, what it takes and its default.

use serde_json::Value;

use crate::project::Project;

#[test]
fn every_parameter_is_listed_with_its_values_and_default() {
    let project = Project::new("version: 1\nstages: {}\n");
    let kind = |name: &str| project.kiln(&["kinds", name]).stdout;
    let cluster = kind("cluster");
    for line in [
        "with method: kmeans\n",
        "  clusters: a whole number or auto (default: auto). How many clusters",
        "  runs: a whole number (default: 10). ",
        "with method: dbscan\n",
        "  eps: a number or auto (default: auto). ",
        "  normalise: l2 or none (default: l2). ",
    ] {
        assert!(cluster.contains(line), "{line} is missing:\n{cluster}");
    }
    assert!(kind("embed").contains("  layer: a text (required). The layer"), "{}", kind("embed"));
    let fetch = kind("fetch");
    assert!(fetch.contains("digest: a text (required).") && fetch.contains("sources: a list of: a text (required)."));
    assert!(fetch.contains("unpack: none or gzip (default: none)."), "{fetch}");
    assert!(
        kind("import").contains("classes: a list of: {labels: a list of: a whole number, name: a text}."),
        "{}",
        kind("import")
    );
    assert!(
        kind("project").contains("with method: tsne\n")
            && kind("train").contains("epochs: a whole number (default: 10).")
    );
    assert!(kind("normalise").contains("method: min-max or standardise (default: min-max)."), "{}", kind("normalise"));
    assert!(!kind("evaluate").contains("\nwith"), "it has no parameters");
    let json = project.kiln(&["kinds", "project", "--json"]).json();
    let methods = json["params"]["oneOf"].as_array().expect("two methods");
    assert_eq!(methods.len(), 2);
    assert_eq!(methods[1]["properties"]["perplexity"]["default"], Value::from(30.0), "{json}");
}
