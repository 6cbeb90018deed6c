//! What is said to the memory system: fetch this before it is needed.

#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the prefetch instruction takes a pointer"))]

/// Fetches the cache line of `value` into all caches; returns at once. Does nothing where there is no such instruction.
#[inline]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch changes nothing and cannot fault, and the pointer is that of a reference.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
