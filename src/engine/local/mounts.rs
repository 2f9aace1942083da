//! Showing a command files and folders where they lie, read-only: bind mounts in a mount namespace of its own. The superuser makes one as he
//! is; anybody else in a user namespace, in which he is himself.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::spawn;
use crate::engine::executor::{Program, Shown};

/// The variable that has all inputs copied.
const SWITCH: &str = "KILN_IN_PLACE";

/// Makes a path the empty one: the descriptor beside it is meant.
const ITSELF: &CStr = c"";

/// How this process can give a command a mount namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As the superuser.
    Superuser,
    /// In a user namespace.
    UserNamespace,
}

/// What a command is to be shown, ready for a child that must not allocate.
pub(super) struct Mounts {
    way: Way,
    /// What lies where, and where it is to be seen.
    pairs: Vec<(CString, CString)>,
    /// Who the user is in a user namespace: himself.
    users: CString,
    groups: CString,
    /// Which of the pairs could not be shown.
    failed: Option<usize>,
}

/// Finds out, by doing it, how this process can show something in a folder.
pub(super) fn way(folder: &Path, log: &File) -> Option<Way> {
    if std::env::var_os(SWITCH).is_some_and(|value| value == "off") {
        return None;
    }
    let shown = [Shown { source: folder.to_owned(), place: folder.to_owned() }];
    let ways: &[Way] = if rustix::process::geteuid().is_root() {
        &[Way::Superuser, Way::UserNamespace]
    } else {
        &[Way::UserNamespace]
    };
    ways.iter().copied().find(|way| {
        let Ok(mut mounts) = Mounts::new(*way, &shown) else { return false };
        let nothing =
            Program { program: "/bin/sh".into(), arguments: vec!["-c".into(), ":".into()], ..Program::default() };
        let nothing = Program { folder: "/".into(), ..nothing };
        let tried = spawn::spawn(&nothing, &[], log, &mut || mounts.enter());
        let can = match &tried {
            Ok(started) => started.reap().is_ok_and(|status| status.success()),
            Err(_) => false,
        };
        tracing::debug!("inputs in place by {way:?}: {can}");
        can
    })
}

impl Mounts {
    /// Gets ready to show these.
    ///
    /// # Errors
    /// If a path holds a zero byte.
    pub(super) fn new(way: Way, shown: &[Shown]) -> io::Result<Self> {
        let text = |path: &Path| Ok::<_, io::Error>(CString::new(path.as_os_str().as_bytes())?);
        let pairs = shown.iter().map(|shown| Ok((text(&shown.source)?, text(&shown.place)?)));
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Ok(Self {
            way,
            pairs: pairs.collect::<io::Result<_>>()?,
            users: CString::new(format!("{user} {user} 1"))?,
            groups: CString::new(format!("{group} {group} 1"))?,
            failed: None,
        })
    }

    /// Which of what was to be shown could not be.
    pub(super) fn failed(&self) -> Option<usize> {
        self.failed
    }

    /// Gives the calling process, which has one thread, a mount namespace and shows everything in it. Makes system calls and allocates
    /// nothing.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn enter(&mut self) -> io::Result<()> {
        let namespaces = match self.way {
            Way::Superuser => libc::CLONE_NEWNS,
            Way::UserNamespace => libc::CLONE_NEWUSER | libc::CLONE_NEWNS,
        };
        // SAFETY: a system call without memory.
        done(unsafe { libc::unshare(namespaces) })?;
        if self.way == Way::UserNamespace {
            // Whoever names his own group has to give up changing to others. Old kernels know nothing of it.
            let _ = write(c"/proc/self/setgroups", c"deny");
            write(c"/proc/self/uid_map", &self.users)?;
            write(c"/proc/self/gid_map", &self.groups)?;
        }
        // What is mounted here stays here; what is unmounted outside goes here, too.
        let flags = libc::MS_REC | libc::MS_SLAVE;
        // SAFETY: the strings end with a zero byte, and the rest may be null.
        done(unsafe { libc::mount(c"none".as_ptr(), c"/".as_ptr(), std::ptr::null(), flags, std::ptr::null()) })?;
        for (number, (source, place)) in self.pairs.iter().enumerate() {
            if let Err(error) = show(source, place) {
                self.failed = Some(number);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Mounts a file or a folder, with all that is mounted in it, read-only at another place.
fn show(source: &CStr, place: &CStr) -> io::Result<()> {
    const TREE: libc::c_uint = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as libc::c_uint;
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    // SAFETY: system calls; the strings end with a zero byte, and the attributes live here.
    unsafe {
        let tree = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, source.as_ptr(), TREE);
        let Ok(tree) = libc::c_int::try_from(tree) else { return Err(io::ErrorKind::InvalidData.into()) };
        done(tree)?;
        let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
        let size = size_of::<libc::mount_attr>();
        let changed = libc::syscall(libc::SYS_mount_setattr, tree, ITSELF.as_ptr(), flags, &raw const attributes, size);
        let moved = if changed == 0 {
            let flags = libc::MOVE_MOUNT_F_EMPTY_PATH;
            libc::syscall(libc::SYS_move_mount, tree, ITSELF.as_ptr(), libc::AT_FDCWD, place.as_ptr(), flags)
        } else {
            -1
        };
        let result = if moved == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
        libc::close(tree);
        result
    }
}

/// Writes a text to a file in one go.
fn write(path: &CStr, text: &CStr) -> io::Result<()> {
    let bytes = text.to_bytes();
    // SAFETY: system calls on a string that ends with a zero byte, and on bytes that are there.
    unsafe {
        let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        done(file)?;
        let written = libc::write(file, bytes.as_ptr().cast(), bytes.len());
        let result = if written >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
        libc::close(file);
        result
    }
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
