//! Lanes and their polls.

use std::time::Duration;

use timing::{Timings, law::none, report::Ended};
use tokio::task::yield_now;
use tracing::instrument;

use crate::{MS, wait};

#[tokio::test(start_paused = true)]
async fn a_future_that_sleeps_once_has_two_polls() {
    let mut t = Timings::default();
    t.time("v", none(), wait("tea", 5)).await;
    let lane = t["v"].lane("tea");
    let polls: Vec<_> = lane
        .polls
        .iter()
        .map(|poll| (poll.start, poll.end))
        .collect();
    assert_eq!(polls, [(Duration::ZERO, Duration::ZERO), (MS * 5, MS * 5)]);
    assert_eq!(lane.ended, Ended::Returned);
    assert!(lane.polls.iter().all(|poll| poll.on_loop));
}

#[tokio::test(start_paused = true)]
async fn a_lane_has_exactly_the_polls_of_its_future() {
    #[instrument(ret, target = "ch00_test")]
    async fn yields(times: usize) {
        for _ in 0..times {
            yield_now().await;
        }
    }
    let mut t = Timings::default();
    for times in [0, 1, 7] {
        t.time(times.to_string(), none(), yields(times)).await;
        assert_eq!(t[&*times.to_string()].lane("yields").polls.len(), times + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_begins_at_its_first_poll() {
    let mut t = Timings::default();
    t.time("v", none(), async {
        let made_early = wait("tea", 5);
        wait("eggs", 3).await;
        made_early.await
    })
    .await;
    let lane = t["v"].lane("tea");
    assert_eq!((lane.start, lane.end), (MS * 3, MS * 8));
    assert_eq!(t["v"].lanes[0].label, r#"wait("eggs", 3)"#);
}

#[tokio::test(start_paused = true)]
async fn arguments_become_the_label() {
    #[instrument(ret, target = "ch00_test", skip(secret))]
    async fn call(name: &str, retries: Option<u8>, secret: u32) {
        let _ = secret;
    }
    #[instrument(ret, target = "ch00_test")]
    async fn bare() {}

    let mut t = Timings::default();
    t.time("v", none(), async {
        call("tea", Some(2), 7).await;
        bare().await;
    })
    .await;
    let labels: Vec<_> = t["v"].lanes.iter().map(|lane| &*lane.label).collect();
    assert_eq!(labels, [r#"call("tea", Some(2))"#, "bare()"]);
}

#[tokio::test(start_paused = true)]
async fn a_lane_inside_a_lane_lies_within_it() {
    #[instrument(ret, target = "ch00_test")]
    async fn breakfast() {
        wait("tea", 2).await;
        wait("eggs", 3).await;
    }
    let mut t = Timings::default();
    t.time("v", none(), breakfast()).await;
    let v = &t["v"];
    let extents: Vec<_> = v.lanes.iter().map(|lane| (lane.start, lane.end)).collect();
    assert_eq!(
        extents,
        [
            (Duration::ZERO, MS * 5),
            (Duration::ZERO, MS * 2),
            (MS * 2, MS * 5)
        ]
    );
    assert_eq!(v.lane("breakfast").polls.len(), 3);
    assert_eq!(v.lane("tea").polls.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sync_function_is_one_poll() {
    #[instrument(ret, target = "ch00_test")]
    fn adds(a: u32, b: u32) -> u32 {
        a + b
    }
    let mut t = Timings::default();
    t.time("v", none(), async { adds(1, 2) }).await;
    t.time_blocking("blocking", none(), || adds(3, 4));
    for label in ["v", "blocking"] {
        assert_eq!(t[label].lanes.len(), 1);
        assert_eq!(t[label].lanes[0].polls.len(), 1);
        assert_eq!(t[label].lanes[0].ended, Ended::Returned);
    }
}

#[tokio::test]
async fn a_blocking_call_is_one_long_poll() {
    #[instrument(ret, target = "ch00_test")]
    #[expect(
        clippy::disallowed_methods,
        reason = "the test is about what blocking looks like"
    )]
    async fn blocks() {
        std::thread::sleep(MS * 30);
    }
    let mut t = Timings::default();
    t.time("v", none(), blocks()).await;
    let lane = t["v"].lane("blocks");
    assert_eq!(lane.polls.len(), 1);
    assert!(lane.longest_poll() >= MS * 30);
}

#[tokio::test(start_paused = true)]
async fn turns_tell_the_order_of_polls_under_a_standing_clock() {
    #[instrument(ret, target = "ch00_test")]
    async fn yields(name: &'static str) {
        yield_now().await;
    }
    let mut t = Timings::default();
    t.time("v", none(), async {
        tokio::join!(biased; yields("a"), yields("b"));
    })
    .await;
    let mut polls: Vec<_> = (t["v"].lanes.iter())
        .flat_map(|lane| lane.polls.iter().map(|poll| (poll.turn, &*lane.label)))
        .collect();
    polls.sort_unstable();
    let order: Vec<_> = polls.iter().map(|(_, label)| *label).collect();
    let (a, b) = (r#"yields("a")"#, r#"yields("b")"#);
    assert_eq!(order, [a, b, a, b]);
    assert!(polls.is_sorted_by(|one, next| one.0 < next.0));
    assert_eq!(t["v"].elapsed, Duration::ZERO, "the clock stood still");
}

#[tokio::test(start_paused = true)]
async fn spans_of_other_crates_are_no_lanes() {
    #[instrument(ret)]
    async fn of_the_test_itself() {}
    #[instrument(ret, target = "hyper::client")]
    async fn of_a_library() {}
    #[instrument(ret, target = "ch0_test")]
    async fn of_a_name_that_is_nearly_a_chapters() {}
    #[instrument(ret, target = "ch00_test", level = "debug")]
    async fn softer_than_info() {}

    let mut t = Timings::default();
    t.time("v", none(), async {
        of_the_test_itself().await;
        of_a_library().await;
        of_a_name_that_is_nearly_a_chapters().await;
        softer_than_info().await;
    })
    .await;
    assert_eq!(t["v"].lanes, []);
    assert_eq!(t["v"].left_out.spans, 0, "ignored is not left out");
}
