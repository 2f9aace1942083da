//! The page around a body: head, contents, foot; one file that needs nothing else and runs no script.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::document::{Heading, Piece, pieces};

/// A page to be written.
pub(super) struct Page<'a> {
    /// For the window.
    pub(super) title: &'a str,
    /// It takes the whole window: it sets things side by side.
    pub(super) wide: bool,
    /// Which report of which run this is: equal for pages that show the same.
    pub(super) shows: &'a str,
    /// The pipeline file that it is of.
    pub(super) pipeline: &'a str,
    /// A line above everything.
    pub(super) byline: Markup,
    /// The headings.
    pub(super) headings: &'a [Heading],
    /// The body.
    pub(super) body: &'a str,
}

/// What the last line of a page begins with: the digest of all before it follows. So a page proves that nobody changed it.
const SEAL: &str = "\n<!-- sealed ";
const SEAL_END: &str = " -->\n";

/// How every page began before pages were sealed, and how it ended.
const BEGINNING: &str =
    "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"kiln-shows\" content=\"";
const END: &str = "</footer></body></html>";

/// Where [`shown`] finds what a page shows.
const SHOWS: &str = "<meta name=\"kiln-shows\" content=\"";

/// Where [`shown`] finds whose page one is.
const PIPELINE: &str = "<meta name=\"kiln-pipeline\" content=\"";

impl Page<'_> {
    pub(super) fn html(&self) -> String {
        let style = include_str!("style.css");
        // Nothing is fetched and nothing runs, whatever a name or a figure may hold.
        let policy =
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    (PreEscaped(SHOWS)) (self.shows) (PreEscaped("\">"))
                    (PreEscaped(PIPELINE)) (self.pipeline) (PreEscaped("\">"))
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="generator" content=(concat!("kiln ", env!("CARGO_PKG_VERSION")));
                    title { (self.title) }
                    style { (PreEscaped(style)) }
                }
                body {
                    a.skip href="#content" { "Skip to the content" }
                    div.page.wide[self.wide].listed[self.is_listed()] {
                        @if self.is_listed() { (self.contents()) }
                        main id="content" tabindex="-1" {
                            p.byline { (self.byline) }
                            (PreEscaped(self.body))
                        }
                    }
                    footer { p { "Rendered by Kiln " (env!("CARGO_PKG_VERSION")) " from the records and artifacts of its runs." } }
                }
            }
        };
        let mut text = page.into_string();
        let seal = blake3::hash(text.as_bytes());
        text.push_str(&format!("{SEAL}{seal}{SEAL_END}"));
        text
    }

    /// Whether there are headings for a list of contents. Without one the text has all the width.
    fn is_listed(&self) -> bool {
        self.headings.iter().any(|h| h.level == 2)
    }

    fn contents(&self) -> Markup {
        html! {
            nav.contents aria-label="Contents" {
                h2 { "Contents" }
                ol {
                    @for heading in self.headings.iter().filter(|h| h.level == 2 || h.level == 3) {
                        li class=(format!("h{}", heading.level)) { a href=(format!("#{}", heading.id)) { (plain(&heading.text)) } }
                    }
                }
            }
        }
    }
}

/// Whether a file is a page of Kiln's, as it was written. (Of pages from before they were sealed only the form tells.)
pub fn is_page(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    match text.rsplit_once(SEAL) {
        Some((page, seal)) => seal.strip_suffix(SEAL_END) == Some(blake3::hash(page.as_bytes()).to_hex().as_str()),
        None => text.starts_with(BEGINNING) && text.ends_with(END),
    }
}

/// A heading without its references.
pub(super) fn plain(text: &str) -> String {
    let literal = |piece| if let Piece::Literal(text) = piece { text } else { "" };
    pieces(text).into_iter().map(literal).collect()
}

/// What the beginning of a page tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What it shows, as [`shows`](super::shows) puts it; empty where it sets runs side by side.
    pub shows: String,
    /// The pipeline file that it is of; pages of before do not tell.
    pub pipeline: Option<String>,
}

/// What a page is, as far as its beginning tells; `None` if it is none of Kiln's.
pub fn shown(page: &str) -> Option<Shown> {
    let content = |mark: &str| page[page.find(mark)? + mark.len()..].split('"').next();
    let plain =
        |text: &str| text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    Some(Shown { shows: content(SHOWS)?.to_owned(), pipeline: content(PIPELINE).map(plain) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_proves_that_it_was_not_changed() {
        let page = Page {
            title: "t",
            wide: false,
            shows: "x",
            pipeline: "p.yaml",
            byline: html! {},
            headings: &[],
            body: "<p>text</p>",
        };
        let page = page.html();
        assert!(is_page(page.as_bytes()));
        assert!(!is_page(page.replace("text", "test").as_bytes()), "an edit shows");
        assert!(!is_page(format!("{page}<!-- mine -->").as_bytes()));
        let (before, _) = page.rsplit_once(SEAL).expect("a seal");
        assert!(is_page(before.as_bytes()), "as pages were before they were sealed");
        for other in ["", "# Study\n", "<!DOCTYPE html><html><body></body></html>"] {
            assert!(!is_page(other.as_bytes()), "{other}");
        }
    }
}
