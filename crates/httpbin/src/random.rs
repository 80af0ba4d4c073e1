//! Random numbers for `/bytes`, `/status` and downloads, where nothing depends on their quality: splitmix64, a dozen lines
//! instead of a dependency.

use std::hash::{BuildHasher, RandomState};

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Goes on where the `n`th number of that seed comes next: each is made from a count, not from the one before.
    pub(crate) fn nth(seed: u64, n: u64) -> Self {
        Self(seed.wrapping_add(n.wrapping_mul(STEP)))
    }

    /// Numbers that differ from call to call: std draws the keys of every `RandomState` from the system's randomness.
    pub(crate) fn fresh() -> Self {
        Self(RandomState::new().hash_one(0))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, and without, 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
