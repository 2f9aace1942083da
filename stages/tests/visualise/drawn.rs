//! A figure's inputs in a folder, the figure drawn from them, and what can be read off it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use resvg::usvg::{Group, Node, Options, Rect, Tree, fontdb};
use serde_json::{Value, json};
use stages::kind::{Context, Input, Kind};
use tempfile::TempDir;

/// The fonts that the crate embeds.
const FONTS: [&[u8]; 2] =
    [include_bytes!("../../assets/fonts/OpenSans-Regular.ttf"), include_bytes!("../../assets/fonts/OpenSans-Bold.ttf")];

/// A folder with the inputs of one figure.
pub(crate) struct Case {
    pub(crate) folder: TempDir,
    pub(crate) uses: &'static str,
    pub(crate) with: Value,
    pub(crate) inputs: BTreeMap<String, Vec<Input>>,
}

/// A figure that was drawn.
pub(crate) struct Drawn {
    pub(crate) svg: String,
    pub(crate) png: Vec<u8>,
}

impl Case {
    pub(crate) fn new(uses: &'static str) -> Self {
        Self { folder: TempDir::new().unwrap(), uses, with: json!({}), inputs: BTreeMap::new() }
    }

    pub(crate) fn with(mut self, with: Value) -> Self {
        self.with = with;
        self
    }

    /// Adds an input whose file `write` makes.
    pub(crate) fn made(mut self, port: &str, label: &str, write: impl FnOnce(&Path)) -> Self {
        let path = self.folder.path().join(format!("{port}-{label}"));
        write(&path);
        self.inputs.entry(port.to_owned()).or_default().push(Input { label: label.to_owned(), path });
        self
    }

    pub(crate) fn file(self, port: &str, text: impl AsRef<str>) -> Self {
        self.made(port, "", |path| std::fs::write(path, text.as_ref()).unwrap())
    }

    pub(crate) fn kind(&self) -> &'static Kind {
        stages::kinds().find(|kind| kind.name == self.uses).unwrap()
    }

    pub(crate) fn try_draw(&self) -> anyhow::Result<Drawn> {
        let kind = self.kind();
        let params = (kind.check)(&self.with).map_err(|e| anyhow::anyhow!("{}: {}", e.path.join("."), e.message))?;
        let output = |name: &str, file: &str| (name.to_owned(), self.folder.path().join(file));
        let outputs: BTreeMap<String, PathBuf> = kind.outputs.iter().map(|o| output(o.name, o.file)).collect();
        let context = Context {
            inputs: self.inputs.clone(),
            outputs: outputs.clone(),
            threads: 1,
            device: "cpu".to_owned(),
            project: PathBuf::new(),
            checkpoints: stages::kind::Checkpoints::default(),
            events: &|_| {},
        };
        (kind.run)(&params, &context)?;
        Ok(Drawn { svg: std::fs::read_to_string(&outputs["svg"])?, png: std::fs::read(&outputs["png"])? })
    }

    pub(crate) fn draw(&self) -> Drawn {
        self.try_draw().unwrap()
    }

    /// The chain of causes of the error that drawing ends in.
    pub(crate) fn error(&self) -> String {
        match self.try_draw() {
            Ok(_) => panic!("{} drew a figure of {:?}", self.uses, self.inputs),
            Err(error) => format!("{error:#}"),
        }
    }
}

impl Drawn {
    /// The figure as resvg reads it, with the fonts of the crate or with none.
    pub(crate) fn tree(&self, with_fonts: bool) -> Tree {
        let mut fonts = fontdb::Database::new();
        if with_fonts {
            for font in FONTS {
                fonts.load_font_data(font.to_vec());
            }
        }
        Tree::from_str(&self.svg, &Options { fontdb: Arc::new(fonts), ..Options::default() }).unwrap()
    }

    /// Every line of text with the box it is drawn in.
    pub(crate) fn texts(&self) -> Vec<(String, Rect)> {
        fn walk(group: &Group, found: &mut Vec<(String, Rect)>) {
            for node in group.children() {
                match node {
                    Node::Group(inner) => walk(inner, found),
                    Node::Text(text) => {
                        let line = text.chunks().iter().map(|chunk| chunk.text()).collect::<String>();
                        found.push((line.trim().to_owned(), text.abs_bounding_box()));
                    }
                    Node::Path(_) | Node::Image(_) => {}
                }
            }
        }
        let mut found = Vec::new();
        walk(self.tree(true).root(), &mut found);
        found
    }

    pub(crate) fn says(&self, text: &str) -> bool {
        self.texts().iter().any(|(line, _)| line.contains(text))
    }

    /// Fails where a text leaves the figure or lies on another.
    pub(crate) fn assert_legible(&self, what: &str) {
        let size = self.tree(true).size();
        let texts = self.texts();
        for (i, (text, a)) in texts.iter().enumerate() {
            let inside = a.left() >= 0.0 && a.top() >= 0.0 && a.right() <= size.width() && a.bottom() <= size.height();
            assert!(inside, "{what}: `{text}` at {a:?} leaves the figure of {size:?}");
            for (other, b) in &texts[..i] {
                // Boxes reach from ascender to descender; those of neighbouring lines touch.
                let apart = |low_a: f32, high_a: f32, low_b: f32, high_b: f32| {
                    high_a.min(high_b) - low_a.max(low_b) <= 0.25 * (high_a - low_a).min(high_b - low_b)
                };
                let across = a.right().min(b.right()) - a.left().max(b.left()) <= 0.5;
                let upwards = |text: &str, r: &Rect| text.chars().count() > 3 && r.height() > r.width();
                let turned = upwards(text, a) || upwards(other, b);
                let down = if turned {
                    a.bottom().min(b.bottom()) - a.top().max(b.top()) <= 0.5
                        || apart(a.left(), a.right(), b.left(), b.right())
                } else {
                    apart(a.top(), a.bottom(), b.top(), b.bottom())
                };
                assert!(across || down, "{what}: `{text}` at {a:?} lies on `{other}` at {b:?}");
            }
        }
    }
}
