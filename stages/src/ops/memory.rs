//! Where large arrays begin in memory: at a line of the cache.
//!
//! A vector of AVX-512 is as wide as a line. The C library puts an array 16 bytes behind one, so that each such vector lies across two, and to read it
//! takes twice as long. All of the program's large allocations are aligned, since tensors are allocated in many places, candle's among them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

/// The size of a cache line, and of the widest vector, in bytes.
const LINE: usize = 64;

/// From so many bytes on an allocation is aligned; smaller ones keep the C library's fast paths.
const LARGE: usize = 16 * 1024;

/// The C library's allocator, with large allocations at the beginning of a line.
struct Lines;

#[global_allocator]
static LINES: Lines = Lines;

fn aligned(layout: Layout) -> Layout {
    if layout.size() < LARGE { layout } else { layout.align_to(LINE).unwrap_or(layout) }
}

// SAFETY: all is left to `System`, which is given the same layout for an allocation each time: it depends on the size and alignment alone, and an
// allocation whose size passes `LARGE` when it grows or shrinks is made anew.
unsafe impl GlobalAlloc for Lines {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { System.alloc(aligned(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(aligned(layout)) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, and the layout is that of `alloc`.
        unsafe { System.dealloc(start, aligned(layout)) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() < LARGE && size < LARGE {
            // SAFETY: the caller's promise; neither layout is changed.
            return unsafe { System.realloc(start, layout, size) };
        }
        // SAFETY: the caller promises a size that makes a layout; both allocations hold the bytes that are copied, and the old one is given up.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(start, new, layout.size().min(size));
                self.dealloc(start, layout);
            }
            new
        }
    }
}
