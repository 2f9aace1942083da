//! Comparing three mappings key by key, and noting which lines of the file become others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::part::{Part, Text, indented};
use super::{Change, Fate, How, Prefer};
use crate::import::dvc::scalar::scalar;

pub(super) struct Merger<'t> {
    base: &'t Text<'t>,
    ours: &'t Text<'t>,
    new: &'t Text<'t>,
    /// Whether the base is what the last import wrote, and not the file itself.
    known: bool,
    prefer: Prefer,
    above: usize,
    /// Lines of the file that become others.
    edits: Vec<(Range<usize>, Vec<String>)>,
    changes: Vec<Change>,
}

impl<'t> Merger<'t> {
    pub(super) fn new(
        base: &'t Text<'t>,
        ours: &'t Text<'t>,
        new: &'t Text<'t>,
        known: bool,
        prefer: Prefer,
        above: usize,
    ) -> Self {
        Self { base, ours, new, known, prefer, above, edits: vec![], changes: vec![] }
    }

    /// The text, and the differences in the order of the file.
    pub(super) fn finish(mut self) -> (String, Vec<Change>) {
        // Of what goes in at one place the first comes first.
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let own = |range: Range<usize>| self.ours.lines[range].iter().map(|line| (*line).to_owned());
        let mut lines: Vec<String> = Vec::new();
        let mut at = 0;
        for (range, with) in self.edits {
            lines.extend(own(at..range.start));
            lines.extend(with);
            at = range.end;
        }
        lines.extend(own(at..self.ours.lines.len()));
        self.changes.sort_by_key(|change| change.line);
        (lines.join("\n") + "\n", self.changes)
    }

    /// Compares the keys of a mapping.
    pub(super) fn level(&mut self, path: &[&str], base: &[Part<'_>], ours: &[Part<'_>], new: &[Part<'_>]) {
        let here = pairs(base, ours, path == ["stages"]);
        let there = pairs(base, new, path == ["stages"]);
        let mut known_here: BTreeSet<usize> = here.iter().flatten().copied().collect();
        let known_there: BTreeSet<usize> = there.iter().flatten().copied().collect();
        // What an import writes -> what the file has of it: behind that something new can stand.
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        let mut added: Vec<usize> = Vec::new();
        for (i, part) in base.iter().enumerate() {
            let path = below(path, part.key);
            match (here[i], there[i]) {
                (Some(o), Some(n)) => {
                    places.insert(n, o);
                    self.row(&path, part, &ours[o], &new[n]);
                }
                (Some(o), None) => self.gone(&below(&path[..path.len() - 1], ours[o].key), part, &ours[o]),
                (None, Some(n)) if part.holds(&new[n]) => {
                    self.tell(&path, Fate::Edited, How::Gone, None, Some(&new[n]))
                }
                (None, Some(n)) => match self.prefer {
                    Prefer::Dvc => added.push(n),
                    Prefer::File => self.tell(&path, Fate::Edited, How::Gone, None, Some(&new[n])),
                    Prefer::None => self.tell(&path, Fate::Conflict, How::Gone, None, Some(&new[n])),
                },
                (None, None) => {}
            }
        }
        for (n, part) in new.iter().enumerate().filter(|(n, _)| !known_there.contains(n)) {
            match ours.iter().position(|own| own.key == part.key).filter(|o| known_here.insert(*o)) {
                Some(o) => {
                    places.insert(n, o);
                    self.both(&below(path, part.key), &ours[o], part);
                }
                None => added.push(n),
            }
        }
        added.sort_unstable();
        for n in added {
            self.tell(&below(path, new[n].key), Fate::Taken, How::New, None, Some(&new[n]));
            let behind = places.range(..n).next_back().map(|(_, o)| ours[*o].body.end);
            let first = ours.first().map_or(0, |part| part.lead.start);
            let column = ours.first().map_or(1, |part| part.column);
            let lines = self.new.lines[new[n].lead.start..new[n].body.end].iter();
            let lines = lines.map(|line| indented(line, new[n].column, column)).collect();
            let at = behind.unwrap_or(first);
            self.edits.push((at..at, lines));
        }
        for (_, part) in ours.iter().enumerate().filter(|(o, _)| !known_here.contains(o)) {
            self.tell(&below(path, part.key), Fate::Edited, How::New, Some(part), None);
        }
    }

    /// A key that all three have.
    fn row(&mut self, path: &[&str], base: &Part<'_>, ours: &Part<'_>, new: &Part<'_>) {
        let path = &below(&path[..path.len() - 1], ours.key)[..];
        self.comments(path, base, ours, new);
        let key = self.key(path, base, ours, new);
        let divided = [base, ours, new].iter().all(|part| !part.parts.is_empty());
        if divided || ours.holds(new) || base.holds(new) {
            if divided {
                self.level(path, &base.parts, &ours.parts, &new.parts);
            } else if !ours.holds(new) {
                self.tell(path, Fate::Edited, How::Changed, Some(ours), Some(new));
            }
            if key != ours.key {
                let start = ours.body.start;
                self.edits.push((start..start + 1, vec![renamed(self.ours.lines[start], ours, key)]));
            }
            return;
        }
        let fate = if base.holds(ours) { Fate::Taken } else { self.decided() };
        self.tell(path, fate, How::Changed, Some(ours), Some(new));
        if fate == Fate::Taken {
            self.replace(Some(base), ours, new, key);
        }
    }

    /// The name that a key comes to have.
    fn key<'p>(&mut self, path: &[&str], base: &Part<'p>, ours: &Part<'p>, new: &Part<'p>) -> &'p str {
        if new.key == base.key || new.key == ours.key {
            if ours.key != new.key {
                self.tell(path, Fate::Edited, How::Renamed, Some(ours), Some(new));
            }
            return ours.key;
        }
        let fate = if ours.key == base.key { Fate::Taken } else { self.decided() };
        self.tell(path, fate, How::Renamed, Some(ours), Some(new));
        if fate == Fate::Taken { new.key } else { ours.key }
    }

    /// A key that the last import did not write, and the file and this import have.
    fn both(&mut self, path: &[&str], ours: &Part<'_>, new: &Part<'_>) {
        if ours.holds(new) {
            return;
        }
        if !ours.parts.is_empty() && !new.parts.is_empty() {
            return self.level(path, &[], &ours.parts, &new.parts);
        }
        let fate = self.decided();
        self.tell(path, fate, How::Changed, Some(ours), Some(new));
        if fate == Fate::Taken {
            self.replace(None, ours, new, ours.key);
        }
    }

    /// A key that an import no longer writes.
    fn gone(&mut self, path: &[&str], base: &Part<'_>, ours: &Part<'_>) {
        let kept = |part: &Part<'_>| base.parts.iter().any(|known| known.key == part.key && known.holds(part));
        let untouched = base.holds(ours) || (!ours.parts.is_empty() && ours.parts.iter().all(kept));
        let is_stage = path.len() == 2;
        if !untouched && !is_stage && !base.parts.is_empty() && !ours.parts.is_empty() {
            return self.level(path, &base.parts, &ours.parts, &[]);
        }
        let fate = if untouched { Fate::Taken } else { self.decided() };
        self.tell(path, fate, How::Gone, Some(ours), None);
        if fate == Fate::Taken {
            let lead = if self.base.above(base) == self.ours.above(ours) { ours.lead.start } else { ours.body.start };
            let own = less(self.ours.among(ours), self.written(base));
            let own = own.into_iter().map(|comment| " ".repeat(ours.column - 1) + &comment).collect();
            self.edits.push((lead..ours.body.end, own));
        }
    }

    /// The comments above a key: they follow DVC's until somebody edits them.
    fn comments(&mut self, path: &[&str], base: &Part<'_>, ours: &Part<'_>, new: &Part<'_>) {
        let (known, here, there) = (self.base.above(base), self.ours.above(ours), self.new.above(new));
        if !self.known || known == there || known != here {
            return;
        }
        self.tell(path, Fate::Taken, How::Comment, Some(ours), Some(new));
        let own = &self.ours.lines[ours.lead.clone()];
        let mut lines: Vec<String> =
            own.iter().take_while(|line| line.trim().is_empty()).map(|line| (*line).to_owned()).collect();
        let comments = self.new.lines[new.lead.clone()].iter().map(|line| indented(line, new.column, ours.column));
        lines.extend(comments);
        self.edits.push((ours.lead.clone(), lines));
    }

    /// Puts the lines of an import in the place of those of the file; comments that somebody wrote among them stay.
    fn replace(&mut self, base: Option<&Part<'_>>, ours: &Part<'_>, new: &Part<'_>, key: &str) {
        let mut lines: Vec<String> =
            self.new.lines[new.body.clone()].iter().map(|line| indented(line, new.column, ours.column)).collect();
        lines[0] = renamed(&lines[0], new, key);
        let mut own = less(self.ours.among(ours), base.map_or_else(Vec::new, |base| self.written(base)));
        own = less(own, self.new.among(new));
        let end = self.ours.beside(ours).and_then(|end| own.iter().position(|comment| comment == end));
        if let Some(end) = end.filter(|_| lines.len() == 1 && self.new.beside(new).is_none()) {
            lines[0] = format!("{}  {}", lines[0], own.remove(end));
        }
        let above = own.into_iter().map(|comment| " ".repeat(ours.column - 1) + &comment);
        let lines = above.chain(lines).collect();
        self.edits.push((ours.body.clone(), lines));
    }

    /// The comments that the last import wrote among the lines of a part.
    fn written(&self, base: &Part<'_>) -> Vec<String> {
        if self.known { self.base.among(base) } else { vec![] }
    }

    /// What becomes of something that both changed.
    fn decided(&self) -> Fate {
        match self.prefer {
            Prefer::None => Fate::Conflict,
            Prefer::File => Fate::Edited,
            Prefer::Dvc => Fate::Taken,
        }
    }

    fn tell(&mut self, path: &[&str], fate: Fate, how: How, ours: Option<&Part<'_>>, new: Option<&Part<'_>>) {
        let (stage, field) = match path {
            ["stages", stage, field @ ..] => (Some((*stage).to_owned()), field),
            other => (None, other),
        };
        let show = |text: &Text<'_>, part: &Part<'_>| match how {
            How::Comment => text.above(part).join("\n"),
            How::Renamed => part.key.to_owned(),
            _ => text.shown(part),
        };
        self.changes.push(Change {
            fate,
            stage,
            field: field.join("."),
            how,
            line: ours.map_or(0, |part| part.body.start + 1 + self.above),
            column: ours.map_or(0, |part| part.column),
            dvc: None,
            here: ours.map_or_else(String::new, |part| show(self.ours, part)),
            there: new.map_or_else(String::new, |part| show(self.new, part)),
        });
    }
}

fn below<'p>(path: &[&'p str], key: &'p str) -> Vec<&'p str> {
    path.iter().copied().chain([key]).collect()
}

/// The first line of a part under another name.
fn renamed(line: &str, part: &Part<'_>, key: &str) -> String {
    let text = line.trim_start();
    let indent = &line[..line.len() - text.len()];
    let known = scalar(part.key, false);
    match text.strip_prefix(&known).or_else(|| text.strip_prefix(part.key)) {
        Some(rest) if key != part.key => format!("{indent}{}{rest}", scalar(key, false)),
        _ => line.to_owned(),
    }
}

/// What is in the first list and not in the second.
fn less(mut from: Vec<String>, known: Vec<String>) -> Vec<String> {
    for known in known {
        if let Some(at) = from.iter().position(|line| *line == known) {
            from.remove(at);
        }
    }
    from
}

/// For each part of one text its counterpart in another: that of its name, or else one that has a new name and holds the same. A stage is
/// also known by what it writes.
pub(super) fn pairs(base: &[Part<'_>], other: &[Part<'_>], stages: bool) -> Vec<Option<usize>> {
    let by_name: BTreeMap<&str, usize> = other.iter().enumerate().map(|(i, part)| (part.key, i)).collect();
    let mut found: Vec<Option<usize>> = base.iter().map(|part| by_name.get(part.key).copied()).collect();
    let names: BTreeSet<&str> = base.iter().map(|part| part.key).collect();
    let mut free: Vec<usize> = (0..other.len()).filter(|i| !names.contains(other[*i].key)).collect();
    for (part, found) in base.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
        let outputs = if stages { part.outputs() } else { vec![] };
        let is_it = |i: &usize| part.holds(&other[*i]) || (!outputs.is_empty() && outputs == other[*i].outputs());
        if let Some(at) = free.iter().position(is_it) {
            *found = Some(free.remove(at));
        }
    }
    found
}
