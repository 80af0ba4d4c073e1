//! # Request and reply: a task owns the data, and answers
//!
//! A clerk owns the list of free places in a depot. Three vans ask for a place at the same time, and each sends a
//! `oneshot` for the reply (see `basics/awaitables`) along with its request. The clerk needs 1 tick for each. After 3
//! ticks the vans have the places 1, 2 and 3, with no lock around the list (see `sync/lost-update`). If the clerk
//! panics over the second request, the second van gets an error at that moment, and so does the third, whose request
//! is still in the tray: 2 errors after 2 ticks. For that the tray has to be dropped with the clerk. If something
//! else holds it, the third van is still without an answer at its deadline, 10 ticks.
//!
//! asyncio: Future, Queue, loop.create_future
//!
//! ```python
//! reply = asyncio.get_running_loop().create_future()
//! await tray.put((van, reply))
//! place = await reply               # waits for ever if the clerk has ended
//! van, reply = await tray.get()     # in the clerk
//! if not reply.done(): reply.set_result(place)    # a van that gave up has cancelled it: InvalidStateError
//! ```
//!
//! Not the same: an asyncio Queue doesn't know its consumers, and a Future can be set by any task. So a request to a
//! clerk that has ended is accepted, and its reply is awaited for ever. In Rust both ends are values. When the clerk
//! ends, its receiver is dropped, and a tokio `mpsc` drops the requests in it with their senders: `send` returns an
//! `Err`, and so does every reply. async-channel and flume keep what lies in them until the last sender is gone: there
//! such a reply is awaited for ever, too.

use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::future::join_all;
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::{
    sync::{
        Mutex,
        mpsc::{self, Sender},
        oneshot,
    },
    task::JoinHandle,
    time::{error::Elapsed, sleep, timeout},
};
use tracing::instrument;

const DEADLINE: u32 = 10;

pub async fn run(t: &mut Timings) -> Result<()> {
    let asking = three_vans_ask(owns_its_tray, None);
    let day = t.time("the clerk answers", sum([1; 3]), asking).await;
    count(t, day);

    let asking = three_vans_ask(owns_its_tray, Some(2));
    let day = t.time("the clerk panics", sum([1; 2]), asking).await;
    count(t, day);

    let asking = three_vans_ask(leaves_its_tray, Some(2));
    let late = exactly(DEADLINE);
    let day = t.time("it panics, its tray stays", late, asking).await;
    count(t, day);
    Ok(())
}

/// The request of the van `fatal` makes the clerk panic.
async fn three_vans_ask(clerk: fn(Tray) -> Clerk, fatal: Option<u32>) -> Day {
    let (desk, tray) = mpsc::channel(10);
    let clerk = clerk(tray);
    let asking = (1..=3).map(|van| {
        let place = ask_for_a_place(&desk, van, fatal == Some(van));
        timeout(ticks(DEADLINE), place)
    });
    let answers = join_all(asking).await;
    drop(desk); // no request can come any more, so the clerk ends, if it hasn't
    let panicked = clerk.task.await.is_err_and(|end| end.is_panic());
    Day { answers, panicked }
}

/// To the van this is a call like any other. That a task answers it, and that it may have ended, is the `Result`.
#[instrument(ret, err, skip(desk, fatal))]
async fn ask_for_a_place(desk: &Sender<Request>, van: u32, fatal: bool) -> Result<u32> {
    let (reply, place) = oneshot::channel();
    let request = Request { fatal, reply };
    // `send` hands the request back when the clerk is gone. It is of no use to the van.
    desk.send(request).await.ok().context("there is no clerk")?;
    place.await.context("the clerk ended before its reply")
}

fn owns_its_tray(mut tray: Tray) -> Clerk {
    let task = tokio::spawn(async move { answer(&mut tray).await });
    Clerk { task, _tray: None }
}

/// So that another clerk could go on with the requests in it. Here there is no other clerk.
fn leaves_its_tray(tray: Tray) -> Clerk {
    let tray = Arc::new(Mutex::new(tray));
    let shared = tray.clone();
    let task = tokio::spawn(async move { answer(&mut *shared.lock().await).await });
    let _tray = Some(tray); // <- the difference: the requests in the tray outlive the task
    Clerk { task, _tray }
}

/// The clerk. Between reading `free` and writing it there is a wait, and no update is lost: nobody else can reach it.
#[instrument(ret, skip_all)]
async fn answer(tray: &mut Tray) {
    let mut free = 1;
    while let Some(request) = tray.recv().await {
        // A van that has left has dropped its receiver. A place for it would stay empty.
        if request.reply.is_closed() {
            continue;
        }
        let place = free;
        sleep(ticks(1)).await;
        assert!(!request.fatal, "the clerk's pen breaks");
        // `send` hands the place back when the van has left during the wait. Then it is still free.
        if request.reply.send(place).is_ok() {
            free = place + 1;
        }
    }
}

struct Request {
    fatal: bool,
    reply: oneshot::Sender<u32>,
}

type Tray = mpsc::Receiver<Request>;

struct Clerk {
    task: JoinHandle<()>,
    _tray: Option<Arc<Mutex<Tray>>>,
}

/// What the vans got: a place, an error, or nothing before their deadline.
struct Day {
    answers: Vec<Result<Result<u32>, Elapsed>>,
    panicked: bool,
}

fn count(t: &mut Timings, day: Day) {
    let places = day.answers.iter().flatten().flatten();
    let places: Vec<_> = places.map(u32::to_string).collect();
    t.count("places", places.join(" "));
    let errors = day.answers.iter().flatten().filter(|reply| reply.is_err());
    t.count("errors", errors.count());
    let silence = day.answers.iter().filter(|reply| reply.is_err());
    t.count("without an answer", silence.count());
    let clerk = if day.panicked { "panicked" } else { "returned" };
    t.count("the clerk", clerk);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use timing::{on_virtual_clock, report::Ended};
    use tokio::task::yield_now;

    #[tokio::test(start_paused = true)]
    async fn every_van_has_a_place_of_its_own_without_a_lock() {
        let t = Timings::of(run).await;
        let answers = &t["the clerk answers"];
        assert_eq!(answers.elapsed, ticks(3));
        assert_eq!(*answers.count("places"), "1 2 3");
        assert_eq!(*answers.count("errors"), 0);
        assert_eq!(*answers.count("the clerk"), "returned");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clerk_that_panics_answers_every_request_with_an_error() {
        let t = Timings::of(run).await;
        let panics = &t["the clerk panics"];
        assert_eq!(panics.elapsed, ticks(2));
        assert_eq!(*panics.count("places"), "1");
        assert_eq!(*panics.count("errors"), 2);
        assert_eq!(*panics.count("without an answer"), 0);
        assert_eq!(*panics.count("the clerk"), "panicked");
    }

    #[tokio::test(start_paused = true)]
    async fn a_tray_that_stays_keeps_its_vans_waiting() {
        let t = Timings::of(run).await;
        let stays = &t["it panics, its tray stays"];
        assert_eq!(stays.elapsed, ticks(DEADLINE));
        assert_eq!(*stays.count("errors"), 1);
        assert_eq!(*stays.count("without an answer"), 1);
        assert_eq!(stays.lane("ask_for_a_place(3)").ended, Ended::Cancelled);
    }

    #[tokio::test(start_paused = true)]
    async fn a_van_that_asks_after_the_end_is_refused_at_once() {
        let (desk, tray) = mpsc::channel(10);
        owns_its_tray(tray).task.abort();
        yield_now().await;
        let refused = ask_for_a_place(&desk, 1, false).await.unwrap_err();
        assert_eq!(refused.to_string(), "there is no clerk");
    }

    #[tokio::test(start_paused = true)]
    async fn async_channel_keeps_a_request_that_no_clerk_will_read() {
        let (desk, tray) = async_channel::bounded(1);
        let (reply, mut place) = oneshot::channel::<u32>();
        desk.send(reply).await.unwrap();
        drop(tray);
        let answer = timeout(ticks(DEADLINE), &mut place).await;
        assert!(answer.is_err(), "the van waits on");
        drop(desk);
        assert!(place.await.is_err(), "until the last sender is gone");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn every_van_that_waits_is_answered_and_no_place_is_given_twice_or_skipped(
            vans in vec((0_u32..20, 0_u32..20, prop::bool::weighted(0.1)), 0..12),
            room in 1_usize..5,
        ) {
            on_virtual_clock(async {
                let (desk, tray) = mpsc::channel(room);
                let _clerk = owns_its_tray(tray);
                let asking = vans.iter().map(async |&(comes, patience, fatal)| {
                    sleep(ticks(comes)).await;
                    // They leave at odd moments, when no place is given.
                    timeout(ticks(f64::from(patience) + 0.5), ask_for_a_place(&desk, 0, fatal)).await
                });
                let answers = join_all(asking).await;
                let mut places: Vec<_> = answers.iter().flatten().flatten().copied().collect();
                places.sort_unstable();
                prop_assert!(places.iter().copied().eq(1..=places.len() as u32), "{places:?}");
                // 12 vans need at most 12 ticks. A van that can wait for so long gets a place or an error.
                let silent = vans.iter().zip(&answers).filter(|(van, answer)| van.1 >= 12 && answer.is_err());
                prop_assert_eq!(silent.count(), 0);
                Ok(())
            })?;
        }
    }
}
