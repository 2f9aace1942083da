//! Products by AMX: the instruction TDPBF16PS multiplies two tiles of bfloat16 and adds the product to one of float32.
//!
//! A tile has 16 lines of 64 bytes: 16 rows of a block of the left operand, 16 lines of pairs of the right one, or 16 x 16 sums. The instruction sums even and odd
//! k apart, each from 0, and then adds both to the tile of sums, so one of them is one block of the definition. What it rounds and what becomes 0
//! does not depend on the processor's settings.
//!
//! The source is Intel's manual of the architecture (volume 2, TDPBF16PS) and, for the permission, Linux's documentation of x86/xstate.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

use super::BLOCK;
use super::avx512::Avx512Bf16;
use super::pack::MOST;
use super::round::round;
use super::unit::{Compute, GROUP, Sum, Terms};
use super::words::{self, Order, WIDTH};

/// The product on tiles. Who has one may use the instructions, those of AVX512-BF16 as well, by which operands are rounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amx(());

/// Of each pair the earlier term is in the lower word.
const ORDER: Order = [0, 1, 2, 3];

/// Lines of a tile.
const LINES: usize = 16;

/// Blocks of the left operand that are gathered at a time. The tiles are 16 KiB then.
const BLOCKS: usize = 8;

impl Amx {
    /// The unit, if the processor has the instructions, the system lets this process use them, and they add as the product is defined.
    pub(super) fn new() -> Option<Self> {
        static HAS: OnceLock<bool> = OnceLock::new();
        let has = || Avx512Bf16::new().is_some() && has_tiles() && are_allowed() && adds_as_defined();
        HAS.get_or_init(has).then_some(Self(()))
    }
}

/// Whether the processor says that it has tiles and their products of bfloat16.
fn has_tiles() -> bool {
    const BF16_AND_TILES: u32 = 1 << 22 | 1 << 24;
    #[allow(unused_unsafe, reason = "older compilers have it as an unsafe function")]
    // SAFETY: a processor with AVX-512 has this leaf.
    let features = unsafe { __cpuid_count(7, 0) };
    features.edx & BF16_AND_TILES == BF16_AND_TILES
}

/// Asks Linux for the state of tiles, as it wants to be asked once by every process that uses them.
fn are_allowed() -> bool {
    const REQUEST_PERMISSION: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    if !cfg!(target_os = "linux") {
        return false;
    }
    // SAFETY: a system call that changes only which registers the process may use.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 }
}

impl Compute for Amx {
    type Element = u16;

    const WIDTH: usize = WIDTH;
    const DEPTH: usize = BLOCK;

    #[inline(always)]
    fn round(self, from: &[f32], to: &mut [u16]) {
        // SAFETY: the processor has the instructions.
        unsafe { words::round_run(from, to) }
    }

    #[inline(always)]
    fn arrange(_: &mut [u16]) {}

    #[inline(always)]
    fn lay(self, lines: &[[f32; MOST]; 4], to: &mut [u16]) {
        // SAFETY: the processor has the instructions.
        unsafe { words::lay(ORDER, lines, to) }
    }

    #[inline(always)]
    fn transpose(self, lines: &[[f32; MOST]; 4], count: usize, to: &mut [u16], stride: usize) {
        // SAFETY: the processor has the instructions.
        unsafe { words::transpose(ORDER, lines, count, to, stride) }
    }

    #[inline(always)]
    unsafe fn add(self, a: Terms<u16>, b: *const u16, columns: usize, c: *mut f32, sum: Sum) {
        // SAFETY: the caller's promise, and the processor has the instructions. Sums that are not plain take no other ones.
        unsafe { product(a, b, columns, c, sum.begins) }
    }
}

/// Tiles of the left operand: of each block those of two times 16 rows.
#[repr(C, align(64))]
struct Left([[[[u16; BLOCK]; LINES]; 2]; BLOCKS]);

/// [`Compute::add`].
///
/// # Safety
/// As there.
unsafe fn product(a: Terms<u16>, b: *const u16, columns: usize, c: *mut f32, begins: bool) {
    let panels = columns.div_ceil(WIDTH);
    let stride = panels * WIDTH;
    let depth = (a.groups.len() * GROUP).next_multiple_of(BLOCK);
    let mut left = Left([[[[0; BLOCK]; LINES]; 2]; BLOCKS]);
    if begins {
        // SAFETY: the sums are the caller's to write.
        unsafe { c.write_bytes(0, a.starts.len() * stride) };
    }
    let mut shaped = [0; 2];
    for row in (0..a.starts.len()).step_by(2 * LINES) {
        let starts = &a.starts[row..a.starts.len().min(row + 2 * LINES)];
        let rows = [starts.len().min(LINES), starts.len().saturating_sub(LINES)];
        if rows != shaped {
            // SAFETY: the processor has tiles, and the rows are at most 16.
            unsafe { shape(rows) };
            shaped = rows;
        }
        for (part, groups) in a.groups.chunks(BLOCKS * BLOCK / GROUP).enumerate() {
            // SAFETY: the caller's promise: of these rows the groups are readable, of each panel the lines of these blocks, and the sums of these
            // rows are writable.
            unsafe {
                gather(a.data, starts, groups, &mut left);
                let blocks = (groups.len() * GROUP).div_ceil(BLOCK);
                for panel in 0..panels {
                    let b = b.add((panel * depth + part * BLOCKS * BLOCK) * WIDTH);
                    let c = c.add(row * stride + panel * WIDTH);
                    let is_narrow = columns - panel * WIDTH <= WIDTH / 2;
                    match (rows[1] > 0, is_narrow) {
                        (true, false) => two_by_two(&left, b, blocks, c, stride),
                        (true, true) => two_by_one(&left, b, blocks, c, stride),
                        (false, false) => one_by_two(&left, b, blocks, c, stride),
                        (false, true) => one_by_one(&left, b, blocks, c, stride),
                    }
                }
            }
        }
    }
    // SAFETY: the processor has tiles; none is in use.
    unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
}

/// Copies the terms of at most 32 rows into tiles. The last block is filled up with zeros.
///
/// # Safety
/// The groups of the rows that start there must be readable.
unsafe fn gather(data: *const u16, starts: &[usize], groups: &[usize], left: &mut Left) {
    for (groups, tiles) in groups.chunks(BLOCK / GROUP).zip(&mut left.0) {
        let is_run = groups.len() * GROUP == BLOCK && groups.windows(2).all(|two| two[0] + GROUP == two[1]);
        for (start, line) in starts.iter().zip(tiles.as_flattened_mut()) {
            // SAFETY: the caller's promise.
            unsafe {
                if is_run {
                    *line = data.add(start + groups[0]).cast::<[u16; BLOCK]>().read_unaligned();
                } else {
                    let (fours, _) = line.as_chunks_mut::<GROUP>();
                    let (filled, rest) = fours.split_at_mut(groups.len());
                    for (group, four) in groups.iter().zip(filled) {
                        *four = data.add(start + group).cast::<[u16; GROUP]>().read_unaligned();
                    }
                    rest.fill([0; GROUP]);
                }
            }
        }
    }
}

/// Gives the tiles their lines. 0 and 1 are the sums of the upper rows, 2 and 3 those of the lower ones; 4 and 5 are the left operand's upper and
/// lower rows; 6 and 7 are lines of the right operand.
///
/// # Safety
/// The processor must have tiles, and the rows must be at most 16.
unsafe fn shape([upper, lower]: [usize; 2]) {
    /// What `ldtilecfg` reads: the palette, then for each tile bytes a line and lines.
    #[repr(C, align(64))]
    struct Shapes {
        palette: u8,
        start: [u8; 15],
        bytes: [u16; 16],
        lines: [u8; 16],
    }
    let mut shapes = Shapes { palette: 1, start: [0; 15], bytes: [0; 16], lines: [0; 16] };
    for (tile, lines) in [upper, upper, lower, lower, upper, lower, LINES, LINES].into_iter().enumerate() {
        // A tile without lines has no bytes either.
        shapes.bytes[tile] = if lines > 0 { 64 } else { 0 };
        shapes.lines[tile] = lines as u8;
    }
    // SAFETY: the shapes are those of palette 1, and outlive the instruction.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const shapes, options(nostack, preserves_flags, readonly)) };
}

/// A function that adds the product of tiles of the left operand and a panel to sums: it loads the sums, adds the products block by block, and stores the sums.
macro_rules! adds {
    ($(#[$doc:meta])* $name:ident: load $($load:literal)*; each $($each:literal)*; store $($store:literal)*) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The tiles must have been [given their lines](shape); `blocks` of the panel must be readable, and the sums writable, `stride` apart.
        unsafe fn $name(left: &Left, b: *const u16, blocks: usize, c: *mut f32, stride: usize) {
            debug_assert!((1..=BLOCKS).contains(&blocks), "{blocks} blocks");
            // SAFETY: the caller's promise. Of the left operand there are as many blocks.
            unsafe {
                asm!(
                    // Not all have lower rows.
                    "/* {lower} */",
                    $($load,)*
                    "2:",
                    $($each,)*
                    // The next block: two tiles on, and 16 lines of pairs of the panel.
                    "add {a}, 2048",
                    "add {b}, 2048",
                    "dec {blocks}",
                    "jnz 2b",
                    $($store,)*
                    a = inout(reg) left => _,
                    b = inout(reg) b => _,
                    c = in(reg) c,
                    lower = in(reg) c.wrapping_add(LINES * stride),
                    row = in(reg) stride * size_of::<f32>(),
                    line = in(reg) 64_usize,
                    pairs = in(reg) 128_usize,
                    blocks = inout(reg) blocks => _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

adds! {
    /// Of 32 rows, and of all columns of a panel.
    two_by_two:
    load "tileloadd tmm0, [{c} + {row}]" "tileloadd tmm1, [{c} + {row} + 64]"
        "tileloadd tmm2, [{lower} + {row}]" "tileloadd tmm3, [{lower} + {row} + 64]";
    each "tileloadd tmm4, [{a} + {line}]"
        "tileloadd tmm6, [{b} + {pairs}]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tileloadd tmm7, [{b} + {pairs} + 64]"
        "tdpbf16ps tmm1, tmm4, tmm7"
        "tileloadd tmm5, [{a} + {line} + 1024]"
        "tdpbf16ps tmm2, tmm5, tmm6"
        "tdpbf16ps tmm3, tmm5, tmm7";
    store "tilestored [{c} + {row}], tmm0" "tilestored [{c} + {row} + 64], tmm1"
        "tilestored [{lower} + {row}], tmm2" "tilestored [{lower} + {row} + 64], tmm3"
}

adds! {
    /// Of up to 32 rows, and of the first 16 columns.
    two_by_one:
    load "tileloadd tmm0, [{c} + {row}]" "tileloadd tmm2, [{lower} + {row}]";
    each "tileloadd tmm6, [{b} + {pairs}]"
        "tileloadd tmm4, [{a} + {line}]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tileloadd tmm5, [{a} + {line} + 1024]"
        "tdpbf16ps tmm2, tmm5, tmm6";
    store "tilestored [{c} + {row}], tmm0" "tilestored [{lower} + {row}], tmm2"
}

adds! {
    /// Of up to 16 rows, and of all columns of a panel.
    one_by_two:
    load "tileloadd tmm0, [{c} + {row}]" "tileloadd tmm1, [{c} + {row} + 64]";
    each "tileloadd tmm4, [{a} + {line}]"
        "tileloadd tmm6, [{b} + {pairs}]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tileloadd tmm7, [{b} + {pairs} + 64]"
        "tdpbf16ps tmm1, tmm4, tmm7";
    store "tilestored [{c} + {row}], tmm0" "tilestored [{c} + {row} + 64], tmm1"
}

adds! {
    /// Of up to 16 rows, and of the first 16 columns.
    one_by_one:
    load "tileloadd tmm0, [{c} + {row}]";
    each "tileloadd tmm4, [{a} + {line}]"
        "tileloadd tmm6, [{b} + {pairs}]"
        "tdpbf16ps tmm0, tmm4, tmm6";
    store "tilestored [{c} + {row}], tmm0"
}

/// Whether the instruction gives the results of the definition where another could be meant: their order, what is rounded, what becomes 0.
fn adds_as_defined() -> bool {
    let power = |n: i32| 2f64.powi(n) as f32;
    let least = f32::MIN_POSITIVE;
    // A sum, the factors of the first terms, and the result.
    let cases = [
        // Even and odd k are summed apart.
        (0.0, [(power(24), 1.0), (1.0, 1.0), (-power(24), 1.0), (0.0, 0.0)], 1.0),
        // The sum of the blocks before comes last.
        (-power(24), [(power(24), 1.0), (0.0, 0.0), (1.0, 1.0), (0.0, 0.0)], 0.0),
        // A product is not rounded.
        (0.0, [(-power(127), 1.0), (0.0, 0.0), (power(64), power(64)), (0.0, 0.0)], power(127)),
        // What is rounded to 24 bits is below the least normal number, or is not.
        (0.0, [(power(-63), power(-63)), (0.0, 0.0), (-power(-75), power(-75)), (0.0, 0.0)], 0.0),
        (0.0, [(power(-63), power(-63)), (0.0, 0.0), (-power(-76), power(-75)), (0.0, 0.0)], least),
        // So it is where both sums and the sum of the blocks before are added.
        (0.0, [(power(-63), power(-63) * 1.5), (-power(-63), power(-63)), (0.0, 0.0), (0.0, 0.0)], 0.0),
        (-least, [(power(-63), power(-63) * 1.5), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)], 0.0),
    ];
    cases.into_iter().all(|(sum, terms, result)| {
        let mut a = [0; BLOCK];
        let mut b = [[[0; 2]; WIDTH]; BLOCK / 2];
        for (k, (left, right)) in terms.into_iter().enumerate() {
            a[k] = round(left);
            b[k / 2].iter_mut().for_each(|pair| pair[k % 2] = round(right));
        }
        let groups: [usize; BLOCK / GROUP] = std::array::from_fn(|group| group * GROUP);
        let mut sums = [sum; WIDTH];
        let terms = Terms { data: a.as_ptr(), starts: &[0], groups: &groups };
        // SAFETY: the processor has the instructions; there is a row of whole groups, a panel of a block, and a row of sums.
        unsafe { product(terms, b.as_flattened().as_flattened().as_ptr(), WIDTH, sums.as_mut_ptr(), false) };
        sums.iter().all(|found: &f32| found.to_bits() == f32::to_bits(result))
    })
}

#[cfg(test)]
mod emulator;
#[cfg(test)]
mod tests;
