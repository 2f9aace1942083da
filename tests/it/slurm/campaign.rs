//! Kills at random moments: Kiln, jobs, the daemons of nodes, the controller. What comes out in the end is what a clean run at home gives.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::cluster::{Cluster, processes, until_within};
use crate::project::Project;

/// How many kills, unless `KILN_TEST_CLUSTER_KILLS` says so. `just test-cluster` has many more.
const KILLS: u64 = 4;

const PIPELINE: &str = "
    version: 1
    executor: {slurm: {latency: 2s, memory: 300MB}}
    stages:
      split:
        matrix: {n: [1, 2, 3, 4]}
        run: 'sleep 0.7; (cat in.txt; echo ${matrix.n}) > split${matrix.n}.txt'
        inputs: {in: in.txt}
        outputs: {part: 'split${matrix.n}.txt'}
      count:
        matrix: {from: split}
        run: 'sleep 0.5; cksum < split${matrix.n}.txt > count${matrix.n}.txt'
        inputs: {part: {from: split.part}}
        outputs: {sum: 'count${matrix.n}.txt'}
      join:
        run: 'cat count*.txt > all.txt'
        inputs: {sums: {from: 'count[*].sum'}}
        outputs: {all: all.txt}
    ";

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

fn start(cluster: &Cluster, project: &Project) -> Child {
    let mut command = cluster.kiln(project, &["run", "--keep-going"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("kiln")
}

/// Waits for a run. Meanwhile nodes are put back to work: a controller that was started again takes one out where it meets a job that
/// it has forgotten.
fn ends_well(cluster: &Cluster, mut kiln: Child) -> bool {
    for _ in 0..600 {
        if let Some(status) = kiln.try_wait().expect("kiln") {
            return status.success();
        }
        cluster.slurm("scontrol", &["update", "NodeName=n1,n2", "State=RESUME"]);
        std::thread::sleep(Duration::from_millis(500));
    }
    let _ = kiln.kill();
    panic!("a run has no end: {}", cluster.slurm("squeue", &["-t", "all"]));
}

#[test]
fn whatever_is_killed_the_end_is_that_of_a_clean_run() {
    let Some(cluster) = Cluster::start(&[]) else { return };
    let kills = std::env::var("KILN_TEST_CLUSTER_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let seed = std::env::var("KILN_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let (project, mut random, mut edits) = (Project::new(PIPELINE), Random(seed), 0);
    project.write("in.txt", "0\n");
    let mut kiln = start(&cluster, &project);
    for kill in 0..kills {
        std::thread::sleep(Duration::from_millis(300 + random.below(3000)));
        if let Ok(Some(_)) = kiln.try_wait() {
            edits += 1;
            project.write("in.txt", &format!("{edits}\n"));
            kiln = start(&cluster, &project);
            std::thread::sleep(Duration::from_millis(1500));
        }
        let node = format!("n{}", 1 + random.below(2));
        let victim = random.below(6);
        eprintln!(
            "kill {kill}: {}",
            ["kiln", "kiln", "a job", "a job", "the daemon of a node", "the controller"][victim as usize]
        );
        match victim {
            0 | 1 => {
                let _ = kiln.kill();
                let _ = kiln.wait();
                kiln = start(&cluster, &project);
            }
            2 | 3 => {
                let jobs = processes(&project);
                if !jobs.is_empty() {
                    let at = usize::try_from(random.below(jobs.len() as u64)).expect("small");
                    let _ = Command::new("kill").args(["-9", &jobs[at]]).stderr(Stdio::null()).status();
                }
            }
            4 => {
                cluster.kill(&format!("node-{node}"));
                std::thread::sleep(Duration::from_millis(random.below(2000)));
                cluster.script(&["node", &node]);
            }
            _ => {
                cluster.kill("controller");
                std::thread::sleep(Duration::from_millis(random.below(2000)));
                cluster.script(&["controller"]);
            }
        }
    }
    ends_well(&cluster, kiln);
    // Five lost attempts in a row are a failure; then it is run again, as a person would.
    let done = (0..5).any(|_| ends_well(&cluster, start(&cluster, &project)));
    assert!(done, "{}", project.kiln(&["status"]).stdout);
    let clean = Project::new(PIPELINE);
    clean.write("in.txt", &project.read("in.txt"));
    clean.run(&["--executor", "local"]);
    for name in ["all.txt", "split1.txt", "count4.txt"] {
        assert_eq!(project.read(name), clean.read(name), "{name}");
    }
    // A controller that was killed hears of the end of a job when its node next says which it has. On a busy machine that
    // took more than two minutes.
    until_within(Duration::from_secs(300), "no job is left", || {
        !cluster.slurm("squeue", &["-h"]).lines().any(|line| line.contains(" R "))
    });
}
