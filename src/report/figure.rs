//! A figure of a page: the picture, its caption, and where it comes from.

use std::path::Path;

use maud::{Markup, html};

use super::chart;
use super::picture::{LARGE, Picture};
use super::reference::Fault;
use super::subject::{Made, Subject, without};
use crate::hash::Digest;
use crate::kind::Role;
use crate::record::OutputRecord;
use crate::series::Series;
use crate::show::number::duration;

/// What a report says of a figure.
pub(super) struct Caption<'a> {
    /// The anchor.
    pub(super) id: &'a str,
    /// For those who cannot see it.
    pub(super) alt: &'a str,
    /// Below it; may be empty.
    pub(super) text: &'a str,
}

impl Subject<'_> {
    /// A figure with its caption and provenance. What cannot be shown is said in its place.
    pub(super) fn figure(&self, reference: &str, caption: &Caption<'_>) -> (Markup, Option<Fault>) {
        let made = self.made(reference);
        let drawn = made.clone().and_then(|made| self.drawn(made, caption.alt));
        let fault = drawn.as_ref().err().cloned();
        let markup = html! {
            figure id=(caption.id) {
                @match &drawn {
                    Ok(drawn) => div.frame role="group" tabindex="0" aria-label=(caption.alt) { (drawn) },
                    Err(fault) => div.frame.missing role="note" { p { "Missing: " (caption.alt) } p { (fault.message) } },
                }
                @if !caption.text.is_empty() { figcaption { (caption.text) } }
                @if let Ok(made) = made { (self.provenance(made)) }
            }
        };
        (markup, fault)
    }

    /// The picture itself.
    pub(super) fn drawn(&self, made: Made<'_>, alt: &str) -> Result<Markup, Fault> {
        if made.output.role == Role::Series {
            let text = self.bytes(made)?;
            let series =
                Series::read(&text).map_err(|why| without(format!("`{}`: {why}", made.output.path.display())))?;
            if series.columns.is_empty() && series.gaps().is_empty() {
                return Err(without(format!("`{}` has no numbers to draw", made.output.path.display())));
            }
            let lines: Vec<(&str, &Series)> = vec![("", &series)];
            return Ok(chart::panels(&lines));
        }
        let (path, picture) = self.picture(made)?;
        let size = picture.size.map(|(w, h)| (w.round(), h.round()));
        Ok(html! {
            img src=(picture.uri) alt=(alt) width=[size.map(|s| s.0)] height=[size.map(|s| s.1)]
                style=[size.map(|s| format!("--w:{}px", s.0))] title=(path.display());
        })
    }

    /// The picture, or the PNG beside it where it is a large SVG.
    fn picture<'p>(&self, made: Made<'p>) -> Result<(&'p Path, Picture), Fault> {
        let no_picture = || without(format!("`{}` is no picture", made.output.path.display()));
        if let Some(raster) = raster(made) {
            let size = Picture::inline(&made.output.path, &self.bytes(made)?).and_then(|vector| vector.size);
            let bytes = self.bytes(Made { output: raster, ..made })?;
            let picture = Picture::inline(&raster.path, &bytes).ok_or_else(no_picture)?;
            return Ok((&raster.path, Picture { size: size.or(picture.size), ..picture }));
        }
        let picture = Picture::inline(&made.output.path, &self.bytes(made)?).ok_or_else(no_picture)?;
        Ok((&made.output.path, picture))
    }

    /// Stage, key and inputs of an output.
    pub(super) fn provenance(&self, made: Made<'_>) -> Markup {
        let Made { stage, output, .. } = made;
        let source = |digest: &Digest| -> String {
            let maker = self.makers().get(digest).and_then(|makers| {
                makers
                    .iter()
                    .find(|m| stage.needs.contains(&m.stage.name))
                    .map(|m| format!("{}.{}", m.stage.name, m.name))
            });
            maker.unwrap_or_else(|| "a source of the project".to_owned())
        };
        html! {
            details.provenance {
                summary { "Provenance" }
                dl {
                    dt { "Stage" } dd { code { (stage.name) } " (" (stage.uses.as_deref().unwrap_or("a command")) ")" }
                    @if let Some(key) = stage.key { dt { "Key" } dd { code { (key) } } }
                    @for (name, digests) in &stage.inputs {
                        dt { "Input " code { (name) } }
                        dd {
                            @for digest in digests.iter().take(12) { div { (source(digest)) " " code { (digest.short()) } } }
                            @if digests.len() > 12 { div { "and " (digests.len() - 12) " more" } }
                        }
                    }
                    dt { "Output" } dd { code { (output.path.display()) } " " code { (output.digest.short()) } }
                    @if let Some(png) = raster(made) {
                        dt { "Shown by" } dd { code { (png.path.display()) } " " code { (png.digest.short()) } }
                    }
                    @if let Some(seconds) = stage.total_seconds() { dt { "Made in" } dd { (duration(seconds)) } }
                }
            }
        }
    }
}

/// The PNG that shows the same as a large SVG: an output of the same stage with the same name but for its end.
fn raster<'m>(made: Made<'m>) -> Option<&'m OutputRecord> {
    let is = |path: &Path, wanted: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(wanted));
    if made.output.bytes <= LARGE || !is(&made.output.path, "svg") {
        return None;
    }
    let twin =
        |o: &&OutputRecord| is(&o.path, "png") && o.path.with_extension("") == made.output.path.with_extension("");
    made.stage.outputs.values().find(twin).filter(|png| png.bytes < made.output.bytes)
}
