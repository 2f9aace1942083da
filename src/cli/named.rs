//! Names of runs in the remote cache: looking one up, giving one, and telling there which run is of a commit.

use kiln::engine::RecordedKeys;
use kiln::pipeline::Pipeline;
use kiln::record::{RunRecord, RunStatus};
use kiln::remote::{Remote, RunName};
use kiln::store::{Project, Store};

use super::past::{Named, NoRun, Past, of_git};
use super::select::{Far, ProjectArgs};
use super::{Stop, at_commit, project, remote, render};

/// What a name stands for: a run that the local cache has, else one that the remote cache has, if there is one.
pub(crate) fn find(past: &Past, place: &ProjectArgs, far: &Far, name: &str) -> Result<Named, Stop> {
    let near = past.search(name)?;
    if let Ok(Named::Run(_)) = near {
        return near.map_err(|error| past.told(error));
    }
    let mut names = Vec::new();
    if unfit(name).is_none() {
        names.push(RunName::Tag(name.to_owned()));
    }
    if let Ok(Named::Changed(..)) = &near {
        return near.map_err(|error| past.told(error));
    }
    if let Ok(Named::Nothing(none)) = &near {
        names.extend(names_of_commit(past, none));
    }
    if !names.is_empty()
        && let Some(remote) = remote::of_project(place, far)?
        && let Some(run) = there(&remote, name, &names)
    {
        return Ok(Named::Run(Box::new(run)));
    }
    near.map_err(|error| past.told(error))
}

/// How a run is asked for that another one is held against.
pub(crate) struct Asked<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Whether a commit that has no run is run.
    pub(crate) runs: bool,
    /// Whether gates are held against it.
    pub(crate) judges: bool,
    /// The command that would run the commit.
    pub(crate) command: &'a str,
}

/// The run that a name stands for, to be compared with. Where gates judge by it, or a commit is to be run as it is, a run of changed files does not
/// serve.
pub(crate) fn compared(past: &Past, place: &ProjectArgs, far: &Far, asked: &Asked<'_>) -> Result<RunRecord, Stop> {
    match find(past, place, far, asked.name)? {
        Named::Run(run) => Ok(*run),
        Named::Nothing(none) if asked.runs => at_commit::run(past, place, &none),
        Named::Nothing(none) => Err(past.no_run_of(&none, asked.command)),
        Named::Changed(run, _, told) if !(asked.judges || asked.runs) => {
            render::talk(&told);
            Ok(*run)
        }
        Named::Changed(run, none, _) => match of_commit(past, place, far, &none)? {
            Some(run) => Ok(run),
            None if asked.runs => at_commit::run(past, place, &none),
            None => Err(Past::changed_run(&run, &none, asked.command)),
        },
    }
}

/// The keys by which sources that are not here are told: those of the run of the commit that is checked out, which the local cache has or the remote one;
/// without such a run, of the last run here. It is told which run that is. None if there is no run either, or all sources are here.
pub(crate) fn keys_without(absent: &[String], place: &ProjectArgs, far: &Far) -> Result<RecordedKeys, Stop> {
    if absent.is_empty() {
        return Ok(RecordedKeys::new());
    }
    let past = Past::open(place)?;
    let has_head = past.in_repository().is_ok_and(|repository| repository.commit("HEAD").is_ok());
    let of_head = if has_head { find(&past, place, far, "HEAD").ok() } else { None };
    let (run, whose) = match of_head {
        Some(Named::Run(run)) => (*run, "that of this commit"),
        other => match past.find("latest") {
            Ok(run) if other.is_some() => (run, "the last one here, for there is none of this commit"),
            Ok(run) => (run, "the last one here"),
            Err(_) => {
                project::tell_absent(absent);
                return Ok(RecordedKeys::new());
            }
        },
    };
    let what = project::not_here(absent);
    render::talk(&format!("note: {what}, and taken to be what it was in run {}, {whose}\n", run.id));
    Ok(run.stages.iter().filter_map(|stage| Some((stage.name.clone(), stage.key?))).collect())
}

/// Makes sure that a run is compared with another one. A gate between a run and itself holds whatever the project has become.
pub(crate) fn are_two(base: &RunRecord, last: &RunRecord, judges: bool) -> Result<(), Stop> {
    if base.id != last.id {
        return Ok(());
    }
    let text = format!("run {} is compared with itself", last.id);
    let hint = "`kiln run` makes a run of the project as it is";
    if judges {
        return Err(Stop::Usage(format!("{text}: no gate can fail\nhint: {hint}")));
    }
    render::talk(&format!("note: {text}; {hint}\n"));
    Ok(())
}

/// Makes sure that the last run is of the commit that is checked out. A gate is not held against a run of another commit; of changed files, which
/// may have been committed since, it is told only.
pub(crate) fn is_of_head(past: &Past, last: &RunRecord, judges: bool) -> Result<(), Stop> {
    let (Ok(head), Some(git)) = (past.in_repository().and_then(|it| it.commit("HEAD").map_err(of_git)), &last.git)
    else {
        return Ok(());
    };
    let Some(commit) = git.commit.as_deref().filter(|commit| *commit != head.id) else { return Ok(()) };
    if git.tree.as_ref() == Some(&head.tree) && git.dirty == Some(false) {
        return Ok(());
    }
    let commit = commit.get(..9).unwrap_or(commit);
    let text = format!("the last run, {}, is of commit {commit}, and {} is checked out", last.id, head.short());
    if judges && git.dirty == Some(false) {
        let hint = format!(
            "`kiln run` makes one of this commit, and executes nothing if nothing was changed; to judge that run all the same, name it: `{}`",
            last.id
        );
        return Err(Stop::Usage(format!("{text}: a gate would judge other code\nhint: {hint}")));
    }
    render::talk(&format!("note: {text}\n"));
    Ok(())
}

/// The run of a commit, without changes, that the remote cache has, if there is one.
fn of_commit(past: &Past, place: &ProjectArgs, far: &Far, none: &NoRun) -> Result<Option<RunRecord>, Stop> {
    let remote = remote::of_project(place, far)?;
    Ok(remote.and_then(|remote| there(&remote, &none.name, &names_of_commit(past, none))))
}

fn names_of_commit(past: &Past, none: &NoRun) -> Vec<RunName> {
    let Some(pipeline) = past.path_in_repository() else { return vec![] };
    vec![
        RunName::Commit { id: none.commit.id.clone(), pipeline: pipeline.clone() },
        RunName::Files { tree: none.commit.tree.clone(), pipeline },
    ]
}

/// The run that a remote cache has under one of these names. What is wrong is said, and is no reason to end: the name may be a wrong one.
fn there(remote: &Remote, name: &str, names: &[RunName]) -> Option<RunRecord> {
    let found = remote.reads().then(|| remote.who_is(names)).transpose();
    let run = found.and_then(|found| found.flatten().map(|named| remote.run_of(&named)).transpose());
    match run {
        Ok(run) => run.inspect(|run| {
            render::talk(&format!("{name} is run {} in {}, made on {}\n", run.id, remote.address(), run.host.name));
        }),
        Err(mistake) => {
            render::talk(&format!("warning: {}\nhint: {}\n", mistake.message, mistake.hint));
            None
        }
    }
}

/// What became of giving a name in the remote cache.
pub(crate) enum Given {
    /// There is no remote cache, or nothing may be sent there.
    Nowhere,
    /// It has the name.
    There(String),
}

/// The remote cache that a tag goes to, if it may go there.
pub(crate) fn place_for_tags(place: &ProjectArgs, far: &Far) -> Result<Option<Remote>, Stop> {
    Ok(remote::of_project(place, far)?.filter(Remote::writes))
}

/// The other run that has a tag in the remote cache already.
pub(crate) fn taken(remote: &Remote, name: &str, run: &str) -> Option<String> {
    let named = remote.who_is(&[RunName::Tag(name.to_owned())]).ok().flatten();
    named.map(|named| named.run).filter(|other| other != run)
}

/// Gives a run a tag in the remote cache.
pub(crate) fn give(remote: Option<&Remote>, name: &str, run: &RunRecord) -> Given {
    let Some(remote) = remote else { return Given::Nowhere };
    match remote.give_names(&[RunName::Tag(name.to_owned())], run) {
        Ok(()) => Given::There(remote.address().to_string()),
        Err(mistake) => {
            let text = format!("warning: {}; only this cache has the tag\nhint: {}", mistake.message, mistake.hint);
            render::talk(&format!("{text}; `kiln push` sends it later\n"));
            Given::Nowhere
        }
    }
}

/// Takes a tag away from the remote cache; tells whether it was there.
pub(crate) fn take(remote: &Remote, name: &str) -> bool {
    remote.take_name(&RunName::Tag(name.to_owned())).unwrap_or_else(|mistake| {
        render::talk(&format!("warning: {}; the tag stays there\nhint: {}\n", mistake.message, mistake.hint));
        false
    })
}

/// Tells the remote cache that a run is that of its commit, if the run was of all stages as the commit has them, ended well, and had to do
/// with the remote cache. A run that asks it nothing tells it nothing either.
pub(crate) fn after_run(remote: &Remote, pipeline: &Pipeline, record: &RunRecord) {
    let traffic = remote.traffic();
    if remote.writes() && !remote.is_off() && traffic.asked + traffic.sent > 0 {
        let names = commit_of(pipeline, record);
        if !names.is_empty()
            && let Err(mistake) = remote.give_names(&names, record)
        {
            tracing::debug!("the remote cache does not know of which commit the run is: {mistake}");
        }
        render::remote::news(Some(remote));
    }
}

/// The names of a run that its commit gives it.
fn commit_of(pipeline: &Pipeline, record: &RunRecord) -> Vec<RunName> {
    let whole = record.stages.len() == pipeline.stages.len() && record.set.is_empty();
    if whole && record.status == RunStatus::Ok { RunName::of(record) } else { vec![] }
}

/// Sends what of a project's runs has a name: the last one that of its commit, and those with tags.
pub(crate) fn push(remote: &Remote, pipeline: &Pipeline, store: &Store) {
    let project = Project::at(&pipeline.root, &pipeline.file);
    let mut sent: Vec<(RunRecord, Vec<RunName>)> = Vec::new();
    if let Ok(run) = store.find_run("latest", Some(&project)) {
        let names = commit_of(pipeline, &run);
        sent.push((run, names));
    }
    for tag in store.tags().unwrap_or_default() {
        let Ok(run) = store.find_run(&tag.run, Some(&project)) else { continue };
        match taken(remote, &tag.name, &run.id) {
            Some(other) => render::talk(&format!(
                "the remote cache has run {other} as `{}`, and this one run {}; it stays so\n\
                 hint: `kiln tag --force {} {}` gives the name to this one there as well\n",
                tag.name, run.id, run.id, tag.name
            )),
            None => sent.push((run, vec![RunName::Tag(tag.name)])),
        }
    }
    for (run, names) in sent.into_iter().filter(|(_, names)| !names.is_empty()) {
        if remote.is_off() {
            return;
        }
        if let Err(mistake) = remote.give_names(&names, &run) {
            render::talk(&format!("warning: {}\nhint: {}\n", mistake.message, mistake.hint));
            return;
        }
    }
}

/// Why a name would be read as something else.
pub(crate) fn unfit(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+');
    if name.is_empty() || !name.chars().all(plain) || name.starts_with(['-', '.', '/']) || name.contains("..") {
        return Some(
            "a tag is made of letters, digits and `-`, `_`, `.`, `/`, `+`, and begins with none of `-`, `.` and `/`",
        );
    }
    if name == "latest" {
        return Some("`latest` is the last run");
    }
    let id = name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_lowercase());
    id.then_some("eight small letters are the id of a run")
}
