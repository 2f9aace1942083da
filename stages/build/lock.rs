//! External crates: which ones the package may name, and what each brings with it according to Cargo.lock.

use std::collections::{BTreeMap, BTreeSet};

use toml::Table;

/// The external crates that a package may name.
#[derive(Debug)]
pub(crate) struct Crates {
    /// The name in source code -> the crate and everything it depends on, as `name version checksum`.
    closures: BTreeMap<String, BTreeSet<String>>,
}

impl Crates {
    /// Reads a package's Cargo.toml and the Cargo.lock of its workspace.
    pub(crate) fn read(manifest: &str, lock: &str) -> Result<Self, String> {
        let manifest: Table = manifest.parse().map_err(|e| format!("Cargo.toml: {e}"))?;
        let lock: Table = lock.parse().map_err(|e| format!("Cargo.lock: {e}"))?;
        let package = manifest.get("package").and_then(|p| p.get("name")).and_then(|n| n.as_str());
        let package = package.ok_or("Cargo.toml names no package")?;
        let graph = Graph::read(&lock)?;
        let root = graph.packages.iter().position(|p| p.name == package);
        let root = root.ok_or_else(|| format!("Cargo.lock does not hold the package `{package}`"))?;
        let mut closures = BTreeMap::new();
        for (name, dependency) in dependencies(&manifest) {
            let found: Vec<usize> =
                graph.edges(root)?.into_iter().filter(|&i| graph.packages[i].name == dependency).collect();
            if found.is_empty() {
                return Err(format!("Cargo.lock does not hold `{dependency}`, which Cargo.toml asks for"));
            }
            closures.insert(name.replace('-', "_"), graph.closure(found)?);
        }
        Ok(Self { closures })
    }

    /// The crates named by any of these identifiers, and everything those depend on, sorted.
    pub(crate) fn named_by(&self, idents: &BTreeSet<String>) -> BTreeSet<String> {
        self.closures.iter().filter(|(name, _)| idents.contains(*name)).flat_map(|(_, all)| all.clone()).collect()
    }
}

/// The crates of the same workspace that a package may name, and their folders, relative to its own.
pub(crate) fn beside(manifest: &str) -> Result<BTreeMap<String, String>, String> {
    let manifest: Table = manifest.parse().map_err(|e| format!("Cargo.toml: {e}"))?;
    let all = manifest.get("dependencies").and_then(|d| d.as_table()).into_iter().flatten();
    let paths = all.filter_map(|(name, value)| Some((name.replace('-', "_"), value.get("path")?.as_str()?.to_owned())));
    Ok(paths.collect())
}

/// Name in source code -> package, of every dependency that is not for tests or build scripts alone.
fn dependencies(manifest: &Table) -> BTreeMap<String, String> {
    let platforms = manifest.get("target").and_then(|t| t.as_table()).into_iter().flat_map(Table::values);
    let everywhere = manifest.get("dependencies");
    let tables = platforms.filter_map(|platform| platform.get("dependencies")).chain(everywhere);
    let mut all = BTreeMap::new();
    // Those of the workspace are read as sources.
    let published = tables.filter_map(|t| t.as_table()).flatten().filter(|(_, value)| value.get("path").is_none());
    for (name, value) in published {
        let package = value.get("package").and_then(|p| p.as_str()).unwrap_or(name);
        all.insert(name.clone(), package.to_owned());
    }
    all
}

struct Package {
    name: String,
    version: String,
    checksum: String,
    dependencies: Vec<String>,
}

/// The packages of a Cargo.lock.
struct Graph {
    packages: Vec<Package>,
}

impl Graph {
    fn read(lock: &Table) -> Result<Self, String> {
        let packages = lock.get("package").and_then(|p| p.as_array()).ok_or("Cargo.lock holds no packages")?;
        let text = |package: &toml::Value, key: &str| -> String {
            package.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
        };
        let packages = packages
            .iter()
            .map(|p| Package {
                name: text(p, "name"),
                version: text(p, "version"),
                checksum: text(p, "checksum"),
                dependencies: p
                    .get("dependencies")
                    .and_then(|d| d.as_array())
                    .map(|d| d.iter().filter_map(|v| v.as_str()).map(str::to_owned).collect())
                    .unwrap_or_default(),
            })
            .collect();
        Ok(Self { packages })
    }

    /// Direct dependencies: `name`, or `name version` where several versions are locked, or with a source after it.
    fn edges(&self, of: usize) -> Result<Vec<usize>, String> {
        let mut edges = Vec::new();
        for line in &self.packages[of].dependencies {
            let mut words = line.split(' ');
            let (name, version) = (words.next().unwrap_or_default(), words.next());
            let fits = |p: &Package| p.name == name && version.is_none_or(|v| p.version == v);
            let before = edges.len();
            edges.extend(self.packages.iter().enumerate().filter(|(_, p)| fits(p)).map(|(i, _)| i));
            if edges.len() == before {
                return Err(format!("Cargo.lock does not hold `{line}`, which `{}` needs", self.packages[of].name));
            }
        }
        Ok(edges)
    }

    fn closure(&self, from: Vec<usize>) -> Result<BTreeSet<String>, String> {
        let (mut seen, mut left) = (BTreeSet::new(), from);
        while let Some(i) = left.pop() {
            if seen.insert(i) {
                left.extend(self.edges(i)?);
            }
        }
        let line = |&i: &usize| {
            let Package { name, version, checksum, .. } = &self.packages[i];
            format!("{name} {version} {checksum}")
        };
        Ok(seen.iter().map(line).collect())
    }
}
