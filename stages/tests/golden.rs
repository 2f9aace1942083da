//! Golden outputs: the proof that code which is listed as equal gives the same bytes.
//!
//! `equal-code.toml` lists, kind by kind, code fingerprints that count as one, and what that code makes of the golden
//! cases (`golden/cases.rs`). Code that is on no list has to be put there, by `just equal-code`:
//!
//! - If all golden outputs stayed, the code joins the newest entry. So all results that older code of the entry made stay
//!   valid: results are kept under the entry's oldest fingerprint.
//! - If one changed, the code begins an entry. Its stages are executed again.
//!
//! Golden cases cannot meet every input. Whoever changes what a kind does where no case looks adds a case, or begins an
//! entry: `just equal-code KIND`.
//!
//! One change joined an entry though it changes states: moments that would be subnormal are 0 (`ops/optimiser.rs`). No
//! golden case is long enough to have one. Weights keep their bits unless they are themselves near 0, so results stay
//! valid: `tests/ops/behaviour.rs` holds 10,000 steps of dead units against the plain form, and models 2, 4 and 5 of the study,
//! trained on all images, came out with the same bytes.
//!
//! Another joined whose path no golden image is large enough for: tiles of convolutions that lie inside their image are read there
//! (`ops/cpu/winograd/tiles.rs`). A test there holds tiles of images of every side up to 14 against a padded image, and models 1
//! and 5, GoogLeNet, ResNet and own-ten, trained by both, came out with the same bytes.
//!
//! A third is held by a case that was made for it, `pooled`, whose outputs are those of the code before: batch normalisation became one
//! operator with the convolution before it and the pool behind it. Its shards are large enough to be cut. `tests/ops/tape.rs` and
//! `behaviour.rs` hold both forms against each other.
//!
//! Bits of outputs depend on the processor where a kind computes with vector instructions, so a golden output is kept with
//! the name of the machines it holds for: see [`cases::Machine`]. A machine holds the code against what is listed for it.
//! Networks are also computed with portable vectors, on every machine, so code can be proven equal on any of them; on a
//! machine whose own vectors are not listed, `just equal-code` adds them.

#[path = "golden/cases.rs"]
mod cases;
#[allow(dead_code)]
#[path = "visualise/drawn.rs"]
mod drawn;
#[path = "../build/equal.rs"]
mod equal;
#[path = "visualise/cases.rs"]
#[allow(dead_code)]
mod figures;
#[path = "golden/networks.rs"]
mod networks;
#[allow(dead_code)]
#[path = "train_support/mod.rs"]
mod train_support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use equal::{Code, List};
use stages::fingerprint;

const HEADER: &str = "\
# Equal code: see stages/tests/golden.rs. `just equal-code` writes this file.
#
# `code` lists code fingerprints of a kind that count as one, the oldest first. `outputs` are the BLAKE3 digests of what that
# code makes of the golden cases.
";

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("equal-code.toml")
}

/// What the code of today makes of the golden cases: kind -> case and machine -> digest.
fn outputs() -> BTreeMap<&'static str, BTreeMap<String, String>> {
    let mut all = BTreeMap::<_, BTreeMap<_, _>>::new();
    for case in cases::all() {
        for (machine, digest) in case.outputs() {
            let name = format!("{} / {machine}", case.name);
            let before = all.entry(case.kind()).or_default().insert(name, digest);
            assert_eq!(before, None, "two cases of {} are called {}", case.kind(), case.name);
        }
    }
    all
}

/// How a kind's code of today stands to the list.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// It is listed, and all golden outputs are.
    Listed,
    /// It is listed, but these cases are not.
    NewCases(Vec<String>),
    /// It is listed, but makes something else of these cases.
    Broken(Vec<String>),
    /// It is not listed, and makes the same as the newest that is.
    Same,
    /// It is not listed, and makes something else of these cases; of all, if none is listed.
    Other(Vec<String>),
}

fn standing(codes: &[Code], fingerprint: &str, made: &BTreeMap<String, String>) -> Standing {
    let listed = codes.iter().find(|code| code.fingerprints.iter().any(|f| f == fingerprint));
    let Some(code) = listed.or(codes.last()) else { return Standing::Other(made.keys().cloned().collect()) };
    let differ = |(case, digest): &(&String, &String)| code.outputs.get(*case).is_some_and(|known| known != *digest);
    let others: Vec<String> = made.iter().filter(differ).map(|(case, _)| case.clone()).collect();
    // A case is known by its outputs on one kind of machine: those of others may be added, and need not be.
    let name = |case: &str| case.rsplit_once(" / ").map_or(case, |(name, _)| name).to_owned();
    let checked: BTreeSet<String> =
        made.keys().filter(|case| code.outputs.contains_key(*case)).map(|c| name(c)).collect();
    let new: Vec<String> = made.keys().filter(|case| !checked.contains(&name(case))).cloned().collect();
    match (listed, others.is_empty()) {
        (Some(_), false) => Standing::Broken(others),
        (Some(_), true) if new.is_empty() => Standing::Listed,
        (Some(_), true) => Standing::NewCases(new),
        // A machine of which nothing is known proves nothing.
        (None, true) if new.len() < made.len() => Standing::Same,
        (None, true) => Standing::Other(new),
        (None, false) => Standing::Other(others),
    }
}

fn complaint(kind: &str, code: &str, standing: &Standing) -> Option<String> {
    let list = |cases: &[String]| cases.join(", ");
    Some(match standing {
        Standing::Listed => return None,
        Standing::NewCases(cases) => format!(
            "`{kind}`: nothing is listed for the golden cases {}.\n  On code that is known to be right, run `just equal-code`, \
             which adds what it makes of them.",
            list(cases)
        ),
        Standing::Broken(cases) => format!(
            "`{kind}`: its code {code} is listed as equal to other code, but makes something else of {}.\n  If it is other \
             code, take it from its list in stages/equal-code.toml and run `just equal-code`. If the commit that listed it \
             fails here too, this machine computes otherwise (its processor or its C library), and the list needs outputs \
             under a machine's name of its own (stages/tests/golden/cases.rs).",
            list(cases)
        ),
        Standing::Same => format!(
            "`{kind}`: its code {code} is not listed; all golden outputs are as before.\n  If the change keeps the outputs of \
             all inputs, run `just equal-code`: results that were made stay valid. If it does not, run `just equal-code \
             {kind}`."
        ),
        Standing::Other(cases) => format!(
            "`{kind}`: its code {code} is not listed, and makes something else of {}.\n  If that is meant, run `just \
             equal-code`: results that were made are made again.",
            list(cases)
        ),
    })
}

/// Brings the list up to date. Kinds in `begin` begin an entry in any case.
fn update(list: &mut List, kind: &str, code: &str, made: BTreeMap<String, String>, begin: bool) {
    let codes = list.entry(kind.to_owned()).or_default();
    let fingerprint = || code.to_owned();
    match standing(codes, code, &made) {
        Standing::Broken(_) => {}
        Standing::Listed | Standing::NewCases(_) => {
            let listed = codes.iter_mut().find(|c| c.fingerprints.iter().any(|f| f == code));
            listed.expect("it is listed").outputs.extend(made);
        }
        Standing::Same if !begin => {
            let newest = codes.last_mut().expect("it is the same as the newest");
            newest.fingerprints.push(fingerprint());
            newest.outputs.extend(made);
        }
        Standing::Same | Standing::Other(_) => {
            codes.push(Code { fingerprints: vec![fingerprint()], outputs: made });
        }
    }
}

#[test]
fn every_kind_has_golden_cases() {
    let covered: Vec<&str> = cases::all().iter().map(cases::Golden::kind).collect();
    let missing: Vec<&str> = stages::kinds().map(|k| k.name).filter(|name| !covered.contains(name)).collect();
    assert!(missing.is_empty(), "no golden case runs {missing:?}");
}

#[test]
fn the_code_of_every_kind_is_listed_and_its_golden_outputs_are_those_of_the_list() {
    let mut list = equal::read(&std::fs::read_to_string(file()).unwrap()).unwrap();
    let mut outputs = outputs();
    if let Ok(kinds) = std::env::var("KILN_EQUAL_CODE") {
        for kind in stages::kinds() {
            let made = outputs.remove(kind.name).unwrap_or_default();
            let begin = kinds.split_whitespace().any(|name| name == kind.name);
            update(&mut list, kind.name, fingerprint::code(kind), made, begin);
        }
        return std::fs::write(file(), equal::write(HEADER, &list)).unwrap();
    }
    let complaints: Vec<String> = stages::kinds()
        .filter_map(|kind| {
            let codes = list.get(kind.name).map_or(&[][..], Vec::as_slice);
            let code = fingerprint::code(kind);
            complaint(kind.name, code, &standing(codes, code, &outputs.remove(kind.name).unwrap_or_default()))
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn listed_code_counts_as_the_oldest_of_its_entry() {
    let list = equal::read(&std::fs::read_to_string(file()).unwrap()).unwrap();
    for kind in stages::kinds() {
        let code = fingerprint::code(kind);
        let listed = list[kind.name].iter().find(|c| c.fingerprints.iter().any(|f| f == code));
        let oldest = listed.map_or(code, |c| c.fingerprints[0].as_str());
        assert_eq!(fingerprint::fingerprint(kind), oldest, "{}", kind.name);
    }
}

mod the_list {
    use super::*;

    fn digest(letter: &str) -> String {
        letter.repeat(64)
    }

    fn made(cases: &[(&str, &str)]) -> BTreeMap<String, String> {
        cases.iter().map(|(case, letter)| ((*case).to_owned(), digest(letter))).collect()
    }

    #[test]
    fn takes_code_with_the_same_outputs_as_equal_and_begins_an_entry_for_other_code() {
        let mut list = List::new();
        let [old, moved, other, back] = ["a", "b", "c", "d"].map(digest);
        update(&mut list, "train", &old, made(&[("one", "1"), ("two", "2")]), false);
        update(&mut list, "train", &moved, made(&[("one", "1"), ("two", "2"), ("three", "3")]), false);
        assert_eq!(list["train"].len(), 1);
        assert_eq!(list["train"][0].fingerprints, [old.clone(), moved.clone()]);
        assert_eq!(list["train"][0].outputs, made(&[("one", "1"), ("two", "2"), ("three", "3")]));
        update(&mut list, "train", &other, made(&[("one", "9"), ("two", "2"), ("three", "3")]), false);
        assert_eq!(list["train"][1].fingerprints, [other]);
        // The same outputs, but somebody knows better.
        update(&mut list, "train", &back, made(&[("one", "9"), ("two", "2"), ("three", "3")]), true);
        assert_eq!(list["train"].len(), 3);
        // What is listed is not touched, and a new machine is.
        let before = list.clone();
        update(&mut list, "train", &old, made(&[("one", "7")]), false);
        assert_eq!(list, before);
        update(&mut list, "train", &back, made(&[("one", "9"), ("one / avx9", "5")]), false);
        assert_eq!(list["train"][2].outputs["one / avx9"], digest("5"));
        let text = equal::write(HEADER, &list);
        assert_eq!(equal::read(&text).unwrap(), list);
        assert_eq!(equal::write(HEADER, &equal::read(&text).unwrap()), text);
    }

    #[test]
    fn an_entry_without_its_proof_is_told() {
        let [old, moved] = ["a", "b"].map(digest);
        let outputs = made(&[("one", "1")]);
        let codes = [Code { fingerprints: vec![old.clone(), moved.clone()], outputs: outputs.clone() }];
        let stands = |code: &str, cases: &[(&str, &str)]| standing(&codes, code, &made(cases));
        assert_eq!(stands(&moved, &[("one", "1")]), Standing::Listed);
        assert_eq!(stands(&moved, &[("one", "2")]), Standing::Broken(vec!["one".into()]));
        assert_eq!(stands(&moved, &[("one", "1"), ("two", "2")]), Standing::NewCases(vec!["two".into()]));
        assert_eq!(stands(&digest("c"), &[("one", "1")]), Standing::Same);
        assert_eq!(stands(&digest("c"), &[("one", "2")]), Standing::Other(vec!["one".into()]));
        assert_eq!(stands(&moved, &[("one", "1"), ("one / avx9", "2")]), Standing::Listed);
        // Nothing is known of this machine: that is no proof.
        assert_eq!(stands(&digest("c"), &[("two", "1")]), Standing::Other(vec!["two".into()]));
        let told = complaint("train", &moved, &stands(&moved, &[("one", "2")])).unwrap();
        assert!(told.contains("`train`") && told.contains(&moved) && told.contains("one"), "{told}");
        assert!(complaint("train", "c", &Standing::Same).unwrap().contains("just equal-code"));
    }

    #[test]
    fn a_list_that_is_wrong_is_told() {
        let error = |text: String| equal::read(&text).unwrap_err();
        let (a, b) = (digest("a"), digest("b"));
        assert!(error("train = 1".into()).contains("`train` is no list"));
        assert!(error("[[train]]\ncode = []\n[train.outputs]".into()).contains("`train`"));
        assert!(error("[[train]]\ncode = [\"abc\"]\n[train.outputs]".into()).contains("`abc`"));
        assert!(error(format!("[[train]]\ncode = [\"{a}\"]\nextra = 1\n[train.outputs]")).contains("alone"));
        let twice = format!(
            "[[train]]\ncode = [\"{a}\"]\n[train.outputs]\n[[train]]\ncode = [\"{b}\", \"{a}\"]\n[train.outputs]"
        );
        assert!(error(twice).contains("twice"));
    }
}
