//! The kinds `cluster` and `project` against scikit-learn, at their limits, and on any number of threads.
//!
//! The references are in `fixtures/analysis/reference.json`, made by `make.py` beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis};
use serde_json::{Value, json};
use stages::analysis::cluster::{Dbscan, dbscan, kmeans};
use stages::analysis::embeddings::Embeddings;
use stages::analysis::points::Points;
use stages::analysis::project::{Tsne, pca, tsne};
use stages::analysis::score::{Agreement, silhouette, trustworthiness};
use stages::artifact::tensors::{self, Data, Tensors};
use stages::kind::{Checkpoints, Context, Input};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/analysis").join(name)
}

fn reference() -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture("reference.json")).unwrap()).unwrap()
}

fn images() -> Embeddings {
    Embeddings::open(&fixture("embeddings.safetensors")).unwrap()
}

#[track_caller]
fn close(found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{found}, scikit-learn {expected}");
}

#[track_caller]
fn agrees(clusters: &[i64], labels: &[u32], expected: &Value) {
    let agreement = Agreement::new(clusters, labels);
    close(agreement.ari(), &expected["ari"], 1e-9);
    close(agreement.nmi(), &expected["nmi"], 1e-9);
    close(agreement.purity(), &expected["purity"], 1e-9);
}

/// Writes embeddings, runs a kind on them, and returns what it wrote: the table and the metrics.
fn run(kind: &str, with: Value, threads: usize, values: &Array2<f32>) -> anyhow::Result<(String, Value)> {
    let labels: Vec<u32> = (0..values.nrows() as u32).map(|i| i % 3).collect();
    let directory = tempfile::tempdir()?;
    let input = directory.path().join("embeddings.safetensors");
    let elements: Vec<f32> = values.iter().copied().collect();
    let shape = vec![values.nrows(), values.ncols()];
    let tensors = [("embeddings", shape, Data::F32(&elements)), ("labels", vec![labels.len()], Data::U32(&labels))];
    tensors::write(&input, &tensors, BTreeMap::new())?;
    run_on(kind, with, threads, input)
}

fn run_on(kind: &str, with: Value, threads: usize, input: PathBuf) -> anyhow::Result<(String, Value)> {
    let kind = stages::kinds().find(|k| k.name == kind).unwrap();
    let params = (kind.check)(&with).map_err(|e| anyhow::anyhow!("{}: {}", e.path.join("."), e.message))?;
    let directory = tempfile::tempdir()?;
    let context = Context {
        inputs: BTreeMap::from([("embeddings".to_owned(), vec![Input { label: String::new(), path: input }])]),
        outputs: kind.outputs.iter().map(|o| (o.name.to_owned(), directory.path().join(o.file))).collect(),
        threads,
        device: "cpu".into(),
        project: directory.path().to_owned(),
        checkpoints: Checkpoints::default(),
        events: &|_| {},
    };
    (kind.run)(&params, &context)?;
    let read = |at: usize| std::fs::read_to_string(directory.path().join(kind.outputs[at].file));
    Ok((read(0)?, serde_json::from_str(&read(1)?)?))
}

#[test]
fn pca_is_that_of_scikit_learn() {
    let (images, reference) = (images(), reference());
    let (expected, found) = (&reference["pca"], pca(&images.values).unwrap());
    for (i, row) in expected["projection"].as_array().unwrap().iter().enumerate() {
        for axis in 0..2 {
            close(found.projection[[i, axis]], &row[axis], 1e-9);
        }
    }
    for axis in 0..2 {
        close(found.variance[axis], &expected["explained_variance"][axis], 1e-9);
        close(found.ratio[axis], &expected["explained_variance_ratio"][axis], 1e-9);
    }
    let kept = trustworthiness(&Points::new(images.values.view()), found.projection.view(), 10).unwrap();
    close(kept, &expected["trustworthiness"], 1e-9);
}

#[test]
fn pca_of_more_dimensions_than_points_is_the_same() {
    // 20 points of 32 dimensions go through the Gram matrix; every point twice makes 40, which go through the covariance.
    let values = images().values.slice(ndarray::s![..20, ..]).to_owned();
    let tall = pca(&ndarray::concatenate![Axis(0), values, values]).unwrap();
    let wide = pca(&values).unwrap();
    for i in 0..20 {
        for axis in 0..2 {
            assert!((tall.projection[[i, axis]] - wide.projection[[i, axis]]).abs() < 1e-9);
        }
    }
    assert!((tall.ratio[0] - wide.ratio[0]).abs() < 1e-12 && (tall.ratio[1] - wide.ratio[1]).abs() < 1e-12);
}

#[test]
fn ten_runs_of_kmeans_find_the_best_from_any_seed() {
    // Seven groups of unequal size along a line, close together at one end: a start of plain k-means++ often misses some.
    let mut rng = stages::rng::Rng::new(5, "test", 0);
    let centres = [0.0, 6.0, 14.0, 40.0, 90.0, 96.0, 300.0];
    let values = Array2::from_shape_fn((1400, 2), |(i, _)| {
        let group = if i % 2 == 0 { 0 } else { i / 2 % 7 };
        centres[group] + f64::from(rng.normal())
    });
    let found: Vec<f64> = (0..10).map(|seed| kmeans(values.view(), 7, 10, seed).unwrap().inertia).collect();
    assert!(found.iter().all(|inertia| (inertia - found[0]).abs() < 1e-6 * found[0]), "{found:?}");
}

#[test]
fn kmeans_is_as_good_as_the_best_of_scikit_learn() {
    let (images, reference) = (images(), reference());
    let expected = &reference["kmeans"];
    for seed in 0..3 {
        let found = kmeans(images.values.view(), 3, 30, seed).unwrap();
        close(found.inertia, &expected["inertia"], 1e-9);
        let mut sizes = vec![0; 3];
        found.clusters.iter().for_each(|&c| sizes[c] += 1);
        sizes.sort_unstable();
        assert_eq!(json!(sizes), expected["sizes"]);
        let clusters: Vec<i64> = found.clusters.iter().map(|&c| c as i64).collect();
        agrees(&clusters, &images.labels, expected);
        close(silhouette(images.values.view(), &found.clusters).unwrap(), &expected["silhouette"], 1e-9);
    }
}

#[test]
fn silhouette_of_the_classes_is_that_of_scikit_learn() {
    let images = images();
    let classes: Vec<usize> = images.labels.iter().map(|&l| l as usize).collect();
    close(silhouette(images.values.view(), &classes).unwrap(), &reference()["silhouette_of_classes"], 1e-9);
}

#[test]
fn dbscan_labels_every_point_as_scikit_learns_brute_force() {
    let (images, reference) = (images(), reference());
    for (normalise, expected) in reference["dbscan"].as_object().unwrap() {
        let with = json!({"min_samples": expected["min_samples"], "eps": expected["eps"], "normalise": normalise});
        let params: Dbscan = serde_json::from_value(with).unwrap();
        let found = dbscan(&images.values, &params).unwrap();
        let clusters: Vec<i64> = found.clusters.iter().map(|c| c.map_or(-1, |c| c as i64)).collect();
        assert_eq!(json!(clusters), expected["clusters"], "normalise: {normalise}");
        agrees(&clusters, &images.labels, expected);
        let kept: Vec<usize> = (0..clusters.len()).filter(|&i| clusters[i] >= 0).collect();
        let labels: Vec<usize> = kept.iter().map(|&i| clusters[i] as usize).collect();
        let score = silhouette(found.values.select(Axis(0), &kept).view(), &labels).unwrap();
        close(score, &expected["silhouette_without_noise"], 1e-9);
    }
}

#[test]
fn dbscan_counts_neighbours_at_exactly_eps() {
    // Every inner point of the grid has four neighbours at distance 1: with `<` there would be only noise.
    let grid = Array2::from_shape_fn((36, 2), |(i, axis)| if axis == 0 { i / 6 } else { i % 6 } as f64);
    let params: Dbscan = serde_json::from_value(json!({"min_samples": 5, "eps": 1.0, "normalise": "none"})).unwrap();
    let found = dbscan(&grid, &params).unwrap().clusters;
    let corners = [0, 5, 30, 35];
    for (i, cluster) in found.iter().enumerate() {
        assert_eq!(*cluster, (!corners.contains(&i)).then_some(0), "point {i}");
    }
}

#[test]
fn automatic_eps_separates_dense_groups_from_scattered_points() {
    // Three tight groups of 60 in 8 dimensions, 20 points far from everything.
    let mut rng = stages::rng::Rng::new(5, "test", 0);
    let values = Array2::from_shape_fn((200, 8), |(i, axis)| match i {
        180.. => rng.between(-30.0, 30.0),
        _ => rng.normal() * 0.2 + if i / 60 == axis { 10.0 } else { 0.0 },
    });
    let with = json!({"method": "dbscan", "min_samples": 10, "normalise": "none"});
    let (table, metrics) = run("cluster", with, 2, &values).unwrap();
    assert_eq!((&metrics["clusters"], &metrics["noise"]), (&json!(3), &json!(20)), "{metrics}");
    assert!(table.starts_with("index,cluster,label,silhouette\n0,0,0,0."));
    assert!(table.ends_with("\n199,-1,1,\n"));
    assert!(metrics["eps"].as_f64().unwrap() > 0.0 && metrics.get("silhouette").is_none());
    assert!(metrics["silhouette_without_noise"].as_f64().unwrap() > 0.9);
}

#[test]
fn tsne_is_as_good_as_scikit_learns() {
    let (images, reference) = (images(), reference());
    let expected = &reference["tsne"];
    let (kl, trust) = (expected["kl_divergence"].as_f64().unwrap(), expected["trustworthiness"].as_f64().unwrap());
    let points = Points::new(images.values.view());
    for seed in 0..3 {
        let params = Tsne { perplexity: 30.0, iterations: 1000, seed };
        let found = tsne(&images.values, &params, &|_| {}).unwrap();
        assert!(found.kl_divergence <= 1.05 * kl, "seed {seed}: KL {}, scikit-learn {kl}", found.kl_divergence);
        let kept = trustworthiness(&points, found.projection.view(), 10).unwrap();
        assert!(kept >= trust - 0.005, "seed {seed}: trustworthiness {kept}, scikit-learn {trust}");
    }
}

#[test]
fn trustworthiness_is_that_of_scikit_learn() {
    let images = images();
    let map = Tensors::open(&fixture("embeddings.safetensors")).unwrap().f32("tsne").unwrap().into_owned();
    let map = Array2::from_shape_vec((images.values.nrows(), 2), map).unwrap().mapv(f64::from);
    let found = trustworthiness(&Points::new(images.values.view()), map.view(), 10).unwrap();
    close(found, &reference()["tsne"]["trustworthiness"], 1e-9);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let images = images().values;
    // More rows than a block of any of the computations: the images, and the images moved a little.
    let values = ndarray::concatenate![Axis(0), images, &images + 0.25, &images * 1.1].mapv(|v| v as f32);
    for (kind, with) in [
        ("cluster", json!({"method": "kmeans", "clusters": 7, "runs": 3})),
        ("cluster", json!({"method": "kmeans", "most": 4, "runs": 2})),
        ("cluster", json!({"method": "dbscan"})),
        ("project", json!({"method": "pca"})),
        ("project", json!({"method": "tsne", "iterations": 300})),
    ] {
        let one = run(kind, with.clone(), 1, &values).unwrap();
        for threads in [2, 4] {
            assert_eq!(run(kind, with.clone(), threads, &values).unwrap(), one, "{with} on {threads} threads");
        }
    }
}

#[test]
fn seeds_matter_to_what_is_random() {
    let values = images().values.mapv(|v| v as f32);
    let project = |seed| run("project", json!({"method": "tsne", "iterations": 50, "seed": seed}), 2, &values).unwrap();
    assert_ne!(project(1).0, project(2).0);
    let cluster = |seed| {
        run("cluster", json!({"method": "kmeans", "clusters": 40, "runs": 1, "seed": seed}), 2, &values).unwrap()
    };
    assert_ne!(cluster(1).0, cluster(2).0);
}

#[track_caller]
fn finite(table: &str, metrics: &Value, rows: usize) {
    assert_eq!(table.lines().count(), rows + 1);
    assert!(
        table
            .lines()
            .skip(1)
            .flat_map(|l| l.trim_end_matches(',').split(','))
            .all(|v| v.parse::<f64>().unwrap().is_finite()),
        "{table}"
    );
    assert!(!metrics.to_string().contains("null"), "{metrics}");
}

#[test]
fn small_and_degenerate_inputs_give_numbers() {
    let line = |n: usize| Array2::from_shape_fn((n, 3), |(i, axis)| if axis == 0 { i as f32 } else { 7.0 });
    let constant = Array2::from_elem((50, 4), 0.1_f32);
    let zeros = Array2::zeros((30, 2));
    let huge = Array2::from_shape_fn((60, 3), |(i, axis)| (i * (axis + 1) % 17) as f32 * 1e37);
    let tiny = Array2::from_shape_fn((60, 3), |(i, axis)| (i * (axis + 1) % 17) as f32 * 1e-40);
    for values in
        [line(2), line(5), line(40), line(5).slice(ndarray::s![.., ..1]).to_owned(), constant, zeros, huge, tiny]
    {
        let n = values.nrows();
        let (table, metrics) = run("project", json!({"method": "pca"}), 2, &values).unwrap();
        finite(&table, &metrics, n);
        let (table, metrics) = run("cluster", json!({"method": "kmeans", "clusters": 2}), 2, &values).unwrap();
        finite(&table, &metrics, n);
        let (table, metrics) = run("cluster", json!({"method": "dbscan", "eps": 0.5}), 2, &values).unwrap();
        finite(&table, &metrics, n);
        if n >= 4 {
            let (table, metrics) = run("project", json!({"method": "tsne", "iterations": 60}), 2, &values).unwrap();
            finite(&table, &metrics, n);
            assert!(metrics["perplexity"].as_f64().unwrap() <= (n - 1) as f64 / 3.0);
        }
    }
    let (table, _) = run("cluster", json!({"method": "kmeans", "clusters": 1}), 1, &line(1)).unwrap();
    assert_eq!(table, "index,cluster,label,silhouette\n0,0,0,\n");
}

#[test]
fn what_cannot_be_done_is_said() {
    let line = |n: usize| Array2::from_shape_fn((n, 1), |(i, _)| i as f32);
    let says = |kind: &str, with: Value, values: &Array2<f32>, text: &str| {
        let error = format!("{:#}", run(kind, with, 1, values).unwrap_err());
        assert!(error.contains(text), "{error}");
    };
    says("cluster", json!({"method": "kmeans", "clusters": 6}), &line(5), "6 clusters were asked for but there are 5");
    says("cluster", json!({"method": "dbscan"}), &line(20), "`eps: auto` needs more embeddings than min_samples = 20");
    says("cluster", json!({"method": "dbscan"}), &Array2::ones((30, 2)), "finds no radius");
    says("project", json!({"method": "pca"}), &line(1), "at least 2 embeddings, but there is 1");
    says("project", json!({"method": "tsne"}), &line(3), "at least 4 embeddings, but there are 3");
    says("project", json!({"method": "pca"}), &Array2::zeros((0, 3)), "is empty");
    let mut diverged = line(9);
    diverged[[4, 0]] = f32::NAN;
    says("cluster", json!({"method": "kmeans", "clusters": 2}), &diverged, "NaN in row 4, column 0");
}

#[test]
fn mistakes_in_parameters_are_named_at_their_place() {
    let mistake = |kind: &str, with: Value| {
        let kind = stages::kinds().find(|k| k.name == kind).unwrap();
        let error = (kind.check)(&with).unwrap_err();
        (error.path.join("."), error.message)
    };
    for (kind, with, place, text) in [
        ("cluster", Value::Null, "", "`method` is missing"),
        ("cluster", json!({"clusters": 5}), "", "`method` is missing"),
        ("cluster", json!({"method": "k-means"}), "method", "no method \"k-means\""),
        ("cluster", json!({"method": "kmeans", "most": 1}), "most", "nothing to choose from"),
        ("cluster", json!({"method": "kmeans", "clusters": 0}), "clusters", "at least one cluster"),
        ("cluster", json!({"method": "kmeans", "clusters": "five"}), "clusters", "a whole number or `auto`"),
        ("cluster", json!({"method": "kmeans", "clusters": 5, "eps": 1}), "eps", "unknown field `eps`"),
        ("cluster", json!({"method": "dbscan", "eps": "best"}), "eps", "a positive number or `auto`"),
        ("cluster", json!({"method": "dbscan", "eps": -1}), "eps", "must be positive"),
        ("cluster", json!({"method": "dbscan", "min_samples": 1}), "min_samples", "at least two"),
        ("project", json!({"method": "pca", "seed": 1}), "seed", "unknown field `seed`"),
        ("project", json!({"method": "tsne", "perplexity": 0.5}), "perplexity", "at least 1"),
        ("project", json!({"method": "tsne", "iterations": 0}), "iterations", "at least one iteration"),
    ] {
        let (found_place, message) = mistake(kind, with.clone());
        assert_eq!(found_place, place, "{with}: {message}");
        assert!(message.contains(text), "{with}: {message}");
    }
}

#[test]
fn spelling_a_default_out_changes_nothing() {
    let check = |kind: &str, with: Value| (stages::kinds().find(|k| k.name == kind).unwrap().check)(&with).unwrap();
    for (kind, short, long) in [
        (
            "cluster",
            json!({"method": "kmeans", "clusters": 5}),
            json!({"seed": 0, "runs": 10, "most": 10, "clusters": 5, "method": "kmeans"}),
        ),
        (
            "cluster",
            json!({"method": "dbscan"}),
            json!({"method": "dbscan", "min_samples": 20, "eps": "auto", "normalise": "l2"}),
        ),
        ("project", json!({"method": "pca"}), json!({"method": "pca"})),
        (
            "project",
            json!({"method": "tsne"}),
            json!({"method": "tsne", "perplexity": 30, "iterations": 1000, "seed": 0}),
        ),
    ] {
        let canonical = check(kind, short);
        assert_eq!(check(kind, long), canonical);
        assert_eq!(check(kind, canonical.clone()), canonical, "a canonical value is its own canonical value");
    }
}

/// Embeddings in the groups of `centres`, 60 of each, with the class and the original label of each group.
fn grouped(centres: &[(usize, u32, u32)], spread: f32) -> (tempfile::TempDir, PathBuf) {
    let mut rng = stages::rng::Rng::new(9, "test", 0);
    let of = |i: usize| centres[i / 60];
    let count = 60 * centres.len();
    let values: Vec<f32> =
        (0..count * 16).map(|at| spread * rng.normal() + if at % 16 == of(at / 16).0 { 5.0 } else { 0.0 }).collect();
    let labels: Vec<u32> = (0..count).map(|i| of(i).1).collect();
    let originals: Vec<u32> = (0..count).map(|i| of(i).2).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("embeddings.safetensors");
    let names = |names: &[&str]| serde_json::to_string(names).unwrap();
    let metadata = BTreeMap::from([
        ("classes".to_owned(), names(&["shoes", "boots and trousers"])),
        ("original_classes".to_owned(), names(&["sneaker", "boot", "trouser"])),
    ]);
    let tensors = [
        ("embeddings", vec![count, 16], Data::F32(&values)),
        ("labels", vec![count], Data::U32(&labels)),
        ("original_labels", vec![count], Data::U32(&originals)),
    ];
    tensors::write(&path, &tensors, metadata).unwrap();
    (directory, path)
}

#[test]
fn groups_inside_a_class_are_found_without_its_labels() {
    // One class is a single cloud; the other two, whatever their labels say.
    for (first, second) in [(1, 2), (2, 1), (1, 1)] {
        let (_directory, path) = grouped(&[(0, 0, 0), (3, 1, first), (7, 1, second)], 0.5);
        let (table, metrics) = run_on("subclusters", json!({"seed": 3}), 2, path).unwrap();
        let (shoes, other) = (&metrics["classes"]["shoes"], &metrics["classes"]["boots and trousers"]);
        assert_eq!((&shoes["clusters"], &other["clusters"]), (&json!(1), &json!(2)), "{metrics}");
        assert!(other["silhouette"].as_f64().unwrap() > 0.5 && shoes.get("silhouette").is_none(), "{metrics}");
        let agreement = if first == second { Value::Null } else { json!(1.0) };
        assert_eq!(other.get("ari").cloned().unwrap_or(Value::Null), agreement, "{metrics}");
        let groups: Vec<&str> = table.lines().skip(1).map(|line| line.split(',').nth(2).unwrap()).collect();
        assert!(groups[..60].iter().all(|g| *g == "0"));
        assert!(groups[60..120].iter().all(|g| *g == groups[60]) && groups[120..].iter().all(|g| *g == groups[120]));
        assert_ne!(groups[60], groups[120]);
    }
}

#[test]
fn groups_inside_a_class_are_the_same_on_any_number_of_threads() {
    let (_directory, path) = grouped(&[(0, 0, 0), (3, 1, 1), (7, 1, 2), (9, 1, 2)], 0.8);
    let one = run_on("subclusters", json!({}), 1, path.clone()).unwrap();
    assert_eq!(run_on("subclusters", json!({}), 3, path).unwrap(), one);
}

#[test]
fn groups_inside_classes_need_names() {
    let values = Array2::from_shape_fn((12, 2), |(i, axis)| (i * (axis + 1)) as f32);
    let error = format!("{:#}", run("subclusters", json!({}), 1, &values).unwrap_err());
    assert!(error.contains("original_labels"), "{error}");
    let kind = stages::kinds().find(|k| k.name == "subclusters").unwrap();
    let error = (kind.check)(&json!({"smallest": 0.7})).unwrap_err();
    assert_eq!(error.path, ["smallest"]);
}
