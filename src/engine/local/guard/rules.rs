//! Limits as a Landlock ruleset. Whatever no rule allows is refused.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, PathBeneath, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, Scope,
};

use super::Limits;
use super::privileges;
use super::readable_roots::{ReadableRoots, handle};

/// Rights are asked for as this version has them; an older kernel enforces those that it knows.
const RIGHTS: ABI = ABI::V6;

/// The variable that switches the guard off.
const SWITCH: &str = "KILN_GUARD";

/// The limits of a process, ready for it to enter; nothing where the kernel knows none.
pub(crate) struct Confinement(Option<OwnedFd>);

/// # Errors
/// Why there is no guard.
pub(super) fn available() -> Result<(), String> {
    if std::env::var_os(SWITCH).is_some_and(|value| value == "off") {
        return Err(format!("{SWITCH}=off: nothing keeps stages from reading and writing undeclared files"));
    }
    let probe = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1)).and_then(Ruleset::create);
    if probe.is_ok_and(|ruleset| Option::<OwnedFd>::from(ruleset).is_some()) {
        return Ok(());
    }
    Err("this kernel has no Landlock (Linux 5.13): nothing keeps stages from reading and writing undeclared files"
        .into())
}

/// Makes the ruleset of a process.
///
/// # Errors
/// If the kernel refuses.
pub(super) fn confine(roots: &ReadableRoots, limits: &Limits) -> io::Result<Confinement> {
    let mut rules = Rules(
        Ruleset::default()
            .handle_access(AccessFs::from_all(RIGHTS))
            .and_then(|ruleset| ruleset.scope(Scope::Signal))
            .and_then(Ruleset::create)
            .map_err(io::Error::other)?,
    );
    let read = AccessFs::from_read(RIGHTS);
    if limits.everything {
        rules.path(Path::new("/"), read)?;
    }
    for open in roots.open.iter().filter(|_| !limits.everything) {
        open.with(|handle| rules.add(handle, read)).transpose()?;
    }
    for path in &limits.read {
        rules.path(path, read)?;
    }
    for path in &limits.named {
        rules.path(path, AccessFs::ReadFile.into())?;
    }
    // Not the right to make devices: the disk's own would show everything.
    let write = AccessFs::from_all(RIGHTS) & !(AccessFs::MakeBlock | AccessFs::MakeChar | AccessFs::IoctlDev);
    for path in &limits.write {
        rules.path(path, write)?;
    }
    for device in &roots.devices {
        device.with(|handle| rules.add(handle, (write & !AccessFs::Execute) | AccessFs::IoctlDev)).transpose()?;
    }
    Ok(Confinement(rules.0.into()))
}

/// A ruleset that is being made.
struct Rules(RulesetCreated);

impl Rules {
    fn path(&mut self, path: &Path, rights: BitFlags<AccessFs>) -> io::Result<()> {
        // What is not there cannot be read either.
        handle(path).map_or(Ok(()), |handle| self.add(&handle, rights))
    }

    fn add(&mut self, handle: &OwnedFd, rights: BitFlags<AccessFs>) -> io::Result<()> {
        // A file has fewer rights than a folder, which the library sees to.
        let rule = PathBeneath::new(handle.as_fd(), rights);
        (&mut self.0).add_rule(rule).map(drop).map_err(io::Error::other)
    }
}

impl Confinement {
    /// Puts the calling thread, and what it starts from now on, under the limits. Makes system calls and nothing else, so
    /// that it may be called in a child that still borrows the memory of its parent, whose ruleset stays open.
    ///
    /// # Errors
    /// If the kernel refuses; seldom more than that other programs have stacked as many limits on Kiln as it allows.
    pub(crate) fn enter(&self) -> io::Result<()> {
        let Some(ruleset) = &self.0 else { return Ok(()) };
        rustix::thread::set_no_new_privs(true)?;
        // SAFETY: a system call on a descriptor that is open, and no memory.
        match unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) } {
            0 => privileges::give_up(),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
