//! Whether anybody has a file open to write to.

use std::fs::File;
use std::os::fd::AsRawFd as _;

/// What the kernel sends if somebody opens the file at that very moment: something that is ignored unless one asks for it.
const HARMLESS: libc::c_int = libc::SIGURG;

/// Whether a file, which is open to be read, is open to be written to as well, or mapped so, by whatever process of this machine. `false`
/// where the file system cannot tell, or the file is another user's.
///
/// The kernel grants a lease to read only on a file that nobody writes to. It is given back at once.
pub(super) fn has_some(file: &File) -> bool {
    let file = file.as_raw_fd();
    let lease = |kind: libc::c_int| {
        // SAFETY: it takes a file that is open, and two numbers.
        let done = unsafe { libc::fcntl(file, libc::F_SETLEASE, kind) };
        if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: as above.
    if unsafe { libc::fcntl(file, SET_SIGNAL, HARMLESS) } != 0 {
        return false;
    }
    match lease(libc::F_RDLCK as libc::c_int) {
        Ok(()) => {
            let _ = lease(libc::F_UNLCK as libc::c_int);
            false
        }
        Err(error) => error.raw_os_error() == Some(libc::EAGAIN),
    }
}

/// `F_SETSIG`.
const SET_SIGNAL: libc::c_int = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        let other = File::open(&path).unwrap();
        assert!(has_some(&reader));
        drop(writer);
        assert!(!has_some(&reader), "readers do not count");
        let again = File::options().append(true).open(&path).unwrap();
        assert!(has_some(&other));
        drop(again);
        assert!(!has_some(&other));
    }
}
