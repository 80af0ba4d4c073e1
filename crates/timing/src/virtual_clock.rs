//! Async code in a plain function, on time that doesn't pass by itself.

use tokio::runtime::Builder;

/// Runs a future to its end on a `current_thread` runtime of its own with a paused clock, and hands its output back.
/// For tests that draw many cases and want a fresh runtime for each: what `#[tokio::test(start_paused = true)]` is to
/// one.
///
/// ```
/// use timing::{on_virtual_clock, ticks};
/// use tokio::time::{Instant, sleep};
///
/// let slept = on_virtual_clock(async {
///     let start = Instant::now();
///     sleep(ticks(36_000)).await;
///     start.elapsed()
/// });
/// assert_eq!(slept, ticks(36_000));
/// ```
///
/// # Panics
///
/// Inside another runtime: `block_on` can't be nested.
pub fn on_virtual_clock<F: Future>(future: F) -> F::Output {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime with nothing but timers")
        .block_on(future)
}
