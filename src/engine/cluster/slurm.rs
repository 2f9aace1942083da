//! Slurm, through its own commands. Nothing else in Kiln knows it.
//!
//! Jobs are found by the name of their batch, so that one whose submission was not answered is found, too. What `scancel` says of its
//! success means nothing, nor does the end state of a job: what was killed may be `COMPLETED`, and what is complete may be `TIMEOUT`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::scheduler::{Answer, Batch, Job, Known, Over, Said, Scheduler, State, Wants, ask, is_there};

/// Slurm. What it allows is asked once, when the first jobs are submitted.
#[derive(Default)]
pub(super) struct Slurm {
    limits: Option<Limits>,
}

/// What a cluster allows.
#[derive(Clone, Copy)]
struct Limits {
    array: usize,
    remembers: Duration,
}

/// So long a command may take. A controller that is away is told of after 9 to 20 seconds.
const ANSWER: Duration = Duration::from_secs(30);

/// So long a submission may take. Where the queue is full `sbatch` goes on trying for two minutes.
const SUBMISSION: Duration = Duration::from_secs(20);

/// The most jobs in a batch, whatever the cluster allows.
const BATCH: usize = 500;

/// The variables by which a user changes what the commands do. Those of a job that Kiln itself runs in are among them.
const CHANGING: [&str; 5] = ["SBATCH_", "SQUEUE_", "SCANCEL_", "SLURM_", "SALLOC_"];

/// Texts of `sbatch` that say that it may work out later, or has.
const UNDECIDED: [&str; 5] = [
    "Socket timed out",
    "Unable to contact",
    "Zero Bytes were transmitted",
    "Communication connection failure",
    "lost connection",
];

/// Texts that say that there is no room now.
const FULL: [&str; 3] = ["temporarily unable to accept job", "temporarily unavailable", "job submit limit"];

/// Why a job waits that will never start as it is.
const NEVER: [&str; 9] = [
    "PartitionConfig",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "BadConstraints",
    "InvalidAccount",
    "InvalidQOS",
    "AssocMaxCpuPerJobLimit",
    "QOSMaxCpuPerJobLimit",
    "DependencyNeverSatisfied",
];

/// A command of Slurm's that does as it is told here.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text != "SLURM_CONF" && CHANGING.iter().any(|start| text.starts_with(start)) {
            command.env_remove(&name);
        }
    }
    command.env("SLURM_TIME_FORMAT", "%s");
    command
}

impl Scheduler for Slurm {
    fn name(&self) -> &'static str {
        "Slurm"
    }

    fn missing(&self) -> Option<String> {
        let missing = ["sbatch", "squeue", "scancel"].into_iter().find(|program| !is_there(program, Path::new("/")))?;
        Some(format!(
            "there is no Slurm here: `{missing}` is not found\nhint: run Kiln where jobs are submitted, such as a login node, or with `--executor local`"
        ))
    }

    fn most(&mut self) -> usize {
        let limits = *self.limits.get_or_insert_with(Limits::ask);
        limits.array.clamp(1, BATCH)
    }

    fn index_variable(&self) -> Option<&'static str> {
        Some("SLURM_ARRAY_TASK_ID")
    }

    fn memory(&self, _wants: &Wants) -> String {
        // What a partition gives to those who do not ask is there, too.
        "${SLURM_MEM_PER_NODE:-$((${SLURM_MEM_PER_CPU:-0} * ${SLURM_CPUS_ON_NODE:-0}))}".into()
    }

    fn name_of(&self, batch: &str, index: usize) -> String {
        format!("{batch}_{index}")
    }

    fn submit(&mut self, batch: &Batch<'_>) -> Answer {
        let mut sbatch = command("sbatch");
        let wants = batch.wants;
        sbatch.args(["--parsable", "--no-requeue", "--open-mode=append", "--export=ALL", "--input=/dev/null"]);
        sbatch.arg(format!("--job-name={}", batch.name)).arg(format!("--comment={}", batch.comment));
        sbatch.arg(format!("--array=0-{}", batch.jobs - 1));
        let folder = batch.folder.display();
        if batch.is_seen {
            sbatch.arg(format!("--chdir={folder}")).arg(format!("--output={folder}/%a.out"));
        } else {
            sbatch.args(["--chdir=/", "--output=/dev/null"]);
        }
        sbatch.args(["--nodes=1", "--ntasks=1"]).arg(format!("--cpus-per-task={}", wants.cpus));
        if wants.gpus > 0 {
            sbatch.arg(format!("--gres=gpu:{}", wants.gpus));
        }
        let wishes = &wants.wishes;
        if let Some(megabytes) = wants.megabytes() {
            sbatch.arg(format!("--mem={megabytes}M"));
        }
        if let Some(time) = wishes.time {
            sbatch.arg(format!("--time={}", time.as_secs().div_ceil(60)));
        }
        let named = [
            ("partition", &wishes.partition),
            ("account", &wishes.account),
            ("qos", &wishes.qos),
            ("constraint", &wishes.constraint),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                sbatch.arg(format!("--{name}={value}"));
            }
        }
        sbatch.args(&wishes.options).arg(batch.script);
        let said = match ask(&mut sbatch, SUBMISSION) {
            Ok(said) => said,
            Err(error) => return Answer::Refused(format!("cannot start sbatch: {error}")),
        };
        answer(&said)
    }

    fn poll(&mut self, batches: &[Known]) -> Result<Vec<Job>, String> {
        let names: Vec<&str> = batches.iter().map(|batch| batch.name.as_str()).collect();
        let user = rustix::process::getuid().as_raw();
        let mut squeue = command("squeue");
        squeue.args(["--noheader", "--array", "--states=all", "--format=%j|%K|%F|%T|%r"]);
        squeue.arg(format!("--user={user}")).arg(format!("--name={}", names.join(",")));
        let said = ask(&mut squeue, ANSWER).map_err(|error| format!("cannot start squeue: {error}"))?;
        if said.code != Some(0) {
            return Err(said.why());
        }
        Ok(said.stdout.lines().filter_map(job).collect())
    }

    fn cancel(&mut self, jobs: &[String]) -> Result<(), String> {
        let said =
            ask(command("scancel").args(jobs), ANSWER).map_err(|error| format!("cannot start scancel: {error}"))?;
        if said.code == Some(0) { Ok(()) } else { Err(said.why()) }
    }

    fn remembers(&self) -> Option<Duration> {
        self.limits.map(|limits| limits.remembers)
    }
}

impl Limits {
    fn ask() -> Self {
        let said = ask(command("scontrol").args(["show", "config"]), ANSWER);
        let text = said.map(|said| said.stdout).unwrap_or_default();
        let number = |name: &str| {
            let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
            line.split_once('=')?.1.split_whitespace().next()?.parse::<u64>().ok()
        };
        let array = number("MaxArraySize").and_then(|size| usize::try_from(size).ok()).unwrap_or(1001);
        Self { array: array.saturating_sub(1), remembers: Duration::from_secs(number("MinJobAge").unwrap_or(300)) }
    }
}

/// What `sbatch` means.
fn answer(said: &Said) -> Answer {
    let texts = format!("{}\n{}", said.stderr, said.stdout);
    let says = |any: &[&str]| any.iter().any(|text| texts.contains(text));
    let id = said.stdout.trim().split(';').next().unwrap_or_default();
    if said.code == Some(0) && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Answer::Accepted(id.to_owned());
    }
    let why = said.why();
    let why = why.strip_prefix("sbatch: error: ").unwrap_or(&why).to_owned();
    match said.code {
        _ if says(&FULL) => Answer::Busy(why),
        None => Answer::Unknown(why),
        Some(_) if said.timed_out || says(&UNDECIDED) => Answer::Unknown(why),
        // Several lines say more than the first: `Batch job submission failed: ...` is the last.
        Some(_) => {
            let lines = said.stderr.lines().map(|line| line.trim_start_matches("sbatch: error: ").trim());
            Answer::Refused(lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; "))
        }
    }
}

/// A line of `squeue`.
fn job(line: &str) -> Option<Job> {
    let mut fields = line.split('|');
    let (batch, index, id) = (fields.next()?, fields.next()?, fields.next()?);
    let (state, reason) = (fields.next()?, fields.next().unwrap_or_default());
    Some(Job {
        batch: batch.to_owned(),
        index: index.parse().ok()?,
        id: format!("{id}_{index}"),
        state: of(state, reason),
    })
}

/// What a state means.
fn of(state: &str, reason: &str) -> State {
    match state {
        "PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "SPECIAL_EXIT" | "RESV_DEL_HOLD" => match reason {
            _ if NEVER.contains(&reason) => State::Stuck(reason.to_owned()),
            "launch failed requeued held" | "launch_failed_requeued_held" => State::Held(reason.to_owned()),
            // A requeued job has to wait.
            "BeginTime" => State::PutBack(reason.to_owned()),
            _ => State::Queued(reason.to_owned()),
        },
        // So it says of a script that a signal ended as well as of one that was never begun.
        "FAILED" if reason == "JobLaunchFailure" => {
            State::Over(Over::Itself("JobLaunchFailure: it was killed, or could not be started".into()))
        }
        "COMPLETED" | "FAILED" => State::Over(Over::Itself(reason.to_owned())),
        "TIMEOUT" | "DEADLINE" => State::Over(Over::OutOfTime),
        "OUT_OF_MEMORY" => State::Over(Over::OutOfMemory),
        "CANCELLED" | "REVOKED" => State::Over(Over::Cancelled),
        "NODE_FAIL" => State::Over(Over::Lost("its node was lost".into())),
        "BOOT_FAIL" => State::Over(Over::Lost("its node did not come up".into())),
        "PREEMPTED" => State::Over(Over::Lost("it was preempted".into())),
        // Among them are COMPLETING, which hides how it ended, and SUSPENDED.
        _ => State::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: i32, stdout: &str, stderr: &str) -> Said {
        Said { code: Some(code), stdout: stdout.into(), stderr: stderr.into(), timed_out: false }
    }

    #[test]
    fn answers_are_told_apart() {
        assert!(matches!(answer(&said(0, "12\n", "")), Answer::Accepted(id) if id == "12"));
        assert!(matches!(answer(&said(0, "12;east\n", "")), Answer::Accepted(id) if id == "12"));
        let timed_out = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n";
        assert!(matches!(answer(&said(1, "", timed_out)), Answer::Unknown(_)));
        let full = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n";
        assert!(matches!(answer(&said(1, "", full)), Answer::Busy(_)));
        let refused = "sbatch: error: invalid partition specified: x\nsbatch: error: Batch job submission failed: Invalid partition name specified\n";
        let Answer::Refused(why) = answer(&said(1, "", refused)) else { panic!("it is refused") };
        assert_eq!(
            why,
            "invalid partition specified: x; Batch job submission failed: Invalid partition name specified"
        );
    }

    #[test]
    fn lines_are_read() {
        let job = job("kiln-1|3|17|PENDING|Resources").unwrap();
        assert_eq!((job.index, job.id.as_str()), (3, "17_3"));
        assert_eq!(job.state, State::Queued("Resources".into()));
        assert!(super::job("kiln-1|N/A|17|RUNNING|None").is_none());
        assert_eq!(of("PENDING", "PartitionNodeLimit"), State::Stuck("PartitionNodeLimit".into()));
        assert_eq!(of("COMPLETING", "None"), State::Running);
        assert_eq!(of("OUT_OF_MEMORY", "OutOfMemory"), State::Over(Over::OutOfMemory));
    }
}
