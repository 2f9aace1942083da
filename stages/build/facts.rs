//! What a source file says about other files: the modules it names and declares, the files it embeds, the types it
//! defines and those it implements something for.

use std::collections::BTreeSet;

use crate::tokens::Token;

/// Names from the crate's root: `["artifact", "dataset", "write"]`.
pub(crate) type Path = Vec<String>;

/// What a source file says about other files.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Every path through `crate::`, `super::`, `self::` and the names of crates beside; the last names need not be modules.
    pub(crate) paths: BTreeSet<Path>,
    /// Modules declared with `mod name;`.
    pub(crate) children: BTreeSet<Path>,
    /// Files named by `include_bytes!`, `include_str!` and `include!`.
    pub(crate) embedded: BTreeSet<Embedded>,
    /// Every identifier.
    pub(crate) idents: BTreeSet<String>,
    /// Types and traits defined here.
    pub(crate) defines: BTreeSet<String>,
    /// Names in the headers of `impl` blocks that are not defined here.
    pub(crate) implements: BTreeSet<String>,
    /// Names of `macro_rules!` defined here.
    pub(crate) macros: BTreeSet<String>,
    roots: Roots,
}

/// An embedded file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Embedded {
    /// Named from the source file's folder.
    BesideSource(String),
    /// Named from the package's folder.
    InPackage(String),
}

/// Where paths begin: at the root of the crate, or of one beside it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roots {
    /// The root of the crate; not empty for a crate beside the package.
    pub(crate) own: Path,
    /// The crates beside it that it may name.
    pub(crate) beside: BTreeSet<String>,
}

/// Gathers the facts of the file that defines `module`.
pub(crate) fn gather(tokens: &[Token], module: &Path, roots: &Roots) -> Result<Facts, String> {
    let mut facts = Facts { roots: roots.clone(), ..Facts::default() };
    facts.walk(tokens, &mut module.clone(), Level::Items)?;
    facts.renames(tokens);
    facts.implements = facts.implements.difference(&facts.defines).cloned().collect();
    Ok(facts)
}

/// Where tokens stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// In a file or an inline module: among items.
    Items,
    /// In another pair of braces, where items may stand too.
    Braces,
    /// In brackets or parentheses.
    Inside,
}

impl Facts {
    fn walk(&mut self, tokens: &[Token], module: &mut Path, level: Level) -> Result<(), String> {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let (before, after) = (at.checked_sub(1).map(|i| &tokens[i]), &tokens[at + 1..]);
            at += 1;
            match token {
                Token::Op(_) | Token::Literal(_) => {}
                Token::Group('{', inner) => self.walk(inner, module, Level::Braces)?,
                Token::Group(_, inner) => {
                    if before.is_some_and(|t| t.is_op("#")) && inner.first().is_some_and(|t| t.is_ident("path")) {
                        return Err("`#[path]` is not understood: let the module's file have the module's name".into());
                    }
                    self.walk(inner, module, Level::Inside)?;
                }
                Token::Ident(ident) => {
                    self.idents.insert(ident.clone());
                    if ident == "mod"
                        && let [Token::Ident(name), body, ..] = after
                    {
                        module.push(name.clone());
                        match body {
                            Token::Group('{', inner) => self.walk(inner, module, Level::Items)?,
                            _ => {
                                self.children.insert(module.clone());
                            }
                        }
                        module.pop();
                        at += 2;
                        continue;
                    }
                    self.item(ident, before, after, level);
                    self.path(ident, before, after, module);
                    self.include(ident, after)?;
                }
            }
        }
        Ok(())
    }

    /// Definitions and headers of `impl` blocks.
    fn item(&mut self, keyword: &str, before: Option<&Token>, after: &[Token], level: Level) {
        match (keyword, after) {
            ("struct" | "enum" | "union" | "trait", [Token::Ident(name), ..]) => {
                self.defines.insert(name.clone());
            }
            // Elsewhere it is the associated type of a trait.
            ("type", [Token::Ident(name), ..]) if level == Level::Items => {
                self.defines.insert(name.clone());
            }
            ("macro_rules", [_, Token::Ident(name), ..]) => {
                self.macros.insert(name.clone());
            }
            ("impl", _) if level != Level::Inside && begins_item(before) => {
                let header = after.iter().take_while(|t| t.group('{').is_none());
                idents(header, &mut self.implements);
            }
            // A macro may expand to an `impl` for whatever it is given; one given whole items stands among items.
            (_, [bang, Token::Group(_, inner), ..]) if level == Level::Items && bang.is_op("!") => {
                idents(inner, &mut self.implements);
            }
            _ => {}
        }
    }

    /// A path that begins here.
    fn path(&mut self, first: &str, before: Option<&Token>, after: &[Token], module: &Path) {
        let mut base = match first {
            "crate" => self.roots.own.clone(),
            "self" => module.clone(),
            "super" => module.split_last().map_or(vec![], |(_, parents)| parents.to_vec()),
            name if self.roots.beside.contains(name) => vec![name.to_owned()],
            _ => return,
        };
        if before.is_some_and(|t| t.is_op("::")) {
            return;
        }
        match after {
            [colons, ..] if colons.is_op("::") => self.tree(&mut base, &after[1..]),
            [renamed, ..] if renamed.is_ident("as") => {
                self.paths.insert(base);
            }
            _ => {}
        }
    }

    /// What follows `crate::`: names, or a tree of them in braces.
    fn tree(&mut self, base: &mut Path, mut tokens: &[Token]) {
        loop {
            match tokens {
                [Token::Group('{', inner), ..] => {
                    for branch in inner.split(|t| t.is_op(",")).filter(|b| !b.is_empty()) {
                        self.tree(&mut base.clone(), branch);
                    }
                    return;
                }
                [Token::Ident(name), rest @ ..] => {
                    match name.as_str() {
                        "super" => {
                            base.pop();
                        }
                        "self" => {}
                        _ => base.push(name.clone()),
                    }
                    match rest {
                        [colons, rest @ ..] if colons.is_op("::") => tokens = rest,
                        _ => break,
                    }
                }
                // `*`, or the `<` of `crate::f::<T>()`.
                _ => break,
            }
        }
        self.paths.insert(base.clone());
    }

    fn include(&mut self, name: &str, after: &[Token]) -> Result<(), String> {
        let [bang, Token::Group(_, inner), ..] = after else { return Ok(()) };
        if !(bang.is_op("!") && ["include", "include_bytes", "include_str"].contains(&name)) {
            return Ok(());
        }
        let text = |token: &Token| match token {
            Token::Literal(l) if l.starts_with('"') && !l.contains('\\') => Some(l.trim_matches('"').to_owned()),
            _ => None,
        };
        if let [file] = inner.as_slice()
            && let Some(file) = text(file)
        {
            self.embedded.insert(Embedded::BesideSource(file));
            return Ok(());
        }
        // concat!(env!("CARGO_MANIFEST_DIR"), "/file")
        if let [concat, _, Token::Group(_, parts)] = inner.as_slice()
            && let [env, _, Token::Group(_, variable), _, file] = parts.as_slice()
            && concat.is_ident("concat")
            && env.is_ident("env")
            && let [variable] = variable.as_slice()
        {
            match (text(variable).as_deref(), text(file)) {
                (Some("CARGO_MANIFEST_DIR"), Some(file)) => {
                    self.embedded.insert(Embedded::InPackage(file.trim_start_matches('/').to_owned()));
                    return Ok(());
                }
                // Made by this build script, from what it hashes anyway.
                (Some("OUT_DIR"), _) => return Ok(()),
                _ => {}
            }
        }
        Err(format!("cannot tell which file `{name}!` embeds: write its path as a plain string"))
    }

    /// `use Type as Other` lets an `impl Other` mean `Type`.
    fn renames(&mut self, tokens: &[Token]) {
        for window in tokens.windows(3) {
            if let [Token::Ident(name), keyword, Token::Ident(other)] = window
                && keyword.is_ident("as")
                && self.implements.contains(other)
            {
                self.implements.insert(name.clone());
            }
        }
        for token in tokens {
            if let Token::Group(_, inner) = token {
                self.renames(inner);
            }
        }
    }
}

/// Whether an `impl` after this token opens a block, rather than naming a type (`-> impl Iterator`).
fn begins_item(before: Option<&Token>) -> bool {
    match before {
        None | Some(Token::Group('{' | '[', _)) => true,
        Some(token) => token.is_op(";") || token.is_ident("unsafe"),
    }
}

fn idents<'a>(tokens: impl IntoIterator<Item = &'a Token>, into: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            // `'_` and `as _` name nothing.
            Token::Ident(name) if name == "_" => {}
            Token::Ident(name) => {
                into.insert(name.clone());
            }
            Token::Group(_, inner) => idents(inner, into),
            _ => {}
        }
    }
}
