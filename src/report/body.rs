//! The body of a page: the Markdown's events with every reference replaced by what the run has.

use maud::html;
use pulldown_cmark::{CowStr, Event, Tag, TagEnd};

use super::condition::{Conditions, Marker, marker};
use super::document::{Document, Heading, Piece, Placed, alone, only, pieces};
use super::figure::Caption;
use super::graph::{self, Graph};
use super::reference::{Fault, Reference, parse};
use super::subject::{Subject, without};

/// A body, the headings in it, and what it could not show.
pub(super) struct Body {
    pub(super) html: String,
    pub(super) headings: Vec<Heading>,
    pub(super) missing: Vec<Fault>,
}

/// Renders a report's Markdown for a run. Raw HTML is shown as text; comments are left out.
pub(super) fn render(markdown: &str, subject: &Subject<'_>) -> Body {
    let document = decided(markdown, subject);
    let events = document.events();
    let headings = document.headings(&events);
    let pictures = document.pictures(&events);
    let mut writer = Writer { document: &document, subject, out: vec![], missing: vec![] };
    let (mut heading, mut picture) = (headings.iter(), pictures.iter());
    let mut at = 0;
    while let Some((event, _)) = events.get(at) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                let id = heading.next().map(|h| h.id.as_str()).unwrap_or_default();
                writer.html(html! { (maud::PreEscaped(format!("<{level} id=\"{id}\">"))) }.into_string());
            }
            Event::End(TagEnd::Heading(level)) => writer.html(format!("</{level}>\n")),
            Event::Start(Tag::Paragraph) if only_pictures(&events, at) => {
                let mut figures = vec![];
                while !matches!(events[at].0, Event::End(TagEnd::Paragraph)) {
                    if let Event::Start(Tag::Image { dest_url, title, .. }) = &events[at].0 {
                        let id = if only(dest_url).is_some() { picture.next() } else { None };
                        figures.push(writer.figure(&events, at, dest_url, title, id.map_or("", |(_, id)| id)));
                    }
                    at += 1;
                }
                match figures.len() {
                    1 => writer.html(figures.concat()),
                    _ => writer.html(format!("<div class=\"figures\">{}</div>\n", figures.concat())),
                }
            }
            Event::Start(Tag::Paragraph) if alone(&events, at + 1).is_some_and(|n| writer.block(n)) => at += 2,
            Event::Start(Tag::Image { dest_url, .. }) => {
                if only(dest_url).is_some() {
                    picture.next();
                }
                at = writer.image(&events, at, dest_url);
            }
            Event::Start(Tag::Table(_)) => {
                writer.html("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Table\">".into());
                writer.out.push(event.clone());
            }
            Event::End(TagEnd::Table) => {
                writer.out.push(event.clone());
                writer.html("</div>".into());
            }
            Event::Start(Tag::Link { dest_url, .. }) if !is_good_link(dest_url) => {
                let text = document.restored(dest_url);
                writer.html(html! { span title=(text) { (maud::PreEscaped("")) } }.into_string());
                at = writer.unlinked(&events, at);
            }
            Event::Start(Tag::CodeBlock(_)) => {
                while let Some((event, _)) = events.get(at) {
                    match event {
                        Event::Text(text) => writer.out.push(Event::Text(document.restored(text).into())),
                        other => writer.out.push(other.clone()),
                    }
                    if matches!(event, Event::End(TagEnd::CodeBlock)) {
                        break;
                    }
                    at += 1;
                }
            }
            Event::Start(Tag::HtmlBlock) => at = writer.raw(&events, at),
            other => writer.event(other),
        }
        at += 1;
    }
    let mut html = String::new();
    let missing = writer.missing;
    pulldown_cmark::html::push_html(&mut html, writer.out.into_iter());
    Body { html, headings, missing }
}

/// The document of a report without the texts whose conditions do not hold in the run.
fn decided<'t>(markdown: &'t str, subject: &Subject<'_>) -> Document<'t> {
    let whole = Document::read(markdown);
    let conditions = Conditions::find(markdown, &whole, &whole.events());
    let left_out = conditions.left_out(|condition| condition.holds(&|reference| subject.number(reference)));
    Document::without(markdown, &left_out)
}

struct Writer<'a, 'm> {
    document: &'a Document<'a>,
    subject: &'a Subject<'a>,
    out: Vec<Event<'m>>,
    missing: Vec<Fault>,
}

impl<'m> Writer<'_, 'm> {
    fn html(&mut self, html: String) {
        self.out.push(Event::Html(html.into()));
    }

    fn event(&mut self, event: &Event<'m>) {
        match event {
            Event::Text(text) => self.text(text),
            Event::Code(text) => self.out.push(Event::Code(self.document.restored(text).into())),
            Event::InlineHtml(text) | Event::Html(text) if is_comment(text) => {}
            Event::InlineHtml(text) | Event::Html(text) => {
                self.out.push(Event::Text(self.document.restored(text).into()))
            }
            other => self.out.push(other.clone()),
        }
    }

    fn text(&mut self, text: &CowStr<'m>) {
        for piece in pieces(text) {
            match piece {
                Piece::Literal(text) => self.out.push(Event::Text(text.to_owned().into())),
                Piece::Use(n) => match self.value(n) {
                    Ok(value) => self.out.push(Event::Text(value.into())),
                    Err(fault) => {
                        let message = html! { span.missing { "(missing: " (fault.message) ")" } };
                        self.out.push(Event::InlineHtml(message.into_string().into()));
                        self.missing.push(fault);
                    }
                },
            }
        }
    }

    fn value(&self, n: usize) -> Result<String, Fault> {
        if let Some(Ok(Marker::If(condition))) = self.document.uses[n].inner.and_then(marker) {
            // Those that can be decided are gone.
            return condition.holds(&|reference| self.subject.number(reference)).map(|_| String::new());
        }
        let (reference, format) = self.read(n)?;
        self.subject.value(&reference, format)
    }

    fn read(&self, n: usize) -> Result<(Reference<'_>, Option<super::format::Format>), Fault> {
        let inner = self.document.uses[n].inner.ok_or_else(|| without("`${` without a closing `}`"))?;
        parse(inner)
    }

    /// A text in an attribute or a caption: references become their values.
    fn plain(&mut self, text: &str) -> String {
        let mut out = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Use(n) => match self.value(n) {
                    Ok(value) => out.push_str(&value),
                    Err(fault) => {
                        out.push_str(&format!("(missing: {})", fault.message));
                        self.missing.push(fault);
                    }
                },
            }
        }
        out
    }

    /// Writes a reference that is a block; `false` if it is none.
    fn block(&mut self, n: usize) -> bool {
        // A condition that could not be decided is told where it stands, as one within a text is.
        if self.document.uses[n].inner.and_then(marker).is_some() {
            return false;
        }
        let subject = self.subject;
        let drawn = match self.read(n) {
            Ok((Reference::Graph, _)) => {
                let graph = Graph::of_run(subject.run);
                let title = format!("The stages of run {} and what became of them", subject.run.id);
                Ok(html! {
                    figure.dag {
                        div.scroll role="region" tabindex="0" aria-label=(title) { (graph::element(&graph, &title)) }
                        figcaption {
                            "The stages of this run, variants folded together: what became of them, and how long the executions \
                             took, in sum, that made their outputs."
                        }
                    }
                })
            }
            Ok((Reference::Table(table, caption), _)) => subject.table(&table, caption),
            Ok(_) => return false,
            Err(fault) => Err(fault),
        };
        match drawn {
            Ok(markup) => self.html(markup.into_string()),
            Err(fault) => {
                self.html(html! { p.missing { "Missing: " (fault.message) "." } }.into_string());
                self.missing.push(fault);
            }
        }
        true
    }

    fn figure(&mut self, events: &[Placed<'m>], start: usize, dest: &str, title: &str, id: &str) -> String {
        let (alt, _) = inner_text(events, start);
        let (alt, text) = (self.plain(&alt), self.plain(title));
        let reference = only(dest).map(|n| self.read(n).map(|(reference, _)| format_output(&reference)));
        match reference {
            Some(Ok(Some(reference))) => {
                let (markup, fault) = self.subject.figure(&reference, &Caption { id, alt: &alt, text: &text });
                self.missing.extend(fault);
                markup.into_string()
            }
            _ => {
                self.missing.push(without("a picture has to be an output of the pipeline"));
                html! { p.missing { "Missing: " (alt) } }.into_string()
            }
        }
    }

    /// A picture within a sentence.
    fn image(&mut self, events: &[Placed<'m>], start: usize, dest: &str) -> usize {
        let (alt, end) = inner_text(events, start);
        let alt = self.plain(&alt);
        let reference = only(dest).and_then(|n| self.read(n).ok().and_then(|(reference, _)| format_output(&reference)));
        let drawn = reference.ok_or_else(|| without("a picture has to be an output of the pipeline"));
        match drawn.and_then(|text| self.subject.drawn(self.subject.made(&text)?, &alt)) {
            Ok(markup) => self.html(markup.into_string()),
            Err(fault) => {
                self.html(html! { span.missing { "(missing: " (alt) ": " (fault.message) ")" } }.into_string());
                self.missing.push(fault);
            }
        }
        end
    }

    /// What a link that leads nowhere holds, without the link.
    fn unlinked(&mut self, events: &[Placed<'m>], start: usize) -> usize {
        let mut at = start + 1;
        while let Some((event, _)) = events.get(at).filter(|(e, _)| !matches!(e, Event::End(TagEnd::Link))) {
            self.event(event);
            at += 1;
        }
        at
    }

    /// A block of raw HTML as text; nothing if it is a comment.
    fn raw(&mut self, events: &[Placed<'m>], start: usize) -> usize {
        let (mut text, mut at) = (String::new(), start + 1);
        while let Some((event, _)) = events.get(at).filter(|(e, _)| !matches!(e, Event::End(TagEnd::HtmlBlock))) {
            if let Event::Html(part) | Event::Text(part) = event {
                text += part;
            }
            at += 1;
        }
        if !is_comment(&text) {
            let text = self.document.restored(&text);
            self.html(html! { p { (text.trim()) } }.into_string());
        }
        at
    }
}

fn is_comment(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("<!--") && text.ends_with("-->") && text.matches("-->").count() == 1
}

fn format_output(reference: &Reference<'_>) -> Option<String> {
    match reference {
        Reference::Output(text) => Some((*text).to_owned()),
        _ => None,
    }
}

/// Whether the paragraph that begins here holds pictures and nothing else.
fn only_pictures(events: &[Placed<'_>], start: usize) -> bool {
    let (mut depth, mut any) = (0, false);
    for (event, _) in &events[start + 1..] {
        match event {
            Event::Start(Tag::Image { .. }) => {
                depth += 1;
                any = true;
            }
            Event::End(TagEnd::Image) => depth -= 1,
            Event::End(TagEnd::Paragraph) => return any,
            Event::SoftBreak | Event::HardBreak => {}
            Event::Text(text) if text.trim().is_empty() => {}
            _ if depth > 0 => {}
            _ => return false,
        }
    }
    false
}

/// The text within a picture, and where the picture ends.
fn inner_text(events: &[Placed<'_>], start: usize) -> (String, usize) {
    let mut text = String::new();
    for (i, (event, _)) in events.iter().enumerate().skip(start + 1) {
        match event {
            Event::Text(t) | Event::Code(t) => text += t,
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            Event::End(TagEnd::Image) => return (text, i),
            _ => {}
        }
    }
    (text, events.len())
}

/// Whether a link leads out of the project: to the web or to a person.
pub(crate) fn is_outward(destination: &str) -> bool {
    let lower = destination.to_ascii_lowercase();
    ["https://", "http://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme))
}

fn is_good_link(destination: &str) -> bool {
    destination.starts_with('#') || is_outward(destination)
}
