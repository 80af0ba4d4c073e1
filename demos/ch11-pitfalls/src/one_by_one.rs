//! # One by one: an `.await` in a loop
//!
//! Three parcels are looked up at three carriers, which takes 2, 1 and 3 ticks. With the `.await` inside the loop the
//! second look-up begins when the first is over: 6 ticks, the sum, and never more than 1 under way. Three calls first
//! and three `.await`s afterwards take 6 ticks as well, because a call begins nothing. `join_all` has 3 under way and
//! takes 3 ticks, the longest. `buffered(2)`, for long lists, has 2 under way and takes 5 ticks here: the lamp, found
//! after 1, keeps its place until the shirt is handed out after 2, and only then does the chair begin.
//!
//! asyncio: gather, create_task, list comprehension
//!
//! How to see it: in the timeline the lanes form a staircase. Neither rustc nor clippy warns, since one after another
//! can be what is meant.
//!
//! Cured in: `tasks/join`, `tasks/spawn`, `streams/unordered`
//!
//! ```python
//! places = [await look_up(parcel) for parcel in parcels]    # 6
//! places = await asyncio.gather(*map(look_up, parcels))     # 3
//! ```
//!
//! Not the same: `gather` makes a task of each coroutine, `join_all` polls its futures inside the caller's task
//! (`tasks/join`). The trap itself is the same in both languages, and so is the way out by tasks: three
//! `tokio::spawn` first and three `.await`s afterwards take 3 ticks, as with `create_task`.

use anyhow::Result;
use futures_util::{StreamExt, future::join_all, stream};
use timing::{
    AtOnce, Timings,
    law::{max, sum},
    ticks,
};
use tokio::time::sleep;
use tracing::instrument;

/// What is in a parcel, and how many ticks its carrier needs to answer.
type Parcel = (&'static str, u32);

const PARCELS: [Parcel; 3] = [("shirt", 2), ("lamp", 1), ("chair", 3)];

pub async fn run(t: &mut Timings) -> Result<()> {
    let times = PARCELS.map(|(_, time)| time);

    let carriers = AtOnce::default();
    let places = one_by_one(&PARCELS, &carriers);
    t.time("await in the loop", sum(times), places).await;
    t.count("most under way", carriers.most());

    let carriers = AtOnce::default();
    let places = called_beforehand(&PARCELS, &carriers);
    t.time("called beforehand", sum(times), places).await;
    t.count("most under way", carriers.most());

    let carriers = AtOnce::default();
    let places = together(&PARCELS, &carriers);
    t.time("join_all", max(times), places).await;
    t.count("most under way", carriers.most());

    let carriers = AtOnce::default();
    let places = a_few_at_once(&PARCELS, 2, &carriers);
    t.time("buffered(2)", sum([2, 3]), places).await;
    t.count("most under way", carriers.most());
    Ok(())
}

async fn one_by_one(parcels: &[Parcel], carriers: &AtOnce) -> Vec<&'static str> {
    let mut places = Vec::new();
    for parcel in parcels {
        // The next call is made after this wait.
        places.push(look_up(parcel, carriers).await); // <- the difference
    }
    places
}

/// All calls are made before the first `.await`. But a call makes a future, and a future does nothing until it is
/// polled: the second one is polled when the first one is done.
async fn called_beforehand(parcels: &[Parcel], carriers: &AtOnce) -> Vec<&'static str> {
    let look_ups: Vec<_> = parcels.iter().map(|p| look_up(p, carriers)).collect();
    let mut places = Vec::new();
    for look_up in look_ups {
        places.push(look_up.await); // <- the difference
    }
    places
}

/// Polls all of them before it waits, and, as long as they are few, all that aren't done whenever one of them wakes:
/// hence the extra marks in these lanes (`tasks/join`). The answers are in the order of the parcels. `try_join_all`
/// is its form for look-ups that can fail.
async fn together(parcels: &[Parcel], carriers: &AtOnce) -> Vec<&'static str> {
    let look_ups = parcels.iter().map(|p| look_up(p, carriers));
    join_all(look_ups).await // <- the difference
}

/// For a long list. An answer that isn't handed out yet still counts as one of the `bound`, because it has to wait
/// for those before it; with `buffer_unordered` none waits.
async fn a_few_at_once(parcels: &[Parcel], bound: usize, carriers: &AtOnce) -> Vec<&'static str> {
    let look_ups = parcels.iter().map(|p| look_up(p, carriers));
    stream::iter(look_ups).buffered(bound).collect().await // <- the difference
}

#[instrument(ret, skip_all, fields(what = parcel.0))]
async fn look_up(parcel: &Parcel, carriers: &AtOnce) -> &'static str {
    let _under_way = carriers.enter();
    let (what, time) = *parcel;
    sleep(ticks(time)).await;
    what
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        prop_assert, prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use timing::on_virtual_clock;
    use tokio::time::Instant;

    const IN_TURN: [&str; 2] = ["await in the loop", "called beforehand"];

    #[tokio::test(start_paused = true)]
    async fn an_await_in_the_loop_takes_the_sum_and_so_do_calls_made_beforehand() {
        let t = Timings::of(run).await;
        for label in IN_TURN {
            assert_eq!(t[label].elapsed, ticks(6), "{label}");
            assert_eq!(*t[label].count("most under way"), 1, "{label}");
            // The staircase of the timeline.
            let begins = ["shirt", "lamp", "chair"].map(|parcel| t[label].lane(parcel).start);
            assert_eq!(begins, [ticks(0), ticks(2), ticks(3)], "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn polled_together_they_take_as_long_as_the_slowest() {
        let t = Timings::of(run).await;
        assert_eq!(t["join_all"].elapsed, ticks(3));
        assert_eq!(*t["join_all"].count("most under way"), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lamp_that_is_found_early_keeps_its_place_until_the_shirt_is_handed_out() {
        let t = Timings::of(run).await;
        let buffered = &t["buffered(2)"];
        assert_eq!(buffered.elapsed, ticks(5));
        assert_eq!(*buffered.count("most under way"), 2);
        assert_eq!(buffered.lane("lamp").end, ticks(1));
        assert_eq!(buffered.lane("chair").start, ticks(2));
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_that_are_spawned_beforehand_overlap() {
        let start = Instant::now();
        let tasks = PARCELS
            .map(|parcel| tokio::spawn(async move { look_up(&parcel, &AtOnce::default()).await }));
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(start.elapsed(), ticks(3));
    }

    #[tokio::test(start_paused = true)]
    async fn every_form_finds_the_parcels_in_their_order() {
        let (parcels, carriers) = (&PARCELS, &AtOnce::default());
        let found = ["shirt", "lamp", "chair"];
        assert_eq!(one_by_one(parcels, carriers).await, found);
        assert_eq!(called_beforehand(parcels, carriers).await, found);
        assert_eq!(together(parcels, carriers).await, found);
        assert_eq!(a_few_at_once(parcels, 2, carriers).await, found);
    }

    #[test]
    fn it_is_the_sum_or_the_longest_in_512_lists() {
        async fn takes<T>(work: impl Future<Output = T>) -> std::time::Duration {
            let start = Instant::now();
            work.await;
            start.elapsed()
        }
        let mut runner = TestRunner::new(Config::with_cases(512));
        // A tick or more: a look-up that has nothing to wait for can be over before the next one begins.
        let held = runner.run(&vec(1_u32..20, 1..12), |times| {
            let parcels: Vec<Parcel> = times.iter().map(|&time| ("a parcel", time)).collect();
            let all = AtOnce::default();
            on_virtual_clock(async {
                let in_all = sum(times.iter().copied()).bound;
                let longest = max(times.iter().copied()).bound;
                prop_assert_eq!(takes(one_by_one(&parcels, &all)).await, in_all);
                prop_assert_eq!(takes(called_beforehand(&parcels, &all)).await, in_all);
                prop_assert_eq!(takes(together(&parcels, &all)).await, longest);
                let at_once = a_few_at_once(&parcels, parcels.len(), &all);
                prop_assert_eq!(takes(at_once).await, longest);
                let two = AtOnce::default();
                a_few_at_once(&parcels, 2, &two).await;
                prop_assert!(two.most() <= 2);
                Ok(())
            })
        });
        held.unwrap();
    }
}
