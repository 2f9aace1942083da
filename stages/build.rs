//! Computes the code fingerprint of every module, so that a stage is executed again exactly when its code changed.

#[path = "build/closure.rs"]
mod closure;
#[path = "build/equal.rs"]
mod equal;
#[path = "build/facts.rs"]
mod facts;
#[path = "build/lock.rs"]
mod lock;
#[path = "build/tokens.rs"]
mod tokens;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), String> {
    let folder = |variable: &str| env::var_os(variable).map(PathBuf::from).ok_or_else(|| format!("no {variable}"));
    let package = folder("CARGO_MANIFEST_DIR")?;
    let lock = lock_file(&package)?;
    let sources = closure::Sources::read(&package, &lock)?;

    let mut text = String::from("static FINGERPRINTS: &[(&str, &str)] = &[\n");
    for (module, fingerprint) in sources.fingerprints()? {
        writeln!(text, "    ({module:?}, {fingerprint:?}),").map_err(|e| e.to_string())?;
    }
    text.push_str("];\n");
    let equal = package.join("equal-code.toml");
    text.push_str(&equal_code(&equal).map_err(|e| format!("{}: {e}", equal.display()))?);
    fs::write(folder("OUT_DIR")?.join("fingerprints.rs"), text).map_err(|e| e.to_string())?;

    let beside = sources.beside().flat_map(|folder| [folder.join("src"), folder.join("Cargo.toml")]);
    let own = [package.join("src"), package.join("Cargo.toml"), equal, lock];
    for file in sources.embedded().into_iter().chain(beside).chain(own) {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    Ok(())
}

/// The table of equal code: kind and code fingerprint -> the oldest fingerprint that it counts as.
fn equal_code(file: &Path) -> Result<String, String> {
    let list = equal::read(&fs::read_to_string(file).map_err(|e| e.to_string())?)?;
    let mut text = String::from("static EQUAL: &[(&str, &str, &str)] = &[\n");
    for (kind, code) in list.iter().flat_map(|(kind, codes)| codes.iter().map(move |code| (kind, code))) {
        let (oldest, newer) = code.fingerprints.split_first().ok_or("an entry has no code")?;
        for fingerprint in newer {
            writeln!(text, "    ({kind:?}, {fingerprint:?}, {oldest:?}),").map_err(|e| e.to_string())?;
        }
    }
    text.push_str("];\n");
    Ok(text)
}

/// The Cargo.lock of the workspace: the nearest one upwards.
fn lock_file(package: &Path) -> Result<PathBuf, String> {
    package.ancestors().map(|folder| folder.join("Cargo.lock")).find(|file| file.is_file()).ok_or_else(|| {
        let package = package.display();
        format!("there is no Cargo.lock in {package} or above: code fingerprints need the versions that it pins")
    })
}
