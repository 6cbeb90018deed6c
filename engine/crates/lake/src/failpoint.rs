//! Named steps at which a test lets the process die, as if the machine had.
//!
//! In debug builds `TILLRACE_CRASH_AT=recorded` aborts the process at the step of that name, `TILLRACE_CRASH_AT=recorded:3` when it
//! comes by for the third time. Release builds know nothing of it. The names are those of `docs/recovery.md`.

/// Dies here, where a test has asked for it.
///
/// # Panics
/// Where what the test asks for is not understood.
#[cfg(debug_assertions)]
pub fn failpoint(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    static ASKED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let asked = ASKED.get_or_init(|| {
        let asked = std::env::var("TILLRACE_CRASH_AT").ok()?;
        let (name, count) = asked.split_once(':').unwrap_or((&asked, "1"));
        Some((name.to_owned(), count.parse().expect("TILLRACE_CRASH_AT=NAME:COUNT")))
    });
    // Relaxed: a counter on its own.
    if let Some((at, count)) = asked
        && at == name
        && PASSED.fetch_add(1, Relaxed) + 1 == *count
    {
        eprintln!("crashing at {name}, as asked for");
        std::process::abort();
    }
}

/// Does nothing: only debug builds die here.
#[cfg(not(debug_assertions))]
#[inline]
pub fn failpoint(_name: &str) {}
