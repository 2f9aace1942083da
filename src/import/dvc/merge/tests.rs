use super::*;

const BASE: &str = "\
# A study.
version: 1
params: params.yaml
stages:
  # Cut.
  split:
    run: cut a
    inputs:
      a: a.txt
    outputs:
      b: b.txt
  train:
    run: fit b
    inputs:
      b: b.txt
      params: {path: params.yaml, keys: [lr]}
    outputs:
      model: model.txt
";

fn merged(ours: &str, new: &str, prefer: Prefer) -> (String, Vec<String>) {
    let merge = merge("pipeline.yaml", 1, Some(BASE), ours, new, prefer).unwrap();
    let told = merge.changes.iter().map(|change| {
        let stage = change.stage.as_deref().unwrap_or("-");
        format!("{:?} {:?} {stage} {} {}:{}", change.fate, change.how, change.field, change.line, change.column)
    });
    (merge.text, told.collect())
}

#[test]
fn what_one_side_changed_is_taken_and_what_the_other_did_stays() {
    let ours = BASE
        .replace("    run: cut a\n", "    run: cut a  # slowly\n    timeout: 1h\n")
        .replace("  train:", "\n  # Mine.\n  train:")
        .replace("  params.yaml, keys", " params.yaml, keys");
    let new = BASE
        .replace("cut a\n", "cut -x a\n")
        .replace("# Cut.", "# Cut it.")
        .replace("      b: b.txt\n      params", "      b: b.txt\n      c: c.txt\n      params")
        + "  score:\n    run: score\n    outputs:\n      s: s.txt\n";
    let (text, told) = merged(&ours, &new, Prefer::None);
    let expected = ours
        .replace("cut a  # slowly", "cut -x a  # slowly")
        .replace("# Cut.", "# Cut it.")
        .replace("      b: b.txt\n      params", "      b: b.txt\n      c: c.txt\n      params")
        + "  score:\n    run: score\n    outputs:\n      s: s.txt\n";
    assert_eq!(text, expected);
    let expected = [
        "Taken New train inputs.c 0:0",
        "Taken New score  0:0",
        "Taken Comment split  7:3",
        "Taken Changed split run 8:5",
        "Edited New split timeout 9:5",
    ];
    assert_eq!(told, expected);
    // Once more there is nothing to do.
    let again = merge("pipeline.yaml", 1, Some(&new), &text, &new, Prefer::None).unwrap();
    assert_eq!(again.text, text);
    assert!(again.changes.iter().all(|change| change.fate == Fate::Edited));
}

#[test]
fn what_both_changed_is_a_conflict() {
    let ours = BASE.replace("fit b", "fit --fast b").replace("keys: [lr]", "keys: [lr, seed]");
    let new = BASE.replace("fit b", "fit -v b").replace("keys: [lr]", "keys: [lr, seed]").replace("b.txt", "c.txt");
    let (text, told) = merged(&ours, &new, Prefer::None);
    assert_eq!(text, ours.replace("b.txt", "c.txt"));
    assert!(told.contains(&"Conflict Changed train run 14:5".to_owned()), "{told:?}");
    let (text, _) = merged(&ours, &new, Prefer::Dvc);
    assert_eq!(text, new);
    let (text, told) = merged(&ours, &new, Prefer::File);
    assert_eq!(text, ours.replace("b.txt", "c.txt"));
    assert!(told.contains(&"Edited Changed train run 14:5".to_owned()), "{told:?}");
}

#[test]
fn stages_go_and_are_called_otherwise() {
    let new = BASE.replace("  train:", "  fit:").replace("fit b", "fit -v b");
    // Somebody's own input does not keep the new name from being taken.
    let ours = BASE.replace("      b: b.txt\n      params", "      b: b.txt\n      mine: m.txt\n      params");
    let (text, told) = merged(&ours, &new, Prefer::None);
    assert_eq!(text, ours.replace("  train:", "  fit:").replace("fit b", "fit -v b"));
    assert!(told.iter().any(|line| line.starts_with("Taken Renamed train")), "{told:?}");
    let ours = BASE.replace("  split:", "  cut:");
    let gone = BASE.split("  # Cut.").next().unwrap().to_owned() + &BASE[BASE.find("  train:").unwrap()..];
    let (text, told) = merged(&ours, &gone, Prefer::None);
    assert_eq!((text, told), (gone.clone(), vec!["Taken Gone cut  7:3".to_owned()]));
    let ours = BASE.replace("cut a", "cut all");
    let (text, told) = merged(&ours, &gone, Prefer::None);
    assert_eq!((text, told), (ours, vec!["Conflict Gone split  7:3".to_owned()]));
}

#[test]
fn any_style_is_left_as_it_is() {
    // In braces, with four blanks, with an alias: what cannot be divided is taken or left as a whole.
    let ours = "version: 1\r\nparams: params.yaml\r\nstages:\r\n    split: {run: cut a, inputs: {a: a.txt}, outputs: {b: b.txt}}\r\n    \
                train:\r\n        run: fit b\r\n        inputs: {b: b.txt, params: {path: params.yaml, keys: [lr]}}\r\n        outputs:\r\n            model: model.txt\r\n";
    let new = BASE.replace("cut a", "cut -x a").replace("model: model.txt", "model: m.txt");
    let (text, _) = merged(ours, &new, Prefer::None);
    let expected = "version: 1\r\nparams: params.yaml\r\nstages:\r\n    split:\r\n      run: cut -x a\r\n      inputs:\r\n        a: a.txt\r\n      \
                    outputs:\r\n        b: b.txt\r\n    train:\r\n        run: fit b\r\n        inputs: {b: b.txt, params: {path: params.yaml, keys: [lr]}}\r\n        \
                    outputs:\r\n            model: m.txt\r\n";
    assert_eq!(text, expected);
    assert!(merge("p.yaml", 1, None, "a: [", BASE, Prefer::None).is_err());
}

#[test]
fn a_stage_that_does_something_else_is_told() {
    let ours = BASE
        .replace("      a: a.txt", "      other: a.txt\n      more: m.txt")
        .replace("    run: fit b", "    timeout: 1h\n    run: fit b");
    let found = edited(&ours, BASE).unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [("split".to_owned(), vec!["inputs".to_owned()])]);
}
