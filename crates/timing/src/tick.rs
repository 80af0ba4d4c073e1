use std::{sync::OnceLock, time::Duration};

/// How long a tick lasts unless [`set_tick`] says otherwise.
const DEFAULT: Duration = Duration::from_millis(100);

static TICK: OnceLock<Duration> = OnceLock::new();

/// A span of waiting, in ticks. One tick stands for the one second that asyncio examples like to sleep and
/// lasts 100 ms, so a chapter runs in seconds.
///
/// Tokio's timers round up to whole milliseconds and the shortest tick is 10 ms, so the finest fraction that is
/// exact at every scale is a tenth.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(timing::ticks(2), Duration::from_millis(200));
/// assert_eq!(timing::ticks(0.1), Duration::from_millis(10));
/// ```
///
/// # Panics
///
/// On a negative number, on one that isn't finite, and on a fraction that is no multiple of a tenth: those are
/// slips in a lesson, and a law could not hold exactly with them.
#[track_caller]
pub fn ticks(count: impl Into<f64>) -> Duration {
    let count = count.into();
    let tenths = (count * 10.0).round();
    assert!(
        count.is_finite() && count >= 0.0 && (count * 10.0 - tenths).abs() < 1e-6,
        "ticks({count}): a wait is a whole number of tenths of a tick, and not negative"
    );
    // Whole nanoseconds before anything is added: 0.1 + 0.2 of a tick must equal 0.3 of it.
    (tick() / 10) * tenths as u32
}

/// How long one tick lasts: 100 ms, or what the process was told with [`set_tick`].
///
/// ```
/// assert_eq!(timing::tick(), timing::ticks(1));
/// ```
pub fn tick() -> Duration {
    *TICK.get_or_init(|| DEFAULT)
}

/// Sets the length of a tick for the whole process. It can be set once, before the first use of [`ticks`].
///
/// # Errors
///
/// When the length isn't a whole number of 10 ms between 10 ms and 60 s, or when a tick was set or used before.
///
/// ```
/// use std::time::Duration;
/// assert!(timing::set_tick(Duration::from_millis(15)).is_err());
/// timing::set_tick(Duration::from_secs(1)).unwrap();
/// assert_eq!(timing::ticks(3), Duration::from_secs(3));
/// assert!(timing::set_tick(Duration::from_secs(2)).is_err(), "once");
/// ```
pub fn set_tick(length: Duration) -> Result<(), TickError> {
    check_tick(length)?;
    TICK.set(length).map_err(|_| TickError::Late)
}

/// Says whether a tick may have this length, without setting it.
///
/// # Errors
///
/// [`TickError::Length`] when it may not.
///
/// ```
/// use std::time::Duration;
/// let error = timing::check_tick(Duration::from_millis(15)).unwrap_err();
/// assert_eq!(error.to_string(), "a tick is a whole number of 10 ms, from 10ms to 60s");
/// ```
pub fn check_tick(length: Duration) -> Result<(), TickError> {
    let range = Duration::from_millis(10)..=Duration::from_secs(60);
    let whole = length.as_nanos().is_multiple_of(10_000_000);
    if whole && range.contains(&length) {
        Ok(())
    } else {
        Err(TickError::Length)
    }
}

/// Why [`set_tick`] refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickError {
    /// Not a whole number of 10 ms, or out of range.
    Length,
    /// The tick was set, or used, before.
    Late,
}

impl std::fmt::Display for TickError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Length => "a tick is a whole number of 10 ms, from 10ms to 60s",
            Self::Late => "the tick is set once, before the first lesson",
        })
    }
}

impl std::error::Error for TickError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_add_up_without_a_rest() {
        assert_eq!(ticks(0.1) + ticks(0.2), ticks(0.3));
        assert_eq!(ticks(0.7) * 3, ticks(2.1));
    }

    #[test]
    #[should_panic(expected = "ticks(0.25)")]
    fn a_finer_fraction_is_refused() {
        ticks(0.25);
    }

    #[test]
    #[should_panic(expected = "ticks(-1)")]
    fn a_negative_wait_is_refused() {
        ticks(-1);
    }

    #[test]
    fn only_whole_tens_of_milliseconds_within_the_range_are_a_tick() {
        for (ms, ok) in [
            (0, false),
            (10, true),
            (15, false),
            (60_000, true),
            (60_010, false),
        ] {
            assert_eq!(check_tick(Duration::from_millis(ms)).is_ok(), ok, "{ms} ms");
        }
        assert!(check_tick(Duration::from_micros(10_001)).is_err());
    }
}
