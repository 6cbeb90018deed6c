//! Which thread runs on which core.

/// The cores for the source thread and the shards, in that order; `None` leaves a thread to the scheduler.
///
/// Threads are pinned only where each can have a core of its own among those this process may use: two threads pinned
/// to one core would wait for each other.
pub(crate) fn cores(threads: usize, wanted: bool) -> Vec<Option<core_affinity::CoreId>> {
    let available = core_affinity::get_core_ids().unwrap_or_default();
    if !wanted || threads > available.len() {
        return vec![None; threads];
    }
    // From the last core down: interrupts tend to be served by the first.
    available.into_iter().rev().take(threads).map(Some).collect()
}

/// Pins the calling thread. Where the system refuses, the thread runs unpinned, which costs only speed.
pub(crate) fn pin(core: Option<core_affinity::CoreId>) {
    if let Some(core) = core {
        core_affinity::set_for_current(core);
    }
}

/// How many cores this process may use; at least one.
pub(crate) fn core_count() -> usize {
    core_affinity::get_core_ids().map_or(1, |cores| cores.len().max(1))
}
