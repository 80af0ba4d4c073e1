use std::time::Duration;

use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval_at},
};
use tracing::instrument;

use crate::Timings;

/// How a ticker fared beside some work. [`beside_ticker`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticked {
    /// Turns it had.
    pub had: u32,
    /// Turns that were skipped: the next one was due, too, before they came.
    pub missed: u32,
    /// The longest time without a turn, from the start of the work to its end.
    pub longest_gap: Duration,
}

impl Ticked {
    /// Puts its figures beside the variant that ran last.
    ///
    /// # Panics
    ///
    /// As [`Timings::count`].
    #[track_caller]
    pub fn show(&self, t: &mut Timings) {
        t.count("longest gap, ms", self.longest_gap.as_secs_f64() * 1e3);
        t.count("missed turns", self.missed);
    }
}

/// Runs `work` beside a task that wants a turn every so often, as a server's other requests would. Where the work keeps
/// the loop's thread, the ticker's turns fail to come, and the longest gap between two of them is how long. Its lane is
/// called `ticker`.
///
/// The ticker ends with the work, and adds no time to it.
///
/// ```
/// use std::time::Duration;
/// use timing::{beside_ticker, ticks};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let every = Duration::from_millis(10);
/// let (tea, ticked) = beside_ticker(every, async {
///     tokio::time::sleep(ticks(1)).await;
///     "tea"
/// })
/// .await;
/// assert_eq!((tea, ticked.longest_gap, ticked.missed), ("tea", every, 0));
/// # }
/// ```
///
/// # Panics
///
/// Outside a runtime, and for an `every` of zero.
pub async fn beside_ticker<F: Future>(every: Duration, work: F) -> (F::Output, Ticked) {
    let start = Instant::now();
    // Dropped with this future, too: a ticker never outlives its work for longer than a turn.
    let (over, is_over) = oneshot::channel::<()>();
    let ticker = tokio::spawn(ticker(every, start, is_over));
    let output = work.await;
    drop(over);
    let ticked = ticker.await.expect("the ticker only waits");
    (output, ticked)
}

/// The target makes it a lane, like the functions of a chapter.
#[instrument(ret, skip_all, target = "ch00_ticker")]
async fn ticker(every: Duration, start: Instant, mut is_over: oneshot::Receiver<()>) -> Ticked {
    let mut interval = interval_at(start + every, every);
    // After a gap it comes once, and then at its old times again: what is lost stays lost, and can be counted.
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut had, mut last, mut longest_gap) = (0, start, Duration::ZERO);
    loop {
        // The end first: a turn that comes only when the work is over is none beside it.
        let turn = tokio::select! {
            biased;
            _ = &mut is_over => false,
            _ = interval.tick() => true,
        };
        let now = Instant::now();
        longest_gap = longest_gap.max(now - last);
        if !turn {
            return Ticked {
                had,
                missed: due(every, now - start).saturating_sub(had),
                longest_gap,
            };
        }
        last = now;
        had += 1;
    }
}

/// The turns that are over a whole period late at the end, if they haven't come. The last one may still come.
fn due(every: Duration, elapsed: Duration) -> u32 {
    let whole = elapsed.as_nanos() / every.as_nanos();
    u32::try_from(whole).unwrap_or(u32::MAX).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{law::none, report::Ended, ticks};
    use tokio::{task::yield_now, time::sleep};

    const EVERY: Duration = Duration::from_millis(10);

    /// On the paused clock this is what a blocking call is on the real one: the loop has no turn meanwhile.
    async fn block(length: Duration) {
        tokio::time::advance(length).await;
    }

    #[tokio::test(start_paused = true)]
    async fn beside_work_that_waits_no_tick_is_missed() {
        let start = Instant::now();
        let ((), ticked) = beside_ticker(EVERY, sleep(ticks(2))).await;
        assert_eq!(start.elapsed(), ticks(2), "it adds nothing");
        assert_eq!((ticked.missed, ticked.longest_gap), (0, EVERY));
        assert!((19..=20).contains(&ticked.had), "the end may come first");
    }

    #[expect(clippy::disallowed_methods, reason = "a blocked loop is measured")]
    #[tokio::test]
    async fn work_that_never_suspends_is_one_gap() {
        let ((), ticked) = beside_ticker(EVERY, async { std::thread::sleep(ticks(1)) }).await;
        assert!(ticked.longest_gap >= ticks(1));
        assert_eq!(ticked.had, 0);
        assert!(ticked.missed >= 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_in_the_middle_is_found_and_its_ticks_stay_lost() {
        let ((), ticked) = beside_ticker(EVERY, async {
            sleep(ticks(0.5)).await;
            block(ticks(1)).await;
            sleep(ticks(0.5)).await;
        })
        .await;
        assert!((ticks(1)..=ticks(1) + EVERY).contains(&ticked.longest_gap));
        assert!((8..=10).contains(&ticked.missed), "{ticked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_a_lane_that_returns_and_its_figures_stand_in_the_table() {
        let mut t = Timings::default();
        let work = beside_ticker(EVERY, sleep(ticks(1)));
        let ((), ticked) = t.time("waits", none(), work).await;
        ticked.show(&mut t);
        assert_eq!(t["waits"].lane("ticker").ended, Ended::Returned);
        assert_eq!(*t["waits"].count("missed turns"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_work_that_is_dropped() {
        let work = beside_ticker(EVERY, sleep(ticks(5)));
        tokio::time::timeout(ticks(1), work).await.unwrap_err();
        for _ in 0..3 {
            yield_now().await;
        }
        let tasks = tokio::runtime::Handle::current().metrics();
        assert_eq!(tasks.num_alive_tasks(), 0);
    }
}
