//! What memory costs: bytes asked of the allocator, and beside them what the system holds resident.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts for every program of the workspace. It adds a few atomic additions to an allocation and changes nothing else.
#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes asked of the allocator by this process and not given back, as of now.
///
/// ```
/// let before = timing::memory::allocated();
/// let sheet = vec![0_u8; 1 << 20];
/// assert!(timing::memory::allocated() - before >= 1 << 20);
/// drop(sheet);
/// ```
pub fn allocated() -> usize {
    let stats = COUNTING.stats();
    // Other threads go on between the two loads.
    stats
        .bytes_allocated
        .saturating_sub(stats.bytes_deallocated)
}

/// Bytes of this process that are resident in memory; `None` where the system doesn't say. Holds the allocator's spare
/// pages and the threads' stacks too, so it falls late or never.
///
/// ```
/// assert!(timing::memory::resident().is_none_or(|bytes| bytes > 0));
/// ```
pub fn resident() -> Option<usize> {
    memory_stats::memory_stats().map(|stats| stats.physical_mem)
}
