//! Code fingerprints: what changes them and what does not, on little crates written for the purpose.

#[path = "../build/closure.rs"]
mod closure;
#[path = "../build/facts.rs"]
mod facts;
#[path = "../build/lock.rs"]
mod lock;
#[path = "../build/tokens.rs"]
mod tokens;

use std::fs;
use std::path::Path;

use closure::Sources;
use tempfile::TempDir;

const MANIFEST: &str = r#"
[package]
name = "stages"
[dependencies]
some-crate = "1"
unused = "1"
"#;

const LOCK: &str = r#"
[[package]]
name = "stages"
version = "0.1.0"
dependencies = ["some-crate", "unused"]
[[package]]
name = "some-crate"
version = "1.0.0"
checksum = "aa"
dependencies = ["deep 2.0.0"]
[[package]]
name = "deep"
version = "2.0.0"
checksum = "bb"
[[package]]
name = "deep"
version = "1.0.0"
checksum = "cc"
[[package]]
name = "unused"
version = "1.0.0"
checksum = "dd"
dependencies = ["deep 1.0.0"]
"#;

/// A crate with two kinds, `one` and `two`; `one` uses `tools::saw` and embeds a font.
struct Project(TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        let file = |name: &str, text: &str| project.write(name, text);
        file("Cargo.toml", MANIFEST);
        file("Cargo.lock", LOCK);
        file("src/lib.rs", "pub mod kind; pub mod one; pub mod two; pub mod tools; pub fn kinds() { one::run(); }");
        file("src/kind.rs", "pub struct Kind; pub trait Show { fn show(&self) -> u8; }");
        file("src/one.rs", ONE);
        file("src/one/part.rs", "pub fn cut(n: u8) -> u8 { n }");
        file("src/two.rs", "use crate::kind::Kind; pub fn run() -> Kind { unused::go(); Kind }");
        file("src/tools/mod.rs", "pub mod saw; pub mod hammer;");
        file("src/tools/saw.rs", "pub struct Saw { pub teeth: u8 } pub fn rip(n: u8) -> u8 { n + 1 }");
        file("src/tools/hammer.rs", "pub fn hit() {}");
        file("font.ttf", "letters");
        project
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.0.path().join(name)).unwrap();
        assert!(text.contains(from), "{name} holds no `{from}`");
        self.write(name, &text.replace(from, to));
    }

    fn sources(&self) -> Result<Sources, String> {
        Sources::read(self.0.path(), &self.0.path().join("Cargo.lock"))
    }

    /// The fingerprints of `one.rs` and `two.rs`.
    fn fingerprints(&self) -> [String; 2] {
        let sources = self.sources().unwrap();
        let all = sources.fingerprints().unwrap();
        [all["one.rs"].clone(), all["two.rs"].clone()]
    }

    /// Whether an edit changed the fingerprints of `one.rs` and `two.rs`.
    fn changed(edit: impl FnOnce(&Self)) -> [bool; 2] {
        let project = Self::new();
        let before = project.fingerprints();
        edit(&project);
        let after = project.fingerprints();
        [before[0] != after[0], before[1] != after[1]]
    }

    fn reached(&self, file: &str) -> Vec<String> {
        self.sources().unwrap().reached_from(file).into_iter().map(str::to_owned).collect()
    }
}

const ONE: &str = r#"
//! One.
mod part;
use crate::{kind::{self, Kind}, tools::saw::rip};

/// Runs.
pub fn run() -> Kind {
    // The font.
    let font = include_bytes!("../font.ttf");
    some_crate::go(font, rip(part::cut(1)));
    Kind
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn runs() { crate::tools::hammer::hit(); run(); }
}
"#;

#[test]
fn what_only_people_see_does_not_count() {
    for (from, to) in [
        ("// The font.", "/* Another\n remark. */"),
        ("/// Runs.", "#[doc = \"Goes.\"]"),
        ("//! One.", "//! Eins."),
        ("    ", "\t\t"),
        ("some_crate::go(font, rip(part::cut(1)));", "some_crate::go(\n  font,\n  rip(part::cut(1,)),\n);"),
        ("fn runs()", "fn runs_well()"),
        ("crate::tools::hammer::hit(); ", ""),
    ] {
        assert_eq!(Project::changed(|p| p.edit("src/one.rs", from, to)), [false, false], "{to}");
    }
}

#[test]
fn every_token_counts() {
    for (from, to) in [
        ("part::cut(1)", "part::cut(2)"),
        ("part::cut(1)", "part::cut(-1)"),
        ("part::cut(1)", "part::cut((1,))"),
        ("let font", "let r#type"),
        ("include_bytes!", "include_str!"),
        ("pub fn run", "#[inline] pub fn run"),
    ] {
        assert_eq!(Project::changed(|p| p.edit("src/one.rs", from, to)), [true, false], "{to}");
    }
    let same =
        |a: &str, b: &str| tokens::digest(&tokens::parse(a).unwrap()) == tokens::digest(&tokens::parse(b).unwrap());
    assert!(same("|a|-b", "|a| - b") && same("[1, 2,]", "[1,2]") && same("f(a, )", "f(a)") && same("<'a>", "< 'a >"));
    assert!(!same("a &&b", "a & &b") && !same("x = (a,);", "x = (a);") && !same("m!(a,)", "m!(a)"));
    assert!(!same("f((a b))", "f((a) b)") && !same("\"a\"", "a") && !same("ab", "a b"));
}

#[test]
fn files_that_are_reached_count_and_others_do_not() {
    let project = Project::new();
    assert_eq!(project.reached("one.rs"), ["kind.rs", "one.rs", "one/part.rs", "tools/saw.rs"]);
    assert_eq!(project.reached("two.rs"), ["kind.rs", "two.rs"]);
    let embedded = project.sources().unwrap().embedded();
    assert_eq!(embedded.iter().collect::<Vec<_>>(), [&project.0.path().join("src/../font.ttf")]);
    for (file, from, to, changed) in [
        ("src/tools/saw.rs", "n + 1", "n + 2", [true, false]),
        ("src/one/part.rs", "{ n }", "{ n * 2 }", [true, false]),
        ("src/kind.rs", "struct Kind", "enum Kind", [true, true]),
        ("src/two.rs", "Kind }", "{ Kind } }", [false, true]),
        ("src/tools/hammer.rs", "hit() {}", "hit() { todo!() }", [false, false]),
        ("src/lib.rs", "one::run();", "two::run();", [false, false]),
        ("font.ttf", "letters", "runes", [true, false]),
    ] {
        assert_eq!(Project::changed(|p| p.edit(file, from, to)), changed, "{file}");
    }
}

#[test]
fn an_impl_elsewhere_counts_with_its_type_or_trait() {
    // Nobody names `two.rs`, yet it decides what a `Saw` does.
    let with = |text: &'static str| {
        let project = Project::new();
        project.write("src/tools/hammer.rs", text);
        project.reached("one.rs").contains(&"tools/hammer.rs".to_owned())
    };
    assert!(with("impl super::saw::Saw { pub fn sharpen(&mut self) {} }"));
    assert!(with("use super::saw::Saw as S; impl std::fmt::Display for S { }"));
    assert!(with("struct Mine; impl crate::kind::Show for Mine { fn show(&self) -> u8 { 1 } }"));
    assert!(with("implement!(Saw);"));
    assert!(with("fn f() { impl Clone for Saw {} }"));
    assert!(!with("use super::saw::Saw as _; struct Mine<'a>(&'a u8); impl Clone for Mine<'_> {}"), "`_` is no name");
    assert!(!with("struct Saw; impl Saw { }"), "another Saw");
    assert!(!with("fn f(x: impl Into<Saw>) -> impl Fn(Saw) { }"), "no impl block");
}

#[test]
fn paths_are_followed_however_they_are_written() {
    let with = |text: &'static str| {
        let project = Project::new();
        project.write("src/tools/saw.rs", text);
        project.reached("tools/saw.rs")
    };
    assert_eq!(with("use super::hammer::hit;"), ["tools/hammer.rs", "tools/saw.rs"]);
    assert_eq!(with("mod inner { use super::super::hammer; }"), ["tools/hammer.rs", "tools/saw.rs"]);
    assert_eq!(with("fn f() { vec![self::super::hammer::hit()] }"), ["tools/hammer.rs", "tools/saw.rs"]);
    assert_eq!(with("use super::*;"), ["tools/mod.rs", "tools/hammer.rs", "tools/saw.rs"]);
    assert_eq!(with("pub(crate) fn f() { g::<crate::kind::Kind>() }"), ["kind.rs", "tools/saw.rs"]);
    assert_eq!(with("fn f() { other::crate_::hammer() }"), ["tools/saw.rs"]);
    // Something of the root itself: it could be anything.
    assert_eq!(with("use crate::kinds;").len(), 8);
}

#[test]
fn macros_of_a_parent_count_where_they_are_in_scope() {
    let project = Project::new();
    project.edit("src/tools/mod.rs", "pub mod saw;", "macro_rules! twice { () => {} } pub mod saw;");
    assert!(project.reached("one.rs").contains(&"tools/mod.rs".to_owned()));
}

#[test]
fn external_crates_count_by_version_with_all_they_depend_on() {
    for (from, to, changed) in [
        ("version = \"1.0.0\"\nchecksum = \"aa\"", "version = \"1.0.1\"\nchecksum = \"aa\"", [true, false]),
        ("checksum = \"bb\"", "checksum = \"b0\"", [true, false]),
        ("checksum = \"cc\"", "checksum = \"c0\"", [false, true]),
        ("checksum = \"dd\"", "checksum = \"d0\"", [false, true]),
    ] {
        assert_eq!(Project::changed(|p| p.edit("Cargo.lock", from, to)), changed, "{to}");
    }
}

#[test]
fn the_files_of_a_crate_beside_count_like_its_own() {
    let with_beside = |edit: &dyn Fn(&Project)| {
        let project = Project::new();
        let file = |name: &str, text: &str| project.write(name, text);
        file("Cargo.toml", &MANIFEST.replace("unused", "beside = { path = \"beside\" }\nunused"));
        let beside = "[[package]]\nname = \"beside\"\nversion = \"0.1.0\"\ndependencies = [\"deep 2.0.0\"]\n";
        file("Cargo.lock", &format!("{LOCK}{beside}"));
        file("beside/Cargo.toml", "[package]\nname = \"beside\"\n[dependencies]\ndeep = \"2\"\n");
        file("beside/src/lib.rs", "pub mod kind; pub mod word; pub mod far;");
        file("beside/src/kind.rs", "pub fn go() { crate::word::say(); }");
        file("beside/src/word.rs", "pub fn say() {}");
        file("beside/src/far.rs", "pub fn off() { deep::er(); }");
        file("src/two.rs", "use crate::kind::Kind; pub fn run() -> Kind { beside::kind::go(); Kind }");
        edit(&project);
        let folder = project.0.path().join("beside");
        assert_eq!(project.sources().unwrap().beside().collect::<Vec<_>>(), [folder.as_path()]);
        project.fingerprints()
    };
    let before = with_beside(&|_| {});
    let changed = |edit: &dyn Fn(&Project)| {
        let after = with_beside(edit);
        [before[0] != after[0], before[1] != after[1]]
    };
    assert_eq!(changed(&|p| p.edit("beside/src/kind.rs", "go()", "go(_: u8)")), [false, true]);
    assert_eq!(changed(&|p| p.edit("beside/src/word.rs", "say()", "say(_: u8)")), [false, true]);
    assert_eq!(changed(&|p| p.edit("beside/src/far.rs", "off()", "off(_: u8)")), [false, false]);
    assert_eq!(changed(&|p| p.edit("beside/src/kind.rs", "word::say", "far::off")), [false, true]);
    assert_eq!(changed(&|p| p.edit("beside/src/lib.rs", "pub mod far;", "pub mod far; pub fn f() {}")), [false, false]);
    // What it depends on counts where a file that names it does, and its own version nowhere.
    assert_eq!(changed(&|p| p.edit("Cargo.lock", "checksum = \"bb\"", "checksum = \"b0\"")), [true, false]);
    assert_eq!(
        changed(&|p| p.edit(
            "Cargo.lock",
            "version = \"0.1.0\"\ndependencies = [\"deep",
            "version = \"0.2.0\"\ndependencies = [\"deep"
        )),
        [false, false]
    );
}

#[test]
fn what_cannot_be_followed_is_an_error() {
    let error = |file: &str, text: &str| {
        let project = Project::new();
        project.write(file, text);
        project.sources().map(|_| ()).unwrap_err()
    };
    assert!(error("src/two.rs", "#[path = \"x.rs\"] mod y;").contains("#[path]"));
    assert!(error("src/two.rs", "const F: &str = include_str!(concat!(\"a\", \"b\"));").contains("include_str!"));
    assert!(error("src/two.rs", "mod gone;").contains("there is no src/two/gone.rs"));
    assert!(error("src/two.rs", "fn f( {").contains("no Rust"));
    assert!(error("Cargo.lock", "").contains("no packages"));
    assert!(error("Cargo.lock", &LOCK.replace("\"some-crate\", ", "")).contains("does not hold `some-crate`"));
    let project = Project::new();
    fs::remove_file(project.0.path().join("Cargo.lock")).unwrap();
    assert!(project.sources().unwrap_err().contains("Cargo.lock"));
}

#[test]
fn kinds_of_this_crate_reach_what_they_should() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = Sources::read(package, &package.join("../Cargo.lock")).unwrap();
    let import = sources.reached_from("data/import.rs");
    for file in ["data/import/idx.rs", "artifact/dataset.rs", "artifact/tensors.rs", "kind.rs"] {
        assert!(import.contains(&file), "{file} is missing from {import:?}");
    }
    assert!(sources.reached_from("data/split.rs").contains(&"rng.rs"));
    for kind in ["describe", "fetch", "import", "normalise", "split"] {
        let reached = sources.reached_from(&format!("data/{kind}.rs"));
        let own =
            |file: &&str| file.starts_with(&format!("data/{kind}")) || !file.starts_with("data/") && *file != "lib.rs";
        assert!(reached.iter().all(own), "{kind} has nothing to do with other kinds of its folder: {reached:?}");
    }
}
