//! What is told of a file by its path alone: whether it is of the system, of a tool, or a library.

use std::path::Path;

/// Whether a path is of the system, of a tool or its settings, or of an environment, as far as its name tells.
pub(crate) fn is_software(path: &Path) -> bool {
    const SYSTEM: [&str; 16] = [
        "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/nix", "/opt", "/proc", "/run", "/sbin", "/snap",
        "/sys", "/usr", "/var/lib",
    ];
    const FOLDERS: [&str; 7] = ["bin", "lib", "lib64", "libexec", "sbin", "site-packages", "dist-packages"];
    let of_tool = |name: &str| name.starts_with('.') || FOLDERS.contains(&name);
    SYSTEM.iter().any(|system| path.starts_with(system))
        || path.components().any(|part| part.as_os_str().to_str().is_some_and(of_tool))
        || is_library(path)
}

/// Whether a path names a library. The loader looks for one in many places, and nobody misses it where it is not.
pub(crate) fn is_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".so") || name.contains(".so.")
}
