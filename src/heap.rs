//! The memory that the allocator holds for later.

/// Gives back to the system what is not in use. What lies between things in use is given back as well, in whole pages.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number and may be called at any time by any thread; it moves nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
