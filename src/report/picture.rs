//! Pictures as a page holds them: inlined as data URIs, with their size.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The files that are pictures.
pub(crate) const PICTURES: &[&str] = &["`.svg`", "`.png`", "`.jpg`", "`.gif`", "`.webp`"];

/// An SVG larger than this, in bytes, is shown by the PNG beside it, if there is one: thousands of marks draw slowly.
pub(super) const LARGE: u64 = 200 << 10;

/// A picture ready to be shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    /// `data:image/png;base64,...`.
    pub(super) uri: String,
    /// Width and height in CSS pixels, where the file tells.
    pub(super) size: Option<(f64, f64)>,
}

/// Whether a file is a picture, by its name.
pub(crate) fn is_picture(path: &Path) -> bool {
    media_type(path).is_some()
}

fn media_type(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    Some(match extension.as_str() {
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        _ => return None,
    })
}

impl Picture {
    /// Inlines a file. A picture within an `img` runs no script and fetches nothing.
    pub(super) fn inline(path: &Path, bytes: &[u8]) -> Option<Self> {
        let media = media_type(path)?;
        let size = match media {
            "image/svg+xml" => svg_size(bytes),
            "image/png" => png_size(bytes),
            _ => None,
        };
        Some(Self { uri: format!("data:{media};base64,{}", STANDARD.encode(bytes)), size })
    }
}

/// The size of an SVG by its `width` and `height`, else by its `viewBox`.
pub(super) fn svg_size(bytes: &[u8]) -> Option<(f64, f64)> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).into_owned();
    let tag = &text[text.find("<svg")?..];
    let tag = &tag[..tag.find('>').unwrap_or(tag.len())];
    let attribute = |name: &str| -> Option<&str> {
        let at = tag.match_indices(name).map(|(i, _)| i).find(|i| tag[..*i].ends_with(char::is_whitespace))?;
        let rest = tag[at + name.len()..].trim_start().strip_prefix('=')?.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        rest[1..].split(quote).next()
    };
    let length = |name| attribute(name)?.trim().trim_end_matches("px").parse::<f64>().ok();
    let size = length("width").zip(length("height")).or_else(|| {
        let numbers: Vec<f64> = attribute("viewBox")?
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|n| !n.is_empty())
            .map_while(|n| n.parse().ok())
            .collect();
        match numbers[..] {
            [_, _, width, height] => Some((width, height)),
            _ => None,
        }
    });
    size.filter(|(w, h)| *w > 0.0 && *h > 0.0 && w.is_finite() && h.is_finite())
}

/// The size of a PNG in pixels: the first two numbers of its first chunk.
fn png_size(bytes: &[u8]) -> Option<(f64, f64)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..16)?.strip_prefix(b"IHDR")?;
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    Some((f64::from(number(0)), f64::from(number(4))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_from_the_file() {
        assert_eq!(svg_size(b"<?xml?><svg stroke-width='9' width=\"12.5px\" height='4'>"), Some((12.5, 4.0)));
        assert_eq!(svg_size(b"<svg width='100%' height='100%' viewBox='0,0 30 20'/>"), Some((30.0, 20.0)));
        assert_eq!(svg_size(b"<svg>"), None);
        assert_eq!(svg_size(b"<svg width='0' height='3'>"), None);
        assert_eq!(svg_size(b"nothing"), None);
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x01\0\0\0\0\x02\x08";
        assert_eq!(png_size(png), Some((256.0, 2.0)));
        assert_eq!(png_size(&png[..12]), None);
    }

    #[test]
    fn only_pictures_are_inlined() {
        let svg = Picture::inline(Path::new("a/b.SVG"), b"<svg/>").unwrap();
        assert_eq!(svg.uri, "data:image/svg+xml;base64,PHN2Zy8+");
        assert_eq!(Picture::inline(Path::new("a/b.txt"), b""), None);
    }
}
