//! How lanes end.

use std::time::Duration;

use futures_util::future::join_all;
use timing::{
    Timings,
    law::none,
    report::{Ended, Level},
};
use tokio::{task::yield_now, time::timeout};
use tracing::instrument;

use crate::{MS, wait};

const FOREVER: u32 = 1_000_000;

#[instrument(ret, err, target = "ch00_test")]
async fn burns(after_ms: u32) -> Result<(), String> {
    tokio::time::sleep(MS * after_ms).await;
    Err("burnt".into())
}

#[instrument(ret, target = "ch00_test")]
async fn panics(after_ms: u32) {
    tokio::time::sleep(MS * after_ms).await;
    panic!("the pan is on fire");
}

#[tokio::test(start_paused = true)]
async fn an_ok_is_returned_and_an_err_failed() {
    #[instrument(ret, err, target = "ch00_test")]
    async fn cooks() -> Result<u32, String> {
        Ok(1)
    }
    let mut t = Timings::default();
    t.time("v", none(), async {
        cooks().await.unwrap();
        burns(2).await.unwrap_err();
    })
    .await;
    assert_eq!(t["v"].lane("cooks").ended, Ended::Returned);
    let burnt = t["v"].lane("burns");
    assert_eq!((burnt.ended, burnt.end), (Ended::Failed, MS * 2));
    let said = &t["v"].said[0];
    assert_eq!((&*said.text, said.level), ("error=burnt", Level::Error));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_task_is_panicked() {
    let mut t = Timings::default();
    let joined = t
        .time("v", none(), async { tokio::spawn(panics(2)).await })
        .await;
    assert!(joined.unwrap_err().is_panic());
    let lane = t["v"].lane("panics");
    assert_eq!((lane.ended, lane.end), (Ended::Panicked, MS * 2));
    assert_eq!(lane.polls.len(), 2, "the drop of what is left is no poll");
}

#[tokio::test(start_paused = true)]
async fn a_panic_goes_through_the_lanes_around_it() {
    #[instrument(ret, target = "ch00_test")]
    async fn kitchen() {
        panics(2).await;
    }
    let mut t = Timings::default();
    t.time("v", none(), async {
        tokio::spawn(kitchen()).await.unwrap_err()
    })
    .await;
    assert_eq!(t["v"].lane("kitchen").ended, Ended::Panicked);
    assert_eq!(t["v"].lane("panics").ended, Ended::Panicked);
}

#[tokio::test(start_paused = true)]
async fn siblings_of_a_panicking_join_are_cancelled() {
    let mut t = Timings::default();
    t.time("v", none(), async {
        let joined = tokio::spawn(async { tokio::join!(wait("tea", FOREVER), panics(2)) });
        joined.await.unwrap_err()
    })
    .await;
    let tea = t["v"].lane("tea");
    assert_eq!((tea.ended, tea.end), (Ended::Cancelled, MS * 2));
    assert_eq!(t["v"].lane("panics").ended, Ended::Panicked);
}

#[tokio::test(start_paused = true)]
async fn dropped_is_cancelled_at_the_time_of_the_drop() {
    let mut t = Timings::default();
    t.time("v", none(), async {
        let mut tea = Box::pin(wait("tea", FOREVER));
        let pending = futures_util::poll!(&mut tea).is_pending();
        assert!(pending);
        tokio::time::sleep(MS * 4).await;
        drop(tea);
        tokio::time::sleep(MS * 4).await;
    })
    .await;
    let tea = t["v"].lane("tea");
    assert_eq!((tea.ended, tea.end), (Ended::Cancelled, MS * 4));
    assert_eq!(tea.polls.len(), 1, "the drop is no poll");
}

#[tokio::test(start_paused = true)]
async fn timeout_cancels() {
    let mut t = Timings::default();
    t.time("v", none(), async {
        timeout(MS * 3, wait("tea", FOREVER)).await.unwrap_err()
    })
    .await;
    let tea = t["v"].lane("tea");
    assert_eq!((tea.ended, tea.end), (Ended::Cancelled, MS * 3));
}

#[tokio::test(start_paused = true)]
async fn select_cancels_the_slower_one() {
    let mut t = Timings::default();
    t.time("v", none(), async {
        tokio::select! {
            first = wait("tea", 2) => first,
            second = wait("eggs", 5) => second,
        }
    })
    .await;
    let ended = |name| (t["v"].lane(name).ended, t["v"].lane(name).end);
    assert_eq!(ended("tea"), (Ended::Returned, MS * 2));
    assert_eq!(ended("eggs"), (Ended::Cancelled, MS * 2));
}

#[tokio::test(start_paused = true)]
async fn abort_cancels_a_task() {
    let mut t = Timings::default();
    let joined = t
        .time("v", none(), async {
            let task = tokio::spawn(wait("tea", FOREVER));
            tokio::time::sleep(MS * 3).await;
            task.abort();
            task.await
        })
        .await;
    assert!(joined.unwrap_err().is_cancelled());
    let tea = t["v"].lane("tea");
    assert_eq!((tea.ended, tea.end), (Ended::Cancelled, MS * 3));
    assert_eq!(tea.polls.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_aborted_before_its_first_poll_has_no_lane() {
    let mut t = Timings::default();
    t.time("v", none(), async {
        let task = tokio::spawn(wait("tea", 1));
        task.abort();
        task.await.unwrap_err()
    })
    .await;
    assert_eq!(t["v"].lanes, []);
}

#[tokio::test(start_paused = true)]
async fn a_done_future_that_is_dropped_late_ended_when_it_was_done() {
    let mut t = Timings::default();
    t.time("v", none(), async {
        let mut tea = Box::pin(wait("tea", 2));
        (&mut tea).await;
        tokio::time::sleep(MS * 5).await;
        drop(tea);
    })
    .await;
    let tea = t["v"].lane("tea");
    assert_eq!((tea.ended, tea.end), (Ended::Returned, MS * 2));
    assert_eq!(tea.polls.len(), 2, "the drop is no poll");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_lane_ends_though_a_task_it_spawned_goes_on() {
    #[instrument(ret, target = "ch00_test")]
    async fn orders() {
        tokio::spawn(wait("delivery", FOREVER));
        yield_now().await;
        std::future::pending::<()>().await;
    }
    let mut t = Timings::default();
    t.time("v", none(), async {
        timeout(MS * 3, orders()).await.unwrap_err();
        tokio::time::sleep(MS * 4).await;
    })
    .await;
    let orders = t["v"].lane("orders");
    assert_eq!((orders.ended, orders.end), (Ended::Cancelled, MS * 3));
    assert_eq!(t["v"].lane("delivery").ended, Ended::Outlived);
}

#[tokio::test(start_paused = true)]
async fn an_ending_inside_a_lane_is_not_its_own() {
    // Refused: softer than the recorder listens to, but what it returns is told as loud as a lane's ending.
    #[instrument(ret(level = "info"), level = "debug", target = "ch00_test")]
    async fn unrecorded() {}
    #[instrument(ret, target = "ch00_test")]
    async fn outer() {
        unrecorded().await;
        tokio::time::sleep(MS * 2).await;
    }
    let mut t = Timings::default();
    t.time("v", none(), outer()).await;
    let outer = t["v"].lane("outer");
    assert_eq!((outer.ended, outer.end), (Ended::Returned, MS * 2));
    assert_eq!(outer.polls.len(), 2);
    assert_eq!(t["v"].said, []);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_all_end() {
    let mut t = Timings::default();
    t.time("v", none(), join_all((0..100).map(|ms| wait("tea", ms))))
        .await;
    let ends = t["v"].lanes.iter().map(|lane| (lane.ended, lane.end));
    let expected = (0..100).map(|ms| (Ended::Returned, MS * ms));
    assert!(ends.eq(expected));
    assert_eq!(t["v"].elapsed, Duration::from_millis(99));
}
