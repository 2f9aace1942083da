//! What a job is given and what is taken from it: GPUs, and its place by a job that counts for more.

use std::fs;
use std::process::Stdio;

use super::cluster::Cluster;
use crate::project::{Project, Ran, mailbox, wait_for};

#[test]
fn gpus_are_asked_for_and_a_training_goes_on_after_it_had_to_make_room() {
    let Some(cluster) = Cluster::start(&[("KILN_SLURM_GPUS", "1"), ("KILN_SLURM_PREEMPTS", "1")]) else { return };
    let outside = mailbox();
    let box_ = outside.path().display();
    let project = Project::new(&format!(
        "
        version: 1
        executor: {{slurm: {{latency: 2s, memory: 300MB}}}}
        stages:
          one:
            run: 'echo \"devices $CUDA_VISIBLE_DEVICES\" > one.txt'
            outputs: {{one: one.txt}}
            resources: {{gpu: 1}}
          none:
            run: 'echo \"devices $${{CUDA_VISIBLE_DEVICES-unset}}\" > none.txt'
            outputs: {{none: none.txt}}
          train:
            run: ['sh', 'train.sh', '{box_}']
            inputs: {{script: train.sh, one: {{from: one.one}}, none: {{from: none.none}}}}
            outputs: {{model: model.txt}}
            with: {{epochs: 4}}
            resources: {{cpus: 2, partition: main}}
            steps: {{parameter: epochs, unit: epoch}}
        "
    ));
    project.write(
        "train.sh",
        "echo begun at $KILN_STEP >> $1/begun
step=$KILN_STEP
while [ $step -lt 4 ]; do
    step=$((step + 1))
    mkdir $KILN_STATES/new
    echo $step > $KILN_STATES/new/state
    mv $KILN_STATES/new $KILN_STATES/$step
    if [ $step -eq 2 ]; then touch $1/two; until [ -e $1/go ]; do sleep 0.1; done; fi
done
echo $KILN_STEP $step > model.txt
",
    );
    let mut command = cluster.kiln(&project, &["run", "--json"]);
    let kiln = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kiln");
    wait_for(&outside.path().join("two"));
    let job = cluster.wait_for("train", "RUNNING");
    let node = cluster.slurm("squeue", &["-h", "-j", &job, "-o", "%N"]);
    let node = format!("--nodelist={}", node.trim());
    cluster.slurm(
        "sbatch",
        &["-p", "high", &node, "-c", "2", "--mem=10", "--output=/dev/null", "--chdir=/", "--wrap", "sleep 1"],
    );
    cluster.wait_for("train", "PREEMPTED");
    fs::write(outside.path().join("go"), "").expect("a file");
    let ran = Ran::from(kiln.wait_with_output().expect("kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("it was preempted; it goes on from its last step"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(outside.path().join("begun")).unwrap(), "begun at 0\nbegun at 2\n");
    assert_eq!(project.read("model.txt"), "2 4\n");
    assert_eq!(
        (project.read("one.txt").as_str(), project.read("none.txt").as_str()),
        ("devices 0\n", "devices unset\n")
    );
}
