//! The code fingerprint of a module: a digest over the tokens of every source file that its behaviour may depend on, the
//! files embedded in them, and the versions of the external crates that they name. Crates of the workspace that the package
//! depends on are read like its own modules: `common::kind` is a file.
//!
//! A file is reached from another if it is declared there with `mod`, if a path through `crate::`, `super::` or
//! `self::` leads into it, if it implements something for a type or trait defined there, or if it is a parent whose
//! `macro_rules!` are in scope there. That is more than the compiler would need, never less.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::facts::{self, Embedded, Facts, Roots};
use crate::lock::{self, Crates};
use crate::tokens;

/// The sources of a crate, and of those beside it that it depends on.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The package, and after it the ones beside it.
    packages: Vec<Package>,
    /// Module path -> its file. That of a module of a crate beside begins with the crate's name.
    files: BTreeMap<facts::Path, Source>,
}

#[derive(Debug)]
struct Package {
    folder: PathBuf,
    roots: Roots,
    crates: Crates,
}

#[derive(Debug)]
struct Source {
    /// Which of the packages it is in.
    package: usize,
    /// Relative to `src`, with slashes.
    file: String,
    digest: blake3::Hash,
    facts: Facts,
}

impl Sources {
    /// Reads every module of the package in this folder, starting at `src/lib.rs`.
    pub(crate) fn read(package: &Path, lock: &Path) -> Result<Self, String> {
        let lock = read(lock)?;
        let beside = lock::beside(&read(&package.join("Cargo.toml"))?)?;
        let roots = Roots { own: vec![], beside: beside.keys().cloned().collect() };
        let mut packages = vec![Package::read(package.to_owned(), roots, &lock)?];
        for (name, folder) in beside {
            let roots = Roots { own: vec![name.clone()], ..Roots::default() };
            packages.push(Package::read(package.join(folder), roots, &lock)?);
        }
        let mut sources = Self { packages, files: BTreeMap::new() };
        for package in 0..sources.packages.len() {
            sources.read_package(package)?;
        }
        Ok(sources)
    }

    fn read_package(&mut self, package: usize) -> Result<(), String> {
        let Package { folder, roots, .. } = &self.packages[package];
        let mut left = vec![(roots.own.clone(), "lib.rs".to_owned())];
        while let Some((module, file)) = left.pop() {
            let path = folder.join("src").join(&file);
            let wrong = |e: String| format!("{}: {e}", path.display());
            let tokens = tokens::parse(&read(&path)?).map_err(wrong)?;
            let facts = facts::gather(&tokens, &module, roots).map_err(wrong)?;
            for child in &facts.children {
                left.push((child.clone(), file_of(folder, &child[roots.own.len()..]).map_err(wrong)?));
            }
            self.files.insert(module, Source { package, file, digest: tokens::digest(&tokens), facts });
        }
        Ok(())
    }

    /// The fingerprint of every file but `lib.rs`: file relative to `src` -> digest in hex.
    pub(crate) fn fingerprints(&self) -> Result<BTreeMap<&str, String>, String> {
        let mut all = BTreeMap::new();
        for (module, source) in self.files.iter().filter(|(module, source)| !module.is_empty() && source.package == 0) {
            all.insert(source.file.as_str(), self.fingerprint(module)?.to_hex().to_string());
        }
        Ok(all)
    }

    /// The folders of the crates beside it.
    pub(crate) fn beside(&self) -> impl Iterator<Item = &Path> {
        self.packages.iter().skip(1).map(|package| package.folder.as_path())
    }

    /// Every embedded file of the crates.
    pub(crate) fn embedded(&self) -> BTreeSet<PathBuf> {
        self.files.values().flat_map(|source| self.embedded_in(source)).collect()
    }

    /// The files that a module's behaviour may depend on, relative to `src`.
    #[allow(dead_code, reason = "only the tests ask for it")]
    pub(crate) fn reached_from(&self, file: &str) -> Vec<&str> {
        let mut own = self.files.iter().filter(|(_, source)| source.package == 0);
        let module = own.find(|(_, source)| source.file == file).map(|(module, _)| module);
        let closure = self.closure(module.expect("the file is a module of the crate"));
        closure.into_iter().map(|module| self.files[module].file.as_str()).collect()
    }

    fn fingerprint(&self, module: &facts::Path) -> Result<blake3::Hash, String> {
        let mut hasher = blake3::Hasher::new_derive_key("kiln stages code fingerprint 1");
        let mut add = |kind: u8, name: &str, digest: &[u8]| {
            hasher.update(&[kind]).update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
            hasher.update(&(digest.len() as u64).to_le_bytes()).update(digest);
        };
        let mut idents = vec![BTreeSet::new(); self.packages.len()];
        for module in self.closure(module) {
            let source = &self.files[module];
            let name = self.packages[source.package].roots.own.iter().chain([&source.file]);
            add(b's', &name.cloned().collect::<Vec<_>>().join("/"), source.digest.as_bytes());
            for file in self.embedded_in(source) {
                let bytes = fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
                // Not by its path, which is absolute; the tokens above hold the name.
                add(b'e', "", blake3::hash(&bytes).as_bytes());
            }
            idents[source.package].extend(source.facts.idents.iter().cloned());
        }
        let named = self.packages.iter().zip(&idents).flat_map(|(package, idents)| package.crates.named_by(idents));
        for line in named.collect::<BTreeSet<_>>() {
            add(b'c', &line, &[]);
        }
        Ok(hasher.finalize())
    }

    fn closure<'a>(&'a self, from: &'a facts::Path) -> BTreeSet<&'a facts::Path> {
        let mut closure = BTreeSet::new();
        let mut left = vec![from];
        loop {
            while let Some(module) = left.pop() {
                if closure.insert(module) {
                    left.extend(self.named_by(module));
                }
            }
            let defined: BTreeSet<&String> = closure.iter().flat_map(|m| &self.files[*m].facts.defines).collect();
            left.extend(self.files.iter().filter_map(|(module, source)| {
                let implements = source.facts.implements.iter().any(|name| defined.contains(name));
                (implements && !closure.contains(module)).then_some(module)
            }));
            if left.is_empty() {
                return closure;
            }
        }
    }

    /// The modules that a module declares or names, and the parents whose macros it may use.
    fn named_by<'a>(&'a self, module: &'a facts::Path) -> impl Iterator<Item = &'a facts::Path> {
        let facts = &self.files[module].facts;
        let named = facts.children.iter().chain(&facts.paths).map(|path| self.longest(path));
        let root = self.packages[self.files[module].package].roots.own.len();
        let parents = (root..module.len()).filter_map(|n| self.files.get_key_value(&module[..n]));
        named.chain(parents.filter(|(_, source)| !source.facts.macros.is_empty()).map(|(module, _)| module))
    }

    /// The innermost module with a file of its own on a path. The crate's root only where nothing else fits: what is
    /// defined or re-exported there could be anything.
    fn longest(&self, path: &facts::Path) -> &facts::Path {
        let prefixes = (0..=path.len()).rev();
        let found = prefixes.filter_map(|n| self.files.get_key_value(&path[..n])).next();
        found.expect("the root is a module").0
    }

    fn embedded_in(&self, source: &Source) -> Vec<PathBuf> {
        let package = &self.packages[source.package].folder;
        let beside = package.join("src").join(&source.file);
        let beside = beside.parent().unwrap_or(package);
        let locate = |embedded: &Embedded| match embedded {
            Embedded::BesideSource(file) => beside.join(file),
            Embedded::InPackage(file) => package.join(file),
        };
        source.facts.embedded.iter().map(locate).collect()
    }
}

impl Package {
    fn read(folder: PathBuf, roots: Roots, lock: &str) -> Result<Self, String> {
        let crates = Crates::read(&read(&folder.join("Cargo.toml"))?, lock)?;
        Ok(Self { folder, roots, crates })
    }
}

/// The file of a module, relative to `src`.
fn file_of(package: &Path, module: &[String]) -> Result<String, String> {
    let names = [format!("{}.rs", module.join("/")), format!("{}/mod.rs", module.join("/"))];
    let found = names.iter().find(|name| package.join("src").join(name).is_file());
    found.cloned().ok_or_else(|| format!("declares `{}`, but there is no src/{}", module.join("::"), names[0]))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
