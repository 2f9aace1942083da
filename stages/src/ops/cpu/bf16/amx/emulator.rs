//! The instructions of AMX on processors that have none: a handler of the signal for unknown instructions does what they are described to do
//! (Intel's manual of the architecture, volume 2), those of them that [`product`](super::product) uses.

use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::sync::Once;

/// The registers of a thread.
struct Registers {
    /// Bytes of a line, and lines, of each tile.
    shapes: [(usize, usize); 8],
    tiles: [[[u8; 64]; 16]; 8],
}

thread_local! {
    static REGISTERS: UnsafeCell<Registers> =
        const { UnsafeCell::new(Registers { shapes: [(0, 0); 8], tiles: [[[0; 64]; 16]; 8] }) };
}

/// Has the instructions emulated from now on, in all threads. A processor that has them never asks.
pub(super) fn begin() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        // SAFETY: the handler is async-signal-safe: it allocates nothing and takes no lock.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            assert_eq!(libc::sigaction(libc::SIGILL, &raw const action, std::ptr::null_mut()), 0);
        }
    });
}

/// Emulates the instruction at which a thread was stopped, and has it go on behind that. Any other ends the process.
///
/// # Safety
/// To be called by the system.
unsafe extern "C" fn handle(_: c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system hands over the registers of this thread, which is at an instruction. Nobody else has its tiles.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let at = registers[libc::REG_RIP as usize] as *const u8;
        let length = REGISTERS.with(|tiles| emulate(at, registers, &mut *tiles.get()));
        match length {
            Some(length) => registers[libc::REG_RIP as usize] += length as i64,
            None => libc::abort(),
        }
    }
}

/// The general registers by their numbers in instructions.
const NUMBERS: [c_int; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// Does what an instruction says; its length, or `None` if it is none of AMX's.
///
/// # Safety
/// There must be an instruction, and what it addresses.
unsafe fn emulate(at: *const u8, general: &[i64; 23], to: &mut Registers) -> Option<usize> {
    // SAFETY: the caller's promise; no instruction is read beyond its end, as far as it is known.
    let byte = |i: usize| usize::from(unsafe { at.add(i).read() });
    if byte(0) != 0xc4 || byte(1) & 0x1f != 2 {
        return None;
    }
    let (x, b) = (!byte(1) >> 6 & 1, !byte(1) >> 5 & 1);
    let (third, prefix) = (!byte(2) >> 3 & 15, byte(2) & 3);
    let (mode, reg, rm) = (byte(4) >> 6, byte(4) >> 3 & 7, byte(4) & 7);
    let value = |number: usize| general[NUMBERS[number] as usize] as usize;
    if mode == 3 {
        match (byte(3), prefix) {
            (0x49, 0) => to.shapes = [(0, 0); 8],
            (0x5c, 2) => multiply(to, reg, rm, third),
            _ => return None,
        }
        return Some(5);
    }
    // The address: a base, perhaps an index, and a displacement.
    let (mut length, mut address, mut stride) = (5, 0, 0);
    let base = if rm == 4 {
        length += 1;
        let index = byte(5) >> 3 & 7 | x << 3;
        stride = if index == 4 { 0 } else { value(index) << (byte(5) >> 6) };
        byte(5) & 7
    } else {
        rm
    };
    assert!(mode > 0 || base != 5, "an address without a base");
    address += value(base | b << 3);
    match mode {
        1 => {
            address = address.wrapping_add_signed((byte(length) as u8 as i8).into());
            length += 1;
        }
        2 => {
            let displacement = i32::from_le_bytes(std::array::from_fn(|i| byte(length + i) as u8));
            address = address.wrapping_add_signed(displacement as isize);
            length += 4;
        }
        _ => {}
    }
    let line = |i: usize| (address + i * stride) as *mut u8;
    let (bytes, lines) = to.shapes[reg];
    // SAFETY: the caller's promise.
    unsafe {
        match (byte(3), prefix) {
            (0x49, 0) => {
                let told = (address as *const [u8; 64]).read_unaligned();
                assert_eq!(told[0], 1, "the palette");
                to.shapes = std::array::from_fn(|i| {
                    let bytes = u16::from_le_bytes([told[16 + 2 * i], told[17 + 2 * i]]);
                    let lines = told[48 + i];
                    assert!(bytes <= 64 && lines <= 16 && (bytes == 0) == (lines == 0), "the shape of a tile");
                    (bytes.into(), lines.into())
                });
                to.tiles = [[[0; 64]; 16]; 8];
            }
            (0x4b, 3) => {
                assert!(lines > 0, "a tile without a shape");
                to.tiles[reg] = [[0; 64]; 16];
                for (i, tile) in to.tiles[reg].iter_mut().enumerate().take(lines) {
                    line(i).copy_to_nonoverlapping(tile.as_mut_ptr(), bytes);
                }
            }
            (0x4b, 2) => {
                assert!(lines > 0, "a tile without a shape");
                for (i, tile) in to.tiles[reg].iter().enumerate().take(lines) {
                    line(i).copy_from_nonoverlapping(tile.as_ptr(), bytes);
                }
            }
            _ => return None,
        }
    }
    Some(length)
}

/// TDPBF16PS: of each row and column the products of even and of odd terms are summed apart, and both sums are added to the tile.
fn multiply(to: &mut Registers, sums: usize, a: usize, b: usize) {
    let (columns, rows) = (to.shapes[sums].0 / 4, to.shapes[sums].1);
    let depth = to.shapes[b].1;
    assert!(to.shapes[a] == (depth * 4, rows) && to.shapes[b].0 == columns * 4, "shapes of tiles that fit");
    let word = |tile: &[[u8; 64]; 16], line: usize, i: usize| {
        flush(f32::from_bits(u32::from(u16::from_le_bytes([tile[line][2 * i], tile[line][2 * i + 1]])) << 16))
    };
    for row in 0..rows {
        for column in 0..columns {
            let mut parts = [0.0; 2];
            for k in 0..depth {
                for (part, sum) in parts.iter_mut().enumerate() {
                    let (a, b) = (word(&to.tiles[a], row, 2 * k + part), word(&to.tiles[b], k, 2 * column + part));
                    *sum = multiply_add(a, b, *sum);
                }
            }
            let place = &mut to.tiles[sums][row][4 * column..][..4];
            let old = flush(f32::from_le_bytes([place[0], place[1], place[2], place[3]]));
            place.copy_from_slice(&add(old, add(parts[0], parts[1])).to_le_bytes());
        }
    }
}

/// 0 of its sign for what is below the least normal number.
fn flush(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

/// A multiply-add whose result is rounded to 24 bits, and is 0 of its sign where it is below the least normal number then.
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    // Where this is about as small as that number it has all bits, and so has the least that is rounded up to it.
    let exact = f64::from(a) * f64::from(b) + f64::from(c);
    let rounded_up = f64::from(f32::MIN_POSITIVE) * (1.0 - 2f64.powi(-25));
    if exact.abs() < rounded_up { 0f32.copysign(exact as f32) } else { a.mul_add(b, c) }
}

fn add(a: f32, b: f32) -> f32 {
    multiply_add(a, 1.0, b)
}
