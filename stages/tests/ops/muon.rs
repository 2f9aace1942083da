//! Muon's steps against Keras's (`fixtures/ops/make_muon.py`).

use stages::ops::Share;
use stages::ops::muon::Muon;
use stages::ops::optimiser::Gradient;

use super::cases::{assert_close_slices, flat};
use super::pytorch::{number, read};

#[test]
fn steps_of_muon_are_kerass() {
    let fixture = read("muon.safetensors");
    assert_eq!(fixture.cases.len(), 10);
    for (name, settings) in &fixture.cases {
        let form = ["rows", "columns"].map(|key| number(settings, key));
        let muon = Muon {
            learning_rate: 0.02,
            momentum: settings["momentum"].as_f64().unwrap() as f32,
            nesterov: settings["nesterov"] == true,
            ns_steps: number(settings, "ns_steps"),
            weight_decay: 0.05,
        };
        let values = |key: &str| flat(&fixture.tensors[&format!("{name}.{key}")]);
        let mut parameter = values("start");
        let mut velocity = vec![0.0; parameter.len()];
        for gradient in values("gradients").chunks(parameter.len()) {
            // As two shards, which add up to the gradient.
            let part: Vec<f32> = gradient.iter().map(|g| g * 0.25).collect();
            let rest: Vec<f32> = gradient.iter().map(|g| g * 0.75).collect();
            let shards = [Share::Values(&part), Share::Values(&rest)];
            muon.update(&mut parameter, form, &mut velocity, Gradient::new(&shards));
        }
        assert_close_slices(name, &parameter, &values("end"), 1e-5);
    }
}

#[test]
fn a_matrix_without_a_gradient_only_decays() {
    let muon = Muon { learning_rate: 0.5, momentum: 0.9, nesterov: true, ns_steps: 5, weight_decay: 0.5 };
    let (mut parameter, mut velocity) = (vec![8.0; 12], vec![0.0; 12]);
    muon.update(&mut parameter, [3, 4], &mut velocity, Gradient::new(&[Share::Values(&[0.0; 12])]));
    assert_eq!((parameter, velocity), (vec![6.0; 12], vec![0.0; 12]));
}
