//! What the processor can do at most: multiplications and additions a second of loops that do nothing else.
//!
//! `peak [THREADS] [SECONDS]` prints a line of JSON with billions of operations a second for float32 (AVX-512 or AVX2 with FMA), for
//! bfloat16 products with float32 sums in vectors (AVX512-BF16), and for the same in tiles (AMX); null where the processor or the
//! system has none. `bench/training.py` gives rates as shares of the first.
#![allow(clippy::print_stdout, reason = "a program that prints its result")]
#![allow(unsafe_code, reason = "instructions that a check at run time has found")]

use std::time::{Duration, Instant};

/// Rounds of a loop between two looks at the clock.
const ROUNDS: u64 = 200_000;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let threads: usize = arguments.next().map_or(Ok(1), |a| a.parse())?;
    let seconds: f64 = arguments.next().map_or(Ok(1.0), |a| a.parse())?;
    let on_all = |loops: Option<Loop>| loops.map(|loops| rate(loops, threads.max(1), Duration::from_secs_f64(seconds)));
    let (float32, bf16, tiles) = (on_all(loops::float32()), on_all(loops::bf16()), on_all(loops::tiles()));
    println!("{}", serde_json::json!({"float32": float32, "bf16": bf16, "bf16_tiles": tiles}));
    Ok(())
}

/// A loop, and how many operations a round of it has.
#[derive(Clone, Copy)]
struct Loop {
    run: fn(u64),
    operations: u64,
}

/// Billions of operations a second on so many threads at once.
fn rate(loops: Loop, threads: usize, time: Duration) -> f64 {
    (loops.run)(ROUNDS);
    let one = || {
        let (start, mut rounds) = (Instant::now(), 0);
        while start.elapsed() < time {
            (loops.run)(ROUNDS);
            rounds += ROUNDS;
        }
        (rounds * loops.operations) as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum()
    })
}

#[cfg(target_arch = "x86_64")]
mod loops {
    use std::arch::asm;
    use std::arch::x86_64::*;
    use std::hint::black_box;

    use stages::ops::bf16::Unit;

    use super::Loop;

    /// Sums that do not wait for each other: more than the latency of an instruction times how many begin in a cycle.
    const SUMS: usize = 12;

    /// The widest vectors that there are.
    pub(super) fn float32() -> Option<Loop> {
        if is_x86_feature_detected!("avx512f") {
            let run = |rounds| {
                // SAFETY: the processor has AVX-512.
                unsafe { fma_512(rounds) }
            };
            return Some(Loop { run, operations: 2 * 16 * SUMS as u64 });
        }
        let run = |rounds| {
            // SAFETY: the processor has AVX2 and FMA.
            unsafe { fma_256(rounds) }
        };
        let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        has.then_some(Loop { run, operations: 2 * 8 * SUMS as u64 })
    }

    /// Pairs of bfloat16 products added to float32.
    pub(super) fn bf16() -> Option<Loop> {
        let run = |rounds| {
            // SAFETY: the processor has AVX512-BF16, and with it AVX-512.
            unsafe { dot_512(rounds) }
        };
        is_x86_feature_detected!("avx512bf16").then_some(Loop { run, operations: 2 * 32 * SUMS as u64 })
    }

    /// Tiles of 16 x 32 times 32 x 16 bfloat16, if the processor has them and Linux lets this process use them.
    pub(super) fn tiles() -> Option<Loop> {
        let run = |rounds| {
            // SAFETY: the processor has AMX and the system lets this process use it.
            unsafe { dot_tiles(rounds) }
        };
        Unit::all().contains(&Unit::Amx).then_some(Loop { run, operations: 4 * 2 * 16 * 16 * 32 })
    }

    #[target_feature(enable = "avx512f")]
    fn fma_512(rounds: u64) {
        let (a, b) = (_mm512_set1_ps(black_box(0.999)), _mm512_set1_ps(black_box(0.001)));
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, a, b);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2,fma")]
    fn fma_256(rounds: u64) {
        let (a, b) = (_mm256_set1_ps(black_box(0.999)), _mm256_set1_ps(black_box(0.001)));
        let mut sums = [_mm256_setzero_ps(); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, a, b);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn dot_512(rounds: u64) {
        let one = _mm512_set1_ps(black_box(1.0));
        let pairs = _mm512_cvtne2ps_pbh(one, one);
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, pairs, pairs);
            }
        }
        black_box(sums);
    }

    /// Four tiles of sums, one of each factor.
    ///
    /// # Safety
    /// The processor has AMX with bfloat16, and the system lets this process use it.
    unsafe fn dot_tiles(rounds: u64) {
        /// What `ldtilecfg` reads: the palette, then for each tile bytes a row and rows.
        #[repr(C, align(64))]
        struct Shapes {
            palette: u8,
            start: [u8; 15],
            row_bytes: [u16; 16],
            rows: [u8; 16],
        }
        let mut shapes = Shapes { palette: 1, start: [0; 15], row_bytes: [0; 16], rows: [0; 16] };
        shapes.row_bytes[..6].fill(64);
        shapes.rows[..6].fill(16);
        let mut left = rounds;
        // SAFETY: the caller's; the shapes are those of palette 1, and tiles are given back at the end.
        unsafe {
            asm!(
                "ldtilecfg [{shapes}]",
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", "tilezero tmm4", "tilezero tmm5",
                "2:",
                "tdpbf16ps tmm0, tmm4, tmm5", "tdpbf16ps tmm1, tmm4, tmm5",
                "tdpbf16ps tmm2, tmm4, tmm5", "tdpbf16ps tmm3, tmm4, tmm5",
                "dec {left}", "jnz 2b",
                "tilerelease",
                shapes = in(reg) &raw const shapes, left = inout(reg) left,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _, out("tmm5") _,
                options(nostack),
            );
        }
        black_box(left);
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod loops {
    use super::Loop;

    pub(super) fn float32() -> Option<Loop> {
        None
    }
    pub(super) fn bf16() -> Option<Loop> {
        None
    }
    pub(super) fn tiles() -> Option<Loop> {
        None
    }
}
