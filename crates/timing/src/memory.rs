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

/// By how much the program's memory has grown since the start, at most, of the moments at which it was looked at.
///
/// ```
/// use timing::memory::Peak;
/// let mut peak = Peak::from_now();
/// let sheet = vec![0_u8; 1 << 20];
/// peak.look();
/// drop(sheet);
/// assert!(peak.bytes() >= 1 << 20);
/// ```
#[derive(Debug)]
pub struct Peak {
    start: Usage,
    bytes: usize,
}

impl Peak {
    /// Nothing has grown yet.
    pub fn from_now() -> Self {
        let start = Usage::now();
        Self { start, bytes: 0 }
    }

    /// Compares with this moment. That takes longer than many a small step, and is part of its time.
    pub fn look(&mut self) {
        self.bytes = self.bytes.max(self.start.growth().asked);
    }

    /// Looks at the first step, number 0, and at each `every`th after it.
    ///
    /// # Panics
    ///
    /// When `every` is 0.
    pub fn look_each(&mut self, every: usize, step: usize) {
        assert_ne!(every, 0, "steps between two looks");
        if step.is_multiple_of(every) {
            self.look();
        }
    }

    /// Bytes asked of the allocator and not given back, beyond those of the start.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
