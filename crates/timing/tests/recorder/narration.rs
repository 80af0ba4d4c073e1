//! Narration.

use std::time::Duration;

use timing::{Timings, law::none, report::Level};
use tracing::{debug, error, info, instrument, warn};

use crate::MS;

#[tokio::test(start_paused = true)]
async fn a_line_has_text_level_lane_and_time() {
    #[instrument(ret, target = "ch00_test")]
    async fn speaks(name: &'static str) {
        tokio::time::sleep(MS * 2).await;
        info!(target: "ch00_test", left = 3, who = %"me", "ready");
        warn!(target: "ch00_test", "hot");
        error!(target: "ch00_test", dish = "tea");
    }
    let mut t = Timings::default();
    t.time("v", none(), async {
        info!(target: "ch00_test", "outside");
        speaks("tea").await;
    })
    .await;
    let lane = Some(r#"speaks("tea")"#);
    let said: Vec<_> = (t["v"].said.iter())
        .map(|said| (said.at, said.lane.as_deref(), said.level, &*said.text))
        .collect();
    assert_eq!(
        said,
        [
            (Duration::ZERO, None, Level::Info, "outside"),
            (MS * 2, lane, Level::Info, "ready left=3 who=me"),
            (MS * 2, lane, Level::Warn, "hot"),
            (MS * 2, lane, Level::Error, r#"dish="tea""#),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_said_after_a_variant_goes_to_it_by_its_own_clock() {
    let mut t = Timings::default();
    t.time("first", none(), tokio::time::sleep(MS * 2)).await;
    tokio::time::sleep(MS * 3).await;
    info!(target: "ch00_test", "between");
    t.time("second", none(), tokio::time::sleep(MS)).await;
    info!(target: "ch00_test", "at the end");
    let measured = t.finish();
    let lines: Vec<_> = (measured.variants.iter())
        .map(|variant| {
            (
                &*variant.said[0].text,
                variant.said[0].at,
                variant.said.len(),
            )
        })
        .collect();
    assert_eq!(lines, [("between", MS * 5, 1), ("at the end", MS, 1)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_before_the_first_variant_goes_to_the_lesson() {
    let mut t = Timings::default();
    info!(target: "ch00_test", "first of all");
    t.time("v", none(), async {}).await;
    let measured = t.finish();
    assert_eq!(measured.said[0].text, "first of all");
    assert_eq!(measured.said[0].at, Duration::ZERO);
    assert_eq!(measured.variants[0].said, []);
}

#[tokio::test(start_paused = true)]
async fn what_others_say_is_not_narration() {
    let mut t = Timings::default();
    t.time("v", none(), async {
        info!("from the test's own crate");
        info!(target: "hyper", "from a library");
        debug!(target: "ch00_test", "too soft");
    })
    .await;
    assert_eq!(t["v"].said, []);
}

#[tokio::test(start_paused = true)]
async fn a_field_called_return_beside_others_is_narration() {
    #[instrument(ret, target = "ch00_test")]
    async fn books() {
        info!(target: "ch00_test", { "return" = 5 }, "booked");
        tokio::time::sleep(MS).await;
    }
    let mut t = Timings::default();
    t.time("v", none(), books()).await;
    assert_eq!(t["v"].lane("books").end, MS);
    assert_eq!(t["v"].said.len(), 1);
}
