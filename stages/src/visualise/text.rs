//! The embedded fonts, and how wide a text is in them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ttf_parser::Face;

/// The regular weight, a TrueType file.
pub(super) const REGULAR: &[u8] = include_bytes!("../../assets/fonts/OpenSans-Regular.ttf");
/// The bold weight, a TrueType file.
pub(super) const BOLD: &[u8] = include_bytes!("../../assets/fonts/OpenSans-Bold.ttf");
/// The family that both files name.
pub(super) const FAMILY: &str = "Open Sans";
/// What an SVG asks for: the family, then what a browser without it should take.
pub(super) const FAMILIES: &str = "Open Sans, Noto Sans, Segoe UI, Helvetica Neue, Arial, sans-serif";

/// The Latin part of both weights as the style sheet of an SVG document, so that a browser needs no font installed.
pub(super) static STYLE_SHEET: LazyLock<String> = LazyLock::new(|| {
    let regular: &[u8] = include_bytes!("../../assets/fonts/OpenSans-Regular.latin.woff2");
    let bold: &[u8] = include_bytes!("../../assets/fonts/OpenSans-Bold.latin.woff2");
    let face = |weight: &str, bytes: &[u8]| {
        format!(
            "@font-face{{font-family:\"{FAMILY}\";font-weight:{weight};src:url(data:font/woff2;base64,{})}}\n",
            STANDARD.encode(bytes)
        )
    };
    face("normal", regular) + &face("bold", bold)
});

/// Which of the two fonts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Weight {
    /// For everything else.
    #[default]
    Regular,
    /// For titles, heads and what stands out.
    Bold,
}

/// What a text is cut with.
const ELLIPSIS: char = '…';

/// The width of `text` at `size`. Kerning is left out: it only ever makes a text narrower.
pub(super) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    static FACES: LazyLock<[Face<'static>; 2]> =
        LazyLock::new(|| [REGULAR, BOLD].map(|bytes| Face::parse(bytes, 0).expect("the embedded fonts are fonts")));
    let face = match weight {
        Weight::Regular => &FACES[0],
        Weight::Bold => &FACES[1],
    };
    let em = f64::from(face.units_per_em());
    let advance = |c: char| {
        let known = face.glyph_index(c).and_then(|glyph| face.glyph_hor_advance(glyph));
        // A character that the font lacks is drawn by a viewer in a font of its own; most are no wider than an em.
        known.map_or(1.0, |units| f64::from(units) / em)
    };
    text.chars().map(advance).sum::<f64>() * size
}

/// The widest of some texts; 0 if there are none.
pub(super) fn widest<'t>(texts: impl IntoIterator<Item = &'t str>, size: f64, weight: Weight) -> f64 {
    texts.into_iter().map(|text| width(text, size, weight)).fold(0.0, f64::max)
}

/// `text`, cut with an ellipsis if it is wider than `room`.
pub(super) fn fit(text: &str, size: f64, weight: Weight, room: f64) -> String {
    if width(text, size, weight) <= room {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let cut: String = kept.iter().collect::<String>().trim_end().chars().chain([ELLIPSIS]).collect();
        if width(&cut, size, weight) <= room {
            return cut;
        }
    }
    ELLIPSIS.to_string()
}

/// `text` in at most `lines` lines no wider than `room`, broken between words; what does not fit is cut.
pub(super) fn wrap(text: &str, size: f64, weight: Weight, room: f64, lines: usize) -> Vec<String> {
    let mut done: Vec<String> = Vec::new();
    let mut rest: Vec<&str> = text.split_whitespace().collect();
    while !rest.is_empty() && done.len() + 1 < lines {
        let mut taken = 1;
        while taken < rest.len() && width(&rest[..=taken].join(" "), size, weight) <= room {
            taken += 1;
        }
        done.push(fit(&rest[..taken].join(" "), size, weight, room));
        rest.drain(..taken);
    }
    if !rest.is_empty() {
        done.push(fit(&rest.join(" "), size, weight, room));
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_equally_wide_so_that_columns_of_numbers_align() {
        for weight in [Weight::Regular, Weight::Bold] {
            for digit in '1'..='9' {
                assert_eq!(width(&digit.to_string(), 12.0, weight), width("0", 12.0, weight));
            }
        }
    }

    #[test]
    fn a_text_is_broken_between_words_and_cut_only_at_the_end() {
        let lines = wrap("boots that reach over the ankle, and trousers", 12.0, Weight::Regular, 80.0, 2);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with(char::is_alphabetic), "{lines:?}");
        assert!(lines[1].ends_with(ELLIPSIS), "{lines:?}");
        assert!(lines.iter().all(|line| width(line, 12.0, Weight::Regular) <= 80.0));
    }

    #[test]
    fn a_word_wider_than_the_room_is_cut() {
        assert_eq!(wrap("Donaudampfschifffahrt", 12.0, Weight::Regular, 60.0, 3).len(), 1);
        assert!(wrap("", 12.0, Weight::Regular, 60.0, 3).is_empty());
    }
}
