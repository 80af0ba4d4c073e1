use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// Counts how many are in one place at once, on any number of threads: jobs under way, connections open.
///
/// ```
/// use timing::AtOnce;
///
/// let bench = AtOnce::default();
/// let first = bench.enter();
/// let second = bench.enter();
/// drop(first);
/// assert_eq!((bench.now(), bench.most()), (1, 2));
/// drop(second);
/// assert_eq!((bench.now(), bench.most()), (0, 2));
/// ```
#[derive(Debug, Default)]
pub struct AtOnce {
    now: AtomicU32,
    most: AtomicU32,
}

impl AtOnce {
    /// Counts one more until the returned value is dropped; so also one that panics, or is cancelled.
    pub fn enter(&self) -> Inside<'_> {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        Inside(self)
    }

    /// How many there are now.
    pub fn now(&self) -> u32 {
        self.now.load(SeqCst)
    }

    /// The most there have been at once.
    pub fn most(&self) -> u32 {
        self.most.load(SeqCst)
    }
}

/// One that is counted by an [`AtOnce`].
#[derive(Debug)]
#[must_use = "it is counted for as long as this lives"]
pub struct Inside<'a>(&'a AtOnce);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Barrier, thread};

    #[test]
    fn the_most_is_counted_across_threads_and_a_panic_leaves() {
        let (place, all) = (AtOnce::default(), Barrier::new(8));
        thread::scope(|scope| {
            let threads = [(); 8].map(|()| {
                scope.spawn(|| {
                    let _inside = place.enter();
                    all.wait();
                    panic!("leaves");
                })
            });
            for thread in threads {
                thread.join().unwrap_err();
            }
        });
        assert_eq!((place.now(), place.most()), (0, 8));
    }
}
