//! What is kept is bounded, and what isn't kept is counted.

use timing::{
    Timings,
    law::none,
    recorder::{MAX_POLLS, MAX_SAID, MAX_SPANS},
    report::Ended,
};
use tokio::task::yield_now;
use tracing::{info, instrument};

use crate::MS;

#[tokio::test(start_paused = true)]
async fn spans_past_the_cap_are_refused_and_counted() {
    #[instrument(ret, target = "ch00_test")]
    async fn nothing() {}

    let mut t = Timings::default();
    t.time("v", none(), async {
        for _ in 0..MAX_SPANS + 7 {
            nothing().await;
        }
    })
    .await;
    assert_eq!(t["v"].lanes.len(), MAX_SPANS);
    assert_eq!(t["v"].left_out.spans, 7);

    t.time("the next one", none(), nothing()).await;
    assert_eq!(t["the next one"].lanes.len(), 1);
    assert_eq!(t["the next one"].left_out.spans, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_span_ends_neither_its_siblings_nor_the_lane_around_it() {
    #[instrument(ret, target = "ch00_test")]
    async fn sibling() {
        tokio::time::sleep(MS * 2).await;
    }
    #[instrument(ret, target = "ch00_test")]
    async fn nothing() {}
    #[instrument(ret, target = "ch00_test")]
    async fn around() {
        for _ in 0..MAX_SPANS {
            nothing().await;
        }
        tokio::time::sleep(MS * 3).await;
    }
    let mut t = Timings::default();
    t.time("v", none(), async { tokio::join!(sibling(), around()) })
        .await;
    assert_eq!(t["v"].left_out.spans, 2);
    for (name, ms) in [("sibling", 2), ("around", 3)] {
        let lane = t["v"].lane(name);
        assert_eq!((lane.ended, lane.end), (Ended::Returned, MS * ms), "{name}");
    }
    assert_eq!(t["v"].lane("sibling").polls.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn polls_past_the_cap_are_counted() {
    #[instrument(ret, target = "ch00_test")]
    async fn yields(times: usize) {
        for _ in 0..times {
            yield_now().await;
        }
    }
    let mut t = Timings::default();
    t.time("v", none(), yields(MAX_POLLS + 4)).await;
    assert_eq!(t["v"].lanes[0].polls.len(), MAX_POLLS);
    assert_eq!(t["v"].left_out.polls, 5);
    assert_eq!(t["v"].lanes[0].ended, Ended::Returned);
}

#[tokio::test(start_paused = true)]
async fn a_drop_past_the_cap_is_no_poll_either() {
    #[instrument(ret, target = "ch00_test")]
    async fn yields_for_ever() {
        loop {
            yield_now().await;
        }
    }
    let mut t = Timings::default();
    t.time("v", none(), async {
        let mut endless = Box::pin(yields_for_ever());
        for _ in 0..MAX_POLLS + 3 {
            assert!(futures_util::poll!(&mut endless).is_pending());
        }
    })
    .await;
    let lane = &t["v"].lanes[0];
    assert_eq!(lane.ended, Ended::Cancelled);
    assert_eq!(lane.polls.len(), MAX_POLLS);
    assert_eq!(t["v"].left_out.polls, 3);
}

#[tokio::test(start_paused = true)]
async fn lines_past_the_cap_are_counted() {
    let mut t = Timings::default();
    t.time("v", none(), async {
        for n in 0..MAX_SAID + 2 {
            info!(target: "ch00_test", n);
        }
    })
    .await;
    assert_eq!(t["v"].said.len(), MAX_SAID);
    assert_eq!(t["v"].left_out.said, 2);
}
