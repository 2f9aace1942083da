//! Commands and their environment: values go into arguments and variables, never into the text of a script.

use std::collections::BTreeMap;

use super::interpolate::{Found, Scope};
use super::mistake::{Mistake, Mistakes, Spot};
use super::node::{Content, Entry, Node, Place};
use super::shell::{self, Context, Lexer};
use super::stage::Command;
use super::template::{self, Part, Use};

/// How the variables begin that carry values into a script.
pub(super) const PREFIX: &str = "KILN_ARG_";

/// The declared environment of a command.
pub(super) fn environment(
    entries: &[&Entry],
    scope: &Scope<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<BTreeMap<String, String>> {
    let mut whole = true;
    let mut env = BTreeMap::new();
    for entry in entries {
        let what = format!("variable `{}`", entry.key);
        match scope.text(&entry.node, &what, mistakes).and_then(|v| no_nul(v.into_owned(), entry.node.place, mistakes))
        {
            Some(value) => {
                env.insert(entry.key.clone(), value);
            }
            None => whole = false,
        }
    }
    whole.then_some(env)
}

/// A program and its arguments. Values are spliced into one argument; an argument that is nothing but `${inputs.x}`
/// becomes one argument a path.
pub(super) fn argv(items: &[Node], scope: &Scope<'_>, mistakes: &mut Mistakes<'_>) -> Option<Command> {
    let mut whole = true;
    let mut argv = Vec::with_capacity(items.len());
    for item in items {
        if let Some(name) = item.text().and_then(template::whole) {
            match scope.look_up(name, item.place, mistakes) {
                Some(Found::Paths(paths)) => {
                    argv.extend(paths.into_iter().map(str::to_owned));
                    continue;
                }
                Some(_) => {}
                None => {
                    whole = false;
                    continue;
                }
            }
        }
        let text = match &item.content {
            Content::Text(text) if !text.contains("${") => Some(text.clone()),
            _ => scope.text(item, "an argument", mistakes).map(std::borrow::Cow::into_owned),
        };
        match text.and_then(|text| no_nul(text, item.place, mistakes)) {
            Some(text) => argv.push(text),
            None => whole = false,
        }
    }
    if whole && argv.first().is_none_or(|program| program.is_empty()) {
        mistakes.add(Mistake::new("the command has no program").at(items[0].place, ""));
        return None;
    }
    whole.then_some(Command::Argv(argv))
}

/// A script. Each value becomes a variable of `env`; what stands in its place follows the quoting around it.
pub(super) fn script(
    text: &str,
    place: Place,
    scope: &Scope<'_>,
    env: &mut BTreeMap<String, String>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Command> {
    if text.contains('\0') {
        no_nul(text.to_owned(), place, mistakes)?;
    }
    if !text.contains("${") {
        return Some(Command::Shell(text.to_owned()));
    }
    let parts = scope.parts(text, place, mistakes)?;
    let given = env.keys().filter(|k| k.starts_with(PREFIX)).count();
    let out = String::with_capacity(text.len() + 32);
    let mut script = Script { out, lexer: Lexer::new(), names: BTreeMap::new(), given, env };
    let mut whole = true;
    for (i, part) in parts.iter().enumerate() {
        match part {
            Part::Literal(literal) => {
                script.lexer.read(literal);
                script.out.push_str(literal);
            }
            Part::Use(name) => {
                let ends = match parts.get(i + 1) {
                    None => true,
                    Some(Part::Literal(next)) => next.starts_with(shell::boundary),
                    Some(Part::Use(_)) => false,
                };
                whole &= script.put(*name, place, ends, scope, mistakes).is_some();
            }
        }
    }
    whole.then_some(Command::Shell(script.out))
}

/// A script being written.
struct Script<'e> {
    out: String,
    lexer: Lexer,
    /// Name -> its variables.
    names: BTreeMap<String, Vec<String>>,
    /// How many variables have a name with the prefix of these.
    given: usize,
    env: &'e mut BTreeMap<String, String>,
}

impl Script<'_> {
    fn put(
        &mut self,
        name: Use<'_>,
        place: Place,
        ends: bool,
        scope: &Scope<'_>,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<()> {
        let found = scope.look_up(name, place, mistakes)?;
        let context = self.lexer.context();
        let begins = self.lexer.at_boundary();
        self.lexer.value();
        let spot = Spot { place, usage: Some(name.nth) };
        if let Some(mistake) = refused(context, name, &found) {
            mistakes.add(mistake.at(spot, ""));
            return None;
        }
        let alone = context == Context::Bare && begins && ends;
        let values = match &found {
            Found::Paths(paths) if alone => paths.iter().map(|p| (*p).to_owned()).collect(),
            found => vec![scope.spliced(found, name, place, mistakes)?],
        };
        let mut variables = Vec::with_capacity(values.len());
        for value in values {
            variables.push(no_nul(value, place, mistakes)?);
        }
        let variables = self.names.entry(name.name.to_owned()).or_insert_with(|| {
            let first = self.given;
            // The number makes the variable unique, the rest tells a reader of a reason what it stands for.
            let told = name.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            let named = variables.into_iter().enumerate().map(|(i, v)| (format!("{PREFIX}{}_{told}", first + i), v));
            let named: Vec<_> = named.collect();
            let names = named.iter().map(|(k, _)| k.clone()).collect();
            self.given += named.into_iter().filter(|(k, v)| self.env.insert(k.clone(), v.clone()).is_none()).count();
            names
        });
        let written: Vec<String> = match context {
            Context::Bare => variables.iter().map(|v| format!("\"${{{v}}}\"")).collect(),
            _ => variables.iter().map(|v| format!("${{{v}}}")).collect(),
        };
        self.out.push_str(&written.join(" "));
        Some(())
    }
}

/// Why a value cannot stand at a place of a script, or nothing.
fn refused(context: Context, name: Use<'_>, found: &Found<'_>) -> Option<Mistake> {
    let name = name.name;
    let mistake = |place: &str| Mistake::new(format!("`${{{name}}}` cannot stand {place}"));
    match context {
        Context::Bare | Context::Double | Context::Comment => None,
        Context::Arithmetic => match found {
            Found::Value(Node { content: Content::Number(_), .. }) => None,
            _ => {
                Some(mistake("in `$((...))`, where a shell may run what it holds").hint("only numbers can stand here"))
            }
        },
        Context::Single => Some(mistake("between single quotes, where a shell expands nothing").hint(format!(
            "end the quotes around it, 'a'${{{name}}}'b', or use double quotes; for the text itself write `$${{`"
        ))),
        Context::Verbatim => Some(
            mistake("in a here-document whose delimiter is quoted, where a shell expands nothing")
                .hint("remove the quotes around the delimiter"),
        ),
        Context::Backticks => Some(mistake("between backticks").hint("write `$(...)` instead of backticks")),
        Context::Escaped => {
            Some(mistake("after a backslash").hint("for the text itself write `$${` without a backslash"))
        }
        Context::Delimiter => Some(mistake("in the delimiter of a here-document")),
    }
}

/// Neither arguments nor variables can hold NUL.
fn no_nul(text: String, place: Place, mistakes: &mut Mistakes<'_>) -> Option<String> {
    if text.contains('\0') {
        mistakes.add(Mistake::new("a command cannot be given the character NUL").at(place, ""));
        return None;
    }
    Some(text)
}
