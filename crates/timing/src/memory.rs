//! What memory costs: bytes asked of the allocator, and beside them what the system holds resident.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts for every program of the workspace. It adds a few atomic additions to an allocation and changes nothing else.
#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Memory of this process at one moment, or the growth between two.
///
/// ```
/// use timing::memory::Usage;
/// let before = Usage::now();
/// let sheet = vec![0_u8; 1 << 20];
/// assert!(before.growth().asked >= 1 << 20);
/// drop(sheet);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes asked of the allocator and not given back.
    pub asked: usize,
    /// Bytes resident in memory; `None` where the system doesn't say. Holds the allocator's spare pages and the
    /// threads' stacks too, so it falls late or never.
    pub resident: Option<usize>,
}

impl Usage {
    /// As of now, of all threads together.
    pub fn now() -> Self {
        let stats = COUNTING.stats();
        Self {
            // Other threads go on between the two loads.
            asked: stats
                .bytes_allocated
                .saturating_sub(stats.bytes_deallocated),
            resident: memory_stats::memory_stats().map(|stats| stats.physical_mem),
        }
    }

    /// By how much it has grown since; what shrank counts as 0.
    pub fn growth(&self) -> Self {
        let now = Self::now();
        let resident = now.resident.zip(self.resident);
        Self {
            asked: now.asked.saturating_sub(self.asked),
            resident: resident.map(|(now, before)| now.saturating_sub(before)),
        }
    }
}
