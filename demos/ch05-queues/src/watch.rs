//! # A watch: the last value, and no queue before it
//!
//! A depot counts 100 parcels, one every 0.2 ticks, and sends each new total to two screens. A `watch` (in
//! `sync/event` it was a state) holds one value. A new one replaces it, read or not, so the last is sent at tick
//! 19.8, as if there were no screens. The quick screen needs 0.1 ticks to draw and shows all 100 totals. The slow one
//! needs 4 ticks and shows 6: 1, 21, 41, 61, 81, 100. It leaves out what is out of date, and never the last. If all
//! 100 are sent without an `.await` between them, on the one thread that sender and screens share, no screen gets a
//! turn before the last: both show 1 total, the 100.
//!
//! asyncio: Condition, Queue
//!
//! ```python
//! async with changed:             # an asyncio.Condition beside the variable `total`
//!     total += 1
//!     changed.notify_all()
//! async with changed:             # in each screen, which remembers what it has drawn
//!     await changed.wait_for(lambda: total != drawn)
//! ```
//!
//! Not the same: `notify_all` wakes the screens that wait at that moment. One that is drawing misses it, so each has
//! to compare what it has drawn before it waits, as `wait_for` does. A `watch` numbers its values, and each receiver
//! keeps the number it has seen: `changed` returns at once if there is a newer one. A Queue would keep all 100, and
//! the slow screen would draw for 100 × 4 ticks.

use std::iter::{once, repeat_n};

use anyhow::Result;
use timing::{Timings, law::sum, tick, ticks};
use tokio::{
    spawn,
    sync::watch::{self, Receiver, Sender},
    time::{interval, sleep},
};
use tracing::{info, instrument};

const PARCELS: u32 = 100;
/// In ticks: between two parcels, and what a quick and a slow screen need to draw a total.
const PAUSE: f64 = 0.2;
const QUICK: f64 = 0.1;
const SLOW: f64 = 4.0;
/// When the screens are switched on. A drawing of the slow one then ends between two parcels: if it ended at the
/// moment in which one is counted, it would be left to chance which total comes next.
const ON: f64 = 0.1;

pub async fn run(t: &mut Timings) -> Result<()> {
    // The slow screen is done last, after 6 drawings.
    let law = sum(once(ON).chain(repeat_n(SLOW, 6)));
    let screens = two_screens(counts_one_at_a_time, ON, SLOW);
    let screens = t.time("one at a time", law, screens).await?;
    count(t, "one at a time", &screens);

    let screens = two_screens(counts_at_once, 0.0, SLOW);
    let screens = t.time("all at once", sum([SLOW]), screens).await?;
    count(t, "all at once", &screens);
    Ok(())
}

/// Returns the totals that the quick and the slow screen have shown.
async fn two_screens(
    counts: impl AsyncFnOnce(Sender<u32>),
    on: f64,
    slow: f64,
) -> Result<[Vec<u32>; 2]> {
    // There is always a value, so a `watch` begins with one. The screens don't draw this 0: it counts as seen.
    let (total, receiver) = watch::channel(0);
    // Tasks, so each is polled only when it can go on.
    let quick = spawn(screen("quick", receiver.clone(), on, QUICK));
    let slow = spawn(screen("slow", receiver, on, slow));
    counts(total).await;
    Ok([quick.await?, slow.await?])
}

#[instrument(ret, skip(total))]
async fn counts_one_at_a_time(total: Sender<u32>) {
    let mut clock = interval(ticks(PAUSE));
    for parcel in 1..=PARCELS {
        clock.tick().await; // the first one comes at once
        // Not async: it replaces the value and wakes the screens that wait for a change. `send` would leave the old
        // value if there were no screen at this moment.
        total.send_replace(parcel);
    }
}

#[instrument(ret, skip(total))]
async fn counts_at_once(total: Sender<u32>) {
    for parcel in 1..=PARCELS {
        total.send_replace(parcel); // <- the difference: no `.await` between two of them
    }
}

#[instrument(ret, skip(total, on, draws))]
async fn screen(name: &str, mut total: Receiver<u32>, on: f64, draws: f64) -> Vec<u32> {
    sleep(ticks(on)).await;
    let mut shown = Vec::new();
    // `changed` is an `Err` when the sender is gone and the last value has been seen. So the last one isn't lost,
    // even if it was sent while this screen was drawing.
    while total.changed().await.is_ok() {
        // A borrow locks the value, and a sender would block its thread until it ends. The total is copied out, so it
        // ends with this line and not after the drawing. `and_update`: what came since `changed` counts as seen too.
        let now = *total.borrow_and_update();
        sleep(ticks(draws)).await;
        shown.push(now);
    }
    info!("totals shown: {}", shown.len());
    shown
}

fn count(t: &mut Timings, label: &str, [quick, slow]: &[Vec<u32>; 2]) {
    let done = t[label].lane("counts").end;
    t.count("last sent at tick", done.div_duration_f64(tick()));
    t.count("totals quick shows", quick.len());
    let slow: Vec<String> = slow.iter().map(u32::to_string).collect();
    t.count("which slow shows", slow.join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use timing::on_virtual_clock;
    use tokio::task::yield_now;

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_sees_few_values_and_always_the_last() {
        let t = Timings::of(run).await;
        let slow = &t["one at a time"];
        assert_eq!(*slow.count("which slow shows"), "1 21 41 61 81 100");
        assert_eq!(slow.elapsed, ticks(24.1));
    }

    #[tokio::test(start_paused = true)]
    async fn it_holds_up_neither_the_sender_nor_a_quick_reader() {
        let t = Timings::of(run).await;
        let quick = &t["one at a time"];
        assert_eq!(quick.lane("counts_one_at_a_time").end, ticks(19.8));
        assert_eq!(*quick.count("totals quick shows"), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn sent_at_once_all_but_the_last_are_replaced() {
        let t = Timings::of(run).await;
        let at_once = &t["all at once"];
        assert_eq!(*at_once.count("totals quick shows"), 1);
        assert_eq!(*at_once.count("which slow shows"), "100");
        assert_eq!(at_once.lane("counts_at_once").polls.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn with_an_await_after_the_first_the_screens_see_it_too() {
        let counts = async |total: Sender<u32>| {
            total.send_replace(1);
            yield_now().await;
            counts_at_once(total).await;
        };
        let [quick, slow] = two_screens(counts, 0.0, SLOW).await.unwrap();
        assert_eq!([quick, slow], [[1, 100], [1, 100]]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_when_the_sender_is_gone_still_reads_the_last_value() {
        let (total, receiver) = watch::channel(0);
        counts_at_once(total).await;
        let mut late = receiver.clone();
        assert_eq!(*late.borrow_and_update(), 100);
        assert!(late.changed().await.is_err(), "and nothing new will come");
    }

    #[test]
    fn without_a_receiver_send_fails_and_changes_nothing_and_send_replace_does() {
        let total = Sender::new(0);
        assert!(total.send(1).is_err());
        assert_eq!(*total.borrow(), 0);
        assert_eq!(total.send_replace(2), 0);
        assert_eq!(*total.borrow(), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn whatever_a_drawing_takes_the_last_is_seen_and_the_sender_never_waits(
            tenths in 1_u32..300,
        ) {
            on_virtual_clock(async {
                let mut t = Timings::default();
                let screens = two_screens(counts_one_at_a_time, ON, f64::from(tenths) / 10.0);
                let [quick, slow] = t.time("a case", None, screens).await.unwrap();
                prop_assert_eq!(t["a case"].lane("counts_one_at_a_time").end, ticks(19.8));
                prop_assert!(quick.into_iter().eq(1..=PARCELS));
                prop_assert_eq!(slow.last(), Some(&PARCELS));
                prop_assert!(slow.is_sorted_by(|a, b| a < b));
                // One drawing after the other until tick 19.8, and one more for the last.
                prop_assert!(slow.len() <= 200 / tenths as usize + 2);
                Ok(())
            })?;
        }
    }
}
