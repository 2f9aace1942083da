//! `kiln remote`, and the remote cache of a command: which one it is, and what may be done with it.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use kiln::diagnostic::{Diagnostic, Label};
use kiln::pipeline::{Pipeline, RemoteSpec};
use kiln::remote::{Access, Address, Mistake, Policy, PublicKey, Remote, SecretKey, Settings, write_secret};
use kiln::store::Store;

use super::select::{Far, FarAccess, ProjectArgs, Select};
use super::{Stop, project, render};

#[derive(Args, Debug)]
pub(crate) struct RemoteArgs {
    #[command(subcommand)]
    pub(crate) command: RemoteCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RemoteCommand {
    /// Make a remote cache: a small object that says that there is one.
    Init {
        /// Its URL [default: that of the pipeline file].
        url: Option<String>,
        /// Write the object even where there is one that is damaged.
        #[arg(long)]
        force: bool,
    },
    /// Look whether there is one, and write, read, list and delete a small object.
    Check {
        /// Its URL [default: that of the pipeline file].
        url: Option<String>,
    },
    /// Delete results that have long not been used, and what no result names; without `--delete`, say what that is.
    Gc {
        /// Its URL [default: that of the pipeline file].
        url: Option<String>,
        /// Results that were not used for so long.
        #[arg(long, value_name = "TIME", default_value = "90d", value_parser = super::gc::limit)]
        unused: std::time::Duration,
        /// Keep what is younger, whatever names it: it may be on the way.
        #[arg(long, value_name = "TIME", default_value = "1d", value_parser = super::gc::limit)]
        grace: std::time::Duration,
        /// Delete it.
        #[arg(short = 'y', long, visible_alias = "yes")]
        delete: bool,
    },
    /// Make a key pair that signs results: the secret key goes into a file, the public one to standard output.
    Keygen {
        /// The file, which must not be there yet.
        file: PathBuf,
    },
}

/// How long a run waits at its end until all is sent, unless the pipeline file says otherwise.
const WAIT: Duration = Duration::from_secs(10);

/// The remote cache of a command, if there is one. Its settings are checked; whether there is a cache, too, unless this was seen before.
pub(crate) fn open(pipeline: &Pipeline, store: &Store, far: &Far, lazy: bool) -> Result<Option<Remote>, Stop> {
    if far.offline {
        return Ok(None);
    }
    let Some(settings) =
        settings(pipeline.remote.as_ref(), far, lazy).map_err(|mistake| told(&mistake, pipeline, far))?
    else {
        return Ok(None);
    };
    let remote = Remote::open(settings, store).and_then(|remote| remote.check_first().map(|()| remote));
    remote.map(Some).map_err(|mistake| told(&mistake, pipeline, far))
}

/// The remote cache of the pipeline file for a command that asks it nothing; none if it cannot be used.
pub(crate) fn unasked(pipeline: &Pipeline, store: &Store) -> Option<Remote> {
    let settings = settings(pipeline.remote.as_ref(), &Far::default(), false).ok()??;
    Remote::open(settings, store).ok()
}

/// The remote cache of a project for a command about runs; it is not asked yet, and nothing of it is noted. None if there is none, or if the
/// pipeline file cannot be read: such a command needs none of what else is in it.
pub(crate) fn of_project(place: &ProjectArgs, far: &Far) -> Result<Option<Remote>, Stop> {
    if far.offline {
        return Ok(None);
    }
    let Ok(pipeline) = project::load_settings(place, &Select::default()) else { return Ok(None) };
    let opened = settings(pipeline.remote.as_ref(), far, false)
        .and_then(|settings| settings.map(|settings| Remote::open_for(settings, None)).transpose());
    opened.map_err(|mistake| told(&mistake, &pipeline, far))
}

/// What is wrong with a remote cache, where the pipeline file names it.
fn told(mistake: &Mistake, pipeline: &Pipeline, far: &Far) -> Stop {
    match pipeline.remote.as_ref().filter(|_| far.remote.is_none()) {
        Some(spec) => {
            let diagnostic = Diagnostic {
                labels: vec![Label { file: pipeline.file.clone(), span: spec.span(), text: String::new() }],
                ..Diagnostic::error(&mistake.message).hint(&mistake.hint)
            };
            Stop::Mistakes(vec![diagnostic])
        }
        None => usage(mistake),
    }
}

fn usage(mistake: &Mistake) -> Stop {
    Stop::Usage(format!("{}\nhint: {}", mistake.message, mistake.hint))
}

/// What is known of the remote cache before it is asked.
fn settings(spec: Option<&RemoteSpec>, far: &Far, lazy: bool) -> Result<Option<Settings>, Mistake> {
    let url = far.remote.as_deref().filter(|url| !url.is_empty()).or(spec.map(|spec| spec.url.as_str()));
    let Some(url) = url else { return Ok(None) };
    let accept = spec.map_or(&[][..], |spec| &spec.accept);
    let asked = far.remote_access.map(|access| match access {
        FarAccess::Read => Access::Read,
        FarAccess::Write => Access::Write,
        FarAccess::Both => Access::Both,
    });
    let in_ci = asked.is_none() && is_untrusted();
    let usual = if in_ci { Access::Read } else { spec.and_then(|spec| spec.access).unwrap_or(Access::Both) };
    Ok(Some(Settings {
        address: Address::parse(url)?,
        access: asked.unwrap_or(usual),
        in_ci,
        lazy: lazy || spec.is_some_and(|spec| spec.lazy),
        accept: accept.iter().map(|key| key.parse::<PublicKey>()).collect::<Result<_, _>>()?,
        key: SecretKey::of_environment()?,
        wait: spec.and_then(|spec| spec.wait).unwrap_or(WAIT),
    }))
}

/// Whether this is continuous integration on a branch that is not protected. There, whoever opens a merge request decides what is run, and
/// what the pipeline file says; so results are taken and not sent, unless that was allowed from outside.
fn is_untrusted() -> bool {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found.eq_ignore_ascii_case(value));
    let ci = env::var("CI").is_ok_and(|value| !value.is_empty() && !["0", "false"].contains(&value.as_str()));
    let protected = is("GITHUB_REF_PROTECTED", "true") || is("CI_COMMIT_REF_PROTECTED", "true");
    ci && !protected
}

/// `kiln remote`.
pub(crate) fn remote(place: &ProjectArgs, command: &RemoteCommand) -> Result<u8, Stop> {
    match command {
        RemoteCommand::Init { url, force } => {
            let remote = named(place, url.as_deref())?;
            let made = remote.init(*force).map_err(|mistake| usage(&mistake))?;
            let address = remote.address();
            render::data(&if made {
                format!("{address} is a cache now\n")
            } else {
                format!("{address} is a cache already\n")
            })?;
        }
        RemoteCommand::Check { url } => {
            let remote = named(place, url.as_deref())?;
            let tried = remote.try_out().map_err(|mistake| usage(&mistake))?;
            render::data(&render::remote::tried(&remote.address().to_string(), &tried, remote.writes()))?;
        }
        RemoteCommand::Gc { url, unused, grace, delete } => {
            let remote = named(place, url.as_deref())?;
            let policy = Policy { unused: *unused, grace: *grace };
            let expired = remote.expired(policy).map_err(|mistake| usage(&mistake))?;
            if *delete {
                remote.delete(&expired).map_err(|mistake| usage(&mistake))?;
            }
            render::data(&render::remote::expired(&expired, *delete))?;
        }
        RemoteCommand::Keygen { file } => {
            let (key, text) = SecretKey::generate().map_err(|mistake| usage(&mistake))?;
            write_secret(file, &text).map_err(|mistake| usage(&mistake))?;
            render::talk(&format!(
                "the secret key is in {}; KILN_SIGNING_KEY={} signs with it\nthe public key, for `remote: {{accept: [...]}}`:\n",
                file.display(),
                file.display()
            ));
            render::data(&format!("{}\n", key.public()))?;
        }
    }
    Ok(0)
}

/// The remote cache that is named here, or in the pipeline file.
fn named(place: &ProjectArgs, url: Option<&str>) -> Result<Remote, Stop> {
    let far = Far { remote: url.map(str::to_owned).or_else(|| env::var("KILN_REMOTE").ok()), ..Far::default() };
    let far = Far { remote_access: Some(FarAccess::Both), ..far };
    let (spec, root) = match &far.remote {
        Some(_) => (None, None),
        None => {
            let root = project::root(&place.file)?;
            (project::load_settings(place, &Select::default())?.remote, Some(root))
        }
    };
    let none = || {
        Stop::Usage("no remote cache is named\nhint: name one here, or write `remote: s3://bucket/prefix` into the pipeline file".to_owned())
    };
    let settings = settings(spec.as_ref(), &far, false).map_err(|mistake| usage(&mistake))?.ok_or_else(none)?;
    let store = root.as_deref().map(|root: &Path| project::store_to_write(place, root)).transpose()?;
    Remote::open_for(settings, store.as_ref()).map_err(|mistake| usage(&mistake))
}
