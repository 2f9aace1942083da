//! Embedded samples: projections, clusters, samples of clusters.

use std::fmt::Write as _;

use serde_json::json;

use crate::cases::{k_distance, names, projection, projection_of_axes, sample, samples, silhouette, subclusters};

#[test]
fn only_a_linear_projection_carries_a_share_of_the_variance() {
    let all: Vec<[f64; 5]> = (0..400).map(|i| sample(i, 4).1.map(f64::from)).collect();
    let components = principal_axes(&all);
    let case = projection(400, 4, 0).made("projections", "method=pca", |path| {
        let text = components.iter().enumerate().fold("index,x,y\n".to_owned(), |mut text, (i, p)| {
            writeln!(text, "{i},{},{}", p[0], p[1]).unwrap();
            text
        });
        std::fs::write(path, text).unwrap();
    });
    let drawn = case.draw();
    let with_share: Vec<_> =
        drawn.texts().into_iter().map(|t| t.0).filter(|line| line.contains("of variance")).collect();
    assert_eq!(with_share.len(), 1, "{with_share:?}");
    let variance = |values: Vec<f64>| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
    };
    let total: f64 = (0..5).map(|k| variance(all.iter().map(|v| v[k]).collect())).sum();
    let shown: f64 = (0..2).map(|k| variance(components.iter().map(|v| v[k]).collect())).sum();
    assert_eq!(with_share[0], format!("PCA: true classes ({:.1}% of variance)", 100.0 * shown / total));
    assert!(drawn.says("t-SNE: true classes") && drawn.says("t-SNE 1"));
}

/// The first two principal components by power iteration on the covariance.
fn principal_axes(all: &[[f64; 5]]) -> Vec<[f64; 2]> {
    let n = all.len() as f64;
    let mean: [f64; 5] = std::array::from_fn(|k| all.iter().map(|v| v[k]).sum::<f64>() / n);
    let centred: Vec<[f64; 5]> = all.iter().map(|v| std::array::from_fn(|k| v[k] - mean[k])).collect();
    let dot = |a: &[f64; 5], b: &[f64; 5]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let mut axes: Vec<[f64; 5]> = Vec::new();
    for start in [[1.0, 0.1, 0.0, 0.0, 0.0], [0.1, 1.0, 0.0, 0.0, 0.0]] {
        let mut axis: [f64; 5] = start;
        for _ in 0..500 {
            let mut next = [0.0; 5];
            for v in &centred {
                let weight = dot(v, &axis);
                next.iter_mut().zip(v).for_each(|(x, y)| *x += weight * y);
            }
            for known in &axes {
                let along = dot(&next, known);
                next.iter_mut().zip(known).for_each(|(x, y)| *x -= along * y);
            }
            let length = dot(&next, &next).sqrt();
            axis = next.map(|x| x / length);
        }
        axes.push(axis);
    }
    centred.iter().map(|v| [dot(v, &axes[0]), dot(v, &axes[1])]).collect()
}

#[test]
fn clusters_have_the_colours_of_their_classes_and_noise_is_grey() {
    let svg = projection(300, 3, 20).draw().svg;
    let count = |colour: &str| svg.matches(&format!("fill=\"{colour}\"/>")).count();
    // 100 samples a class; of clusters the first class lacks 20 / 3 as noise and a quarter as a cluster of its own.
    // One more circle each in the legends.
    let (first, second, third, spare, noise) =
        (count("#0072B2"), count("#D55E00"), count("#009E73"), count("#CC79A7"), count("#B4BAC1"));
    assert_eq!(noise, 20 + 1);
    assert_eq!(first + spare, 100 + 93 + 3);
    assert_eq!(second, 100 + 93 + 2);
    assert_eq!(third, 100 + 94 + 2);
}

#[test]
fn samples_are_random_images_of_each_cluster_by_seed() {
    let case = samples([60, 28, 28, 1], 3, 7);
    let drawn = case.draw();
    // Three clusters and the noise have five or more images, the fourth cluster has four.
    assert_eq!(drawn.svg.matches("<image ").count(), 4 * 5 + 4);
    assert!(drawn.says("cluster 2") && drawn.says("noise") && drawn.says("sneakers"));
    let other = case.with(json!({"seed": 1, "samples": 2})).draw();
    assert_eq!(other.svg.matches("<image ").count(), 5 * 2);
    assert!(other.says("seed 1"));
}

#[test]
fn coordinates_that_all_projections_share_are_not_repeated() {
    let case = projection_of_axes();
    let drawn = case.draw();
    assert!(drawn.says("PCA: true classes") && drawn.says("t-SNE: clusters (ARI"), "{:?}", drawn.texts());
    assert!(!drawn.says("min-max"));
}

#[test]
fn groups_of_one_label_are_numbered_among_themselves_and_one_group_has_no_agreement() {
    let group = |label: &str, images: u64| json!({"images": images, "labels": [{"name": label, "images": images}]});
    let class = |label: u32, name: &str, groups: serde_json::Value, ari: f64| {
        let count = groups.as_array().unwrap().len();
        json!({"label": label, "name": name, "images": 200, "labels": [], "clusters": groups,
            "scores": {"images": 200, "clusters": count, "ari": ari, "purity": 0.9}})
    };
    let two = json!([group("boot", 100), group("trouser", 60), group("trouser", 40)]);
    let found = json!([class(0, "mixed", two, 0.9), class(1, "upper", json!([group("shirt", 200)]), 0.0)]).to_string();
    let drawn = crate::drawn::Case::new("visualise/categories").file("categories", found).draw();
    assert!(drawn.says("trouser, group 1") && drawn.says("trouser, group 2") && !drawn.says("group 3"));
    assert!(drawn.says("3 sub-categories in 1 of 2 classes") && drawn.says("0.900") && !drawn.says("0.000"));
}

#[test]
fn clusters_of_other_samples_are_refused() {
    let other = "index,cluster,label\n0,0,2\n";
    let mut case = samples([10, 4, 4, 1], 2, 0);
    std::fs::write(&case.inputs["clusters"][0].path, other).unwrap();
    assert!(case.error().contains("do not belong together"));
    case = projection(10, 3, 0);
    std::fs::write(&case.inputs["clusters"][0].path, other).unwrap();
    assert!(case.error().contains("do not belong together"));
    std::fs::write(&case.inputs["clusters"][0].path, "index,cluster,label\n0,0,0\n").unwrap();
    assert!(case.error().contains("missing from the clusters"));
}

#[test]
fn groups_inside_classes_are_named_counted_and_told_apart_by_shade() {
    let drawn = subclusters(300, &names(3), 2).with(json!({"classes": [1]})).draw();
    // A long name is broken.
    for text in ["0.960 for ankle boots", "0, group 1 (50)", "0, group 2 (50)", "2 groups, silhouette 0.639"] {
        assert!(drawn.says(text), "{text}: {:?}", drawn.texts());
    }
    // Fifty points of each group in both panels; one colour is that of the class.
    assert!(drawn.svg.matches("fill=\"#D55E00\"").count() >= 100);
}

#[test]
fn the_chosen_number_of_clusters_and_radius_are_drawn() {
    let drawn = silhouette(300, 3, &[2, 3, 4, 5]).draw();
    assert!(
        drawn.svg.contains("4 clusters, mean silhouette 0.") && drawn.says("the highest mean silhouette of 2 to 5")
    );
    assert!(silhouette(300, 3, &[4]).draw().says("their number was given"));
    let drawn = k_distance(400, None).draw();
    assert!(drawn.says("301 of 400 images are core points"), "{:?}", drawn.texts());
    assert!(drawn.svg.contains("6 clusters, 65 of 400 images are noise") && drawn.says("clusters tell most"));
    assert!(drawn.says("share × entropy") && !drawn.svg.contains('…'), "nothing is cut: {:?}", drawn.texts());
    let given = k_distance(400, Some(0.3)).draw();
    assert!(given.says("eps was given") && !given.says("tell"));
}
