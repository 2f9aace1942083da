//! What a stage gives does not depend on where it runs: results, logs, exits; and what is told where it cannot run.

use super::cluster::Cluster;
use crate::project::{Project, Ran, files};

/// A pipeline with two commands, one after the other.
const CHAIN: &str = "
    version: 1
    executor: {slurm: {latency: 3s, memory: 300MB}}
    stages:
      first:
        run: 'cat in.txt > a.txt; echo said by $0; echo b >> a.txt'
        inputs: {in: in.txt}
        outputs: {a: a.txt}
      second:
        run: 'tr a-z A-Z < a.txt > b.txt'
        inputs: {a: {from: first.a}}
        outputs: {b: b.txt}
    ";

#[test]
fn stages_run_as_jobs_and_give_what_they_give_at_home() {
    let Some(cluster) = Cluster::shared() else { return };
    let (there, here) = (Project::new(CHAIN), Project::new(CHAIN));
    for project in [&there, &here] {
        project.write("in.txt", "a\n");
    }
    let ran = Ran::from(cluster.kiln(&there, &["run", "--json"]).output().expect("kiln"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let (there_ran, here_ran) = (ran.record(), here.run(&["--executor", "local"]));
    assert_eq!(there_ran.with("executed"), ["first", "second"]);
    assert_eq!(there.read("b.txt"), "A\nB\n");
    for stage in ["first", "second"] {
        assert_eq!(there_ran.stage(stage)["key"], here_ran.stage(stage)["key"], "where it runs is in no key");
        assert_eq!(there_ran.stage(stage)["outputs"], here_ran.stage(stage)["outputs"]);
        assert!(there_ran.stage(stage)["queued"].is_number() && here_ran.stage(stage)["queued"].is_null());
    }
    assert!(there.kiln(&["log", "first"]).stdout.contains("said by"));
    let jobs = there.root().join("cache/jobs");
    assert_eq!(files(&jobs), Vec::<std::path::PathBuf>::new(), "nothing is left behind");

    // Nothing to do: Slurm is not asked, so it need not be there.
    let again = Ran::from(there.command(&["run", "--json"]).env("PATH", "/nonexistent").output().expect("kiln"));
    assert_eq!((again.code, again.record().with("up-to-date").len()), (Some(0), 2), "{}", again.stderr);
}

#[test]
fn a_stage_that_fails_there_fails_here() {
    let Some(cluster) = Cluster::shared() else { return };
    let project = Project::new(
        "
        version: 1
        executor: {slurm: {latency: 3s, memory: 300MB}}
        stages:
          fails:
            run: 'echo the reason; exit 7'
            outputs: {a: a.txt}
          silent:
            run: 'true'
            outputs: {b: b.txt}
          peeks:
            run: 'cat secret.txt > c.txt'
            outputs: {c: c.txt}
          slow:
            run: 'sleep 600 > d.txt'
            outputs: {d: d.txt}
            timeout: 1s
        ",
    );
    project.write("secret.txt", "nobody is to see it\n");
    let ran = Ran::from(cluster.kiln(&project, &["run", "--json", "-k"]).output().expect("kiln"));
    assert_eq!(ran.code, Some(1));
    let record = ran.record();
    let error = |stage: &str| record.stage(stage)["error"].as_str().unwrap_or_default().to_owned();
    assert!(error("fails").contains("exit status: 7") && error("fails").contains("the reason"), "{}", error("fails"));
    assert!(error("silent").contains("did not write its output `b`"), "{}", error("silent"));
    assert!(error("peeks").contains("exit status: 1"), "the guard works there: {}", error("peeks"));
    assert!(error("slow").contains("stopped at its timeout of 1 s"), "{}", error("slow"));
}

#[test]
fn what_cannot_run_there_is_told_at_once() {
    let Some(cluster) = Cluster::shared() else { return };
    let project = Project::new(
        "
        version: 1
        executor: slurm:latency=3s,memory=300MB
        stages:
          nowhere:
            run: 'echo > a.txt'
            outputs: {a: a.txt}
            resources:
              partition: nowhere
          large:
            run: 'echo > b.txt'
            outputs: {b: b.txt}
            resources:
              cpus: 64
          gpus:
            run: 'echo > c.txt'
            outputs: {c: c.txt}
            resources: {gpu: 1}
          long:
            run: 'echo > d.txt'
            outputs: {d: d.txt}
            resources: {partition: short, time: 2h}
        ",
    );
    let ran = Ran::from(cluster.kiln(&project, &["run", "--json", "-k"]).output().expect("kiln"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let record = ran.record();
    let error = |stage: &str| record.stage(stage)["error"].as_str().unwrap_or_default().to_owned();
    assert!(error("nowhere").contains("invalid partition specified: nowhere"), "{}", error("nowhere"));
    assert!(error("nowhere").contains("pipeline.yaml:8:7"), "{}", error("nowhere"));
    for stage in ["large", "gpus", "long"] {
        let error = error(stage);
        assert!(error.contains("does not take its job") || error.contains("would never start"), "{stage}: {error}");
    }
    assert!(cluster.jobs("large").iter().all(|job| job.contains("CANCELLED")), "{:?}", cluster.jobs("large"));
}

#[test]
fn without_a_cluster_that_is_said() {
    let project = Project::new(CHAIN);
    project.write("in.txt", "a\n");
    let ran = Ran::from(project.command(&["run"]).env("PATH", "/nonexistent").output().expect("kiln"));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("there is no Slurm here: `sbatch` is not found"), "{}", ran.stderr);
    let local = project.kiln(&["run", "--executor", "local"]);
    assert_eq!(local.code, Some(0), "{}", local.stderr);
}

#[test]
fn mistakes_in_an_executor_are_told_with_their_place() {
    let project = Project::new(
        "
        version: 1
        executor: {slurm: {partitoin: gpu, time: soon}}
        profiles:
          other: {executor: pbs}
        stages:
          a:
            run: 'echo > a.txt'
            outputs: {a: a.txt}
            executor: slurm
            resources: {memory: much}
        ",
    );
    let ran = project.kiln(&["run"]);
    assert_eq!(ran.code, Some(2));
    for text in [
        "unknown key `partitoin`",
        "`soon` is not a duration",
        "no executor `pbs`",
        "cannot run on `slurm`",
        "`much`",
        "pipeline.yaml:2",
    ] {
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
    }
    let ran = project.kiln(&["run", "--executor", "slurm:nodes=2"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("unknown option `nodes`"), "{}", ran.stderr);
}
