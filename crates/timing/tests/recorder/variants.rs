//! Which variant a span belongs to.

use std::time::Duration;

use timing::{Timings, law::none, report::Ended};
use tokio::time::timeout;

use crate::{MS, wait};

#[tokio::test(start_paused = true)]
async fn a_lane_that_outlives_its_variant_is_closed_at_its_end_and_stays_out_of_the_next() {
    let mut t = Timings::default();
    let [task] = t
        .time("first", none(), async {
            let task = tokio::spawn(wait("tea", 7));
            tokio::time::sleep(MS * 3).await;
            [task]
        })
        .await;
    // It goes on here, and ends here.
    t.time("second", none(), async { task.await.unwrap() })
        .await;
    let tea = t["first"].lane("tea");
    assert_eq!((tea.ended, tea.end), (Ended::Outlived, MS * 3));
    assert_eq!(tea.polls.len(), 1);
    assert_eq!(t["second"].lanes, []);
    assert_eq!(t["second"].elapsed, MS * 4);
}

#[tokio::test(start_paused = true)]
async fn a_future_made_in_one_variant_and_polled_in_the_next_is_the_nexts() {
    let mut t = Timings::default();
    let made = t.time_blocking("made", none(), || wait("tea", 1));
    t.time("polled", none(), made).await;
    assert_eq!(t["made"].lanes, []);
    assert_eq!(t["polled"].lane("tea").ended, Ended::Returned);
}

#[tokio::test(start_paused = true)]
async fn no_lane_is_opened_between_variants() {
    let mut t = Timings::default();
    wait("before", 1).await;
    t.time("first", none(), async {}).await;
    wait("between", 1).await;
    t.time("second", none(), async {}).await;
    wait("after", 1).await;
    let measured = t.finish();
    let lanes = measured.variants.iter().map(|variant| variant.lanes.len());
    assert!(lanes.eq([0, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_variant_leaves_no_measurement_and_the_next_one_clean() {
    let mut t = Timings::default();
    let dropped = t.time("dropped", none(), wait("tea", 100));
    timeout(MS * 2, dropped).await.unwrap_err();
    t.time("next", none(), wait("eggs", 3)).await;
    let measured = t.finish();
    assert_eq!(measured.variants.len(), 1);
    let labels: Vec<_> = (measured.variants[0].lanes.iter())
        .map(|lane| &*lane.label)
        .collect();
    assert_eq!(labels, [r#"wait("eggs", 3)"#]);
    assert_eq!(measured.variants[0].elapsed, Duration::from_millis(3));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = r#"two variants are called "v""#)]
async fn two_variants_of_one_label_panic() {
    let mut t = Timings::default();
    t.time("v", none(), async {}).await;
    t.time("v", none(), async {}).await;
}
