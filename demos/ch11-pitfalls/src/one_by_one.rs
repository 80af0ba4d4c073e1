//! # One by one: an `.await` in a loop
//!
//! Three parcels are looked up at three carriers, which takes 2, 1 and 3 ticks. With the `.await` inside the loop the
//! second look-up begins when the first is over: 6 ticks, the sum. Three calls first and three `.await`s afterwards
//! take 6 ticks as well, because a call begins nothing. `join_all` takes 3, the longest, and so does `buffered(3)`.
//! The slow forms never have more than 1 look-up under way, the others have 3.
//!
//! asyncio: gather, create_task, list comprehension
//!
//! How to see it: in the timeline the lanes are stairs, each of them beginning where another ends. Nothing warns of
//! it, neither rustc nor clippy, since one after another can be what is meant.
//!
//! Cured in: `tasks/join`, `tasks/spawn`, `streams/unordered`
//!
//! ```python
//! places = [await look_up(parcel) for parcel in parcels]    # 6
//! places = await asyncio.gather(*map(look_up, parcels))     # 3
//! shirt = asyncio.create_task(look_up("shirt"))             # has a turn before it is awaited
//! ```
//!
//! Not the same: nothing in these two forms; a coroutine that is called hasn't begun either. `create_task` has, at
//! the next wait of its caller, as `tokio::spawn` has. In JavaScript every call of an async function begins at once,
//! so three calls first and three awaits afterwards do overlap there.

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
    let places = t.time("await in the loop", sum(times), places).await;
    count(t, &places, &carriers);

    let carriers = AtOnce::default();
    let places = called_beforehand(&PARCELS, &carriers);
    let places = t.time("called beforehand", sum(times), places).await;
    count(t, &places, &carriers);

    let carriers = AtOnce::default();
    let places = together(&PARCELS, &carriers);
    let places = t.time("join_all", max(times), places).await;
    count(t, &places, &carriers);

    let carriers = AtOnce::default();
    let places = a_few_at_once(&PARCELS, 3, &carriers);
    let places = t.time("buffered(3)", max(times), places).await;
    count(t, &places, &carriers);
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

/// All calls stand before the first `.await`. But a call makes a future, and a future does nothing until it is
/// polled: the second one is polled when the first one is done.
async fn called_beforehand(parcels: &[Parcel], carriers: &AtOnce) -> Vec<&'static str> {
    let look_ups: Vec<_> = parcels.iter().map(|p| look_up(p, carriers)).collect();
    let mut places = Vec::new();
    for look_up in look_ups {
        places.push(look_up.await); // <- the difference
    }
    places
}

/// Makes the same futures, polls each of them once, and only then waits. The answers are in the order of the parcels.
async fn together(parcels: &[Parcel], carriers: &AtOnce) -> Vec<&'static str> {
    let look_ups = parcels.iter().map(|p| look_up(p, carriers));
    join_all(look_ups).await // <- the difference
}

/// For a long list: no more than `limit` carriers are asked at the same time.
async fn a_few_at_once(parcels: &[Parcel], limit: usize, carriers: &AtOnce) -> Vec<&'static str> {
    let look_ups = parcels.iter().map(|p| look_up(p, carriers));
    stream::iter(look_ups).buffered(limit).collect().await // <- the difference
}

#[instrument(ret, skip_all, fields(what = parcel.0))]
async fn look_up(parcel: &Parcel, carriers: &AtOnce) -> &'static str {
    let _under_way = carriers.enter();
    let (what, time) = *parcel;
    sleep(ticks(time)).await;
    what
}

fn count(t: &mut Timings, places: &[&str], carriers: &AtOnce) {
    t.count("found", places.join(" "));
    t.count("most under way", carriers.most());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use timing::on_virtual_clock;
    use tokio::time::Instant;

    const IN_TURN: [&str; 2] = ["await in the loop", "called beforehand"];
    const TOGETHER: [&str; 2] = ["join_all", "buffered(3)"];

    #[tokio::test(start_paused = true)]
    async fn an_await_in_the_loop_takes_the_sum_and_so_do_calls_made_beforehand() {
        let t = Timings::of(run).await;
        for label in IN_TURN {
            assert_eq!(t[label].elapsed, ticks(6), "{label}");
            assert_eq!(*t[label].count("most under way"), 1, "{label}");
            // The stairs of the timeline.
            let begins = ["shirt", "lamp", "chair"].map(|parcel| t[label].lane(parcel).start);
            assert_eq!(begins, [ticks(0), ticks(2), ticks(3)], "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn polled_together_they_take_as_long_as_the_slowest() {
        let t = Timings::of(run).await;
        for label in TOGETHER {
            assert_eq!(t[label].elapsed, ticks(3), "{label}");
            assert_eq!(*t[label].count("most under way"), 3, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_form_finds_the_parcels_in_their_order() {
        let t = Timings::of(run).await;
        for label in [IN_TURN, TOGETHER].concat() {
            assert_eq!(*t[label].count("found"), "shirt lamp chair", "{label}");
        }
    }

    #[test]
    fn it_is_the_sum_or_the_longest_in_512_lists() {
        async fn takes<T>(work: impl Future<Output = T>) -> std::time::Duration {
            let start = Instant::now();
            work.await;
            start.elapsed()
        }
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&vec(0_u32..20, 1..12), |times| {
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
                Ok(())
            })
        });
        held.unwrap();
    }
}
