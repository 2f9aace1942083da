//! The mark of a remote cache. It tells a bucket that holds one from a bucket that is missing, or is somebody else's: without it, each
//! question would be answered with "not there".

use crate::hash::Digest;

/// The format that this Kiln reads and writes.
const FORMAT: u32 = 1;

/// What a mark says.
pub(super) enum Mark {
    /// A cache of this format, and its number.
    Good([u8; 32]),
    /// One that a later Kiln made.
    Newer(u32),
    /// Something else, or damaged.
    Other,
}

/// The text of a mark, and the number in it.
pub(super) fn new() -> std::io::Result<(String, [u8; 32])> {
    let mut number = [0; 32];
    getrandom::fill(&mut number).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok((text(FORMAT, &number), number))
}

fn text(format: u32, number: &[u8; 32]) -> String {
    let text = format!("kiln remote cache {format} {}", Digest(*number));
    format!("{text} {}\n", &blake3::hash(text.as_bytes()).to_hex()[..8])
}

/// Reads a mark.
pub(super) fn read(bytes: &[u8]) -> Mark {
    let read = || {
        let said = str::from_utf8(bytes).ok()?;
        let mut words = said.strip_prefix("kiln remote cache ")?.split(' ');
        let format: u32 = words.next()?.parse().ok()?;
        let number: Digest = words.next()?.parse().ok()?;
        (text(format, &number.0).trim_end() == said.trim_end()).then_some((format, number.0))
    };
    match read() {
        Some((FORMAT, number)) => Mark::Good(number),
        Some((format, _)) if format > FORMAT => Mark::Newer(format),
        _ => Mark::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_from_anything_else() {
        let (mark, number) = new().unwrap();
        assert!(matches!(read(mark.as_bytes()), Mark::Good(found) if found == number));
        assert!(matches!(read(text(2, &number).as_bytes()), Mark::Newer(2)));
        for bytes in [b"".as_slice(), b"kiln remote cache 1", b"\xff", mark.replace('1', "2").as_bytes()] {
            assert!(matches!(read(bytes), Mark::Other));
        }
    }
}
