//! What is said to the memory system: fetch this before it is needed, and lay that out in large pages.

#![cfg_attr(any(target_arch = "x86_64", target_os = "linux"), expect(unsafe_code, reason = "both take plain pointers"))]

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

/// Asks for large pages under the memory that `values` holds or will hold, where there is enough of it to matter: a random
/// look then misses the address cache hundreds of times less often, and first use costs one fault instead of hundreds.
///
/// To be called before the memory is used. Only a request: where the system does not know it nothing changes.
pub(crate) fn use_large_pages<T>(values: &Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        const LARGE_PAGE: usize = 2 << 20;
        let bytes = values.capacity() * size_of::<T>();
        let first = values.as_ptr().addr().next_multiple_of(LARGE_PAGE);
        let end = (values.as_ptr().addr() + bytes) / LARGE_PAGE * LARGE_PAGE;
        if first < end {
            // SAFETY: the range lies within the one allocation of `values`, which is borrowed here, so it stays mapped; it
            // begins and ends at page boundaries; and this advice changes neither contents nor protection.
            unsafe { libc::madvise(std::ptr::without_provenance_mut(first), end - first, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = values;
}
