//! Stages of many variants of which one takes a folder that another stage writes into. What lies there is another list for each variant, so
//! each becomes a stage of its own.

use super::file::{File, Stage};
use super::note::Notes;
use super::outputs::Written;

/// What a dependency is to the outputs of other stages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meets {
    /// It is none, and holds none.
    Nothing,
    /// It is one.
    One,
    /// It lies in one.
    Within,
    /// It is a folder that holds some.
    Holds,
}

/// Divides such stages.
pub(super) fn divide(files: &mut [File], notes: &mut Notes) {
    let divided: Vec<Vec<bool>> = {
        let written = Written::of(files);
        files.iter().map(|file| file.stages.iter().map(|stage| differs(stage, &written)).collect()).collect()
    };
    for (file, divided) in files.iter_mut().zip(divided) {
        let stages = std::mem::take(&mut file.stages);
        for (stage, divided) in stages.into_iter().zip(divided) {
            if !divided {
                file.stages.push(stage);
                continue;
            }
            let what = format!(
                "the variants of `{}` take folders that stages write into, so each is a stage of its own",
                stage.name
            );
            notes.told(&file.path, stage.at, what, "");
            notes.take(stage.aside);
            file.stages.extend(stage.apart);
        }
    }
}

fn differs(stage: &Stage, written: &Written<'_>) -> bool {
    let count = stage.variants.first().map_or(0, |variant| variant.deps.len());
    stage.apart.len() > 1
        && (0..count).any(|i| {
            let mut met = stage.variants.iter().map(|variant| meets(&variant.deps[i].path, written));
            let first = met.next().unwrap_or(Meets::Nothing);
            first == Meets::Holds || met.any(|other| other != first)
        })
}

fn meets(path: &str, written: &Written<'_>) -> Meets {
    if written.exactly(path) {
        Meets::One
    } else if written.around(path).is_some() {
        Meets::Within
    } else if written.within(path).next().is_some() {
        Meets::Holds
    } else {
        Meets::Nothing
    }
}
