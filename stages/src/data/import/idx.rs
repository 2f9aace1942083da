//! The IDX format: two zero bytes, the element type, the rank, a big-endian `u32` a dimension, then the elements.
//!
//! Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

/// An IDX file of unsigned bytes.
#[derive(Debug)]
pub(super) struct Idx {
    /// The length of each dimension; none is 0.
    pub(super) dims: Vec<usize>,
    /// The elements, row-major.
    pub(super) bytes: Vec<u8>,
}

/// Reads an IDX file of unsigned bytes, packed with gzip or not (told by its first bytes).
///
/// # Errors
/// If the header is wrong, or the file is not exactly as long as the header says.
pub(super) fn read(path: &Path, port: &str) -> anyhow::Result<Idx> {
    let open = || -> anyhow::Result<Idx> {
        let mut file = BufReader::with_capacity(1 << 17, File::open(path)?);
        match file.fill_buf()? {
            [0x1f, 0x8b, ..] => parse(flate2::bufread::MultiGzDecoder::new(file)),
            _ => parse(file),
        }
    };
    open().with_context(|| format!("input `{port}` ({}) is not a valid IDX file", path.display()))
}

fn parse(mut reader: impl Read) -> anyhow::Result<Idx> {
    let magic: [u8; 4] = header(&mut reader, "magic number")?;
    ensure!(magic[..2] == [0, 0], "it begins with the bytes {:02x} {:02x}, not 00 00", magic[0], magic[1]);
    ensure!(magic[2] == 0x08, "its elements are {}; only unsigned bytes (08) can be read", type_name(magic[2]));
    let rank = magic[3];
    ensure!((1..=4).contains(&rank), "it has {rank} dimensions; 1 to 4 can be read");
    let mut dims = Vec::new();
    for i in 0..rank {
        let dim = u32::from_be_bytes(header(&mut reader, "dimensions")?) as usize;
        ensure!(dim > 0, "dimension {} of {rank} is 0", i + 1);
        dims.push(dim);
    }
    let expected = dims
        .iter()
        .try_fold(1usize, |product, &dim| product.checked_mul(dim))
        .filter(|&n| isize::try_from(n).is_ok())
        .with_context(|| format!("its header says {dims:?}, more than memory can hold"))?;
    let bytes = body(reader, expected, 4 + 4 * dims.len(), &dims)?;
    Ok(Idx { dims, bytes })
}

fn header(reader: &mut impl Read, what: &str) -> anyhow::Result<[u8; 4]> {
    let mut bytes = [0; 4];
    match reader.read_exact(&mut bytes) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => bail!("it ends within its {what}"),
        done => done.context("it cannot be read")?,
    }
    Ok(bytes)
}

/// Reads exactly `expected` bytes. Memory grows with what is really there, never with what the header promises.
fn body(mut reader: impl Read, expected: usize, header: usize, dims: &[usize]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = reader.by_ref().take(expected as u64).read_to_end(&mut bytes);
    let sizes = |actual: u64| {
        format!(
            "its header says {dims:?}: expected {} bytes ({header} of header), got {actual}",
            header as u64 + expected as u64
        )
    };
    let so_far = (header + bytes.len()) as u64;
    match read {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => bail!("{}: the gzip stream breaks off", sizes(so_far)),
        Err(e) => return Err(e).with_context(|| format!("{} and then an error", sizes(so_far))),
        Ok(_) if bytes.len() < expected => bail!("{}", sizes(so_far)),
        Ok(_) => {}
    }
    // Reading on to the end also makes gzip verify its checksum.
    let rest = io::copy(&mut reader, &mut io::sink()).context("its end cannot be read (damaged gzip?)")?;
    ensure!(rest == 0, "{}", sizes(so_far + rest));
    Ok(bytes)
}

fn type_name(code: u8) -> String {
    match code {
        0x09 => "signed bytes (09)".to_owned(),
        0x0b => "16-bit integers (0b)".to_owned(),
        0x0c => "32-bit integers (0c)".to_owned(),
        0x0d => "32-bit floats (0d)".to_owned(),
        0x0e => "64-bit floats (0e)".to_owned(),
        _ => format!("of the unknown type {code:02x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> String {
        format!("{:#}", parse(bytes).unwrap_err())
    }

    #[test]
    fn reads_what_the_header_says() {
        let idx = parse(&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6][..]).unwrap();
        assert_eq!((idx.dims, idx.bytes), (vec![2, 3], vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn refuses_wrong_headers() {
        assert_eq!(error(b"\x89PNG"), "it begins with the bytes 89 50, not 00 00");
        assert!(error(&[0, 0, 0x0d, 1, 0, 0, 0, 1]).contains("32-bit floats (0d)"));
        assert!(error(&[0, 0, 7, 1]).contains("unknown type 07"));
        assert!(error(&[0, 0, 8, 0]).contains("0 dimensions"));
        assert!(error(&[0, 0, 8, 5]).contains("5 dimensions"));
        assert_eq!(error(&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 0]), "dimension 2 of 2 is 0");
        assert_eq!(error(&[0, 0]), "it ends within its magic number");
        assert_eq!(error(&[0, 0, 8, 2, 0, 0]), "it ends within its dimensions");
    }

    #[test]
    fn says_both_sizes_of_a_file_that_is_too_short_or_too_long() {
        let file = [0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3, 4];
        assert_eq!(error(&file), "its header says [3]: expected 11 bytes (8 of header), got 12");
        assert_eq!(error(&file[..9]), "its header says [3]: expected 11 bytes (8 of header), got 9");
    }

    #[test]
    fn allocates_nothing_for_what_is_not_there() {
        // 64 GiB promised, one byte there.
        let file = [0, 0, 8, 3, 0, 1, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0, 9];
        assert!(error(&file).contains("expected 68719476752 bytes (16 of header), got 17"));
        let huge = [[0, 0, 8, 4].as_slice(), &[0xff; 16]].concat();
        assert!(error(&huge).contains("more than memory can hold"));
    }
}
