//! What the reader sees: drawn from lessons that ran.

use std::time::Duration;

use anyhow::{Result, bail};
use timing::{
    Timings,
    draw::{Pen, slow_polls, table, timeline},
    judge::{Allowance, judge},
    law::{exactly, max, none, sum},
    report::{Clock, Lesson, Outcome},
    ticks,
};
use tokio::time::{sleep, timeout};
use tracing::instrument;
use unicode_width::UnicodeWidthStr;

const FULL: Pen = Pen {
    ascii: false,
    slow: Duration::from_millis(50),
};
const PLAIN: Pen = Pen {
    ascii: true,
    ..FULL
};

#[instrument(target = "ch00_test", ret)]
async fn cook(dish: &'static str, time: u32) {
    sleep(ticks(time)).await;
}

#[instrument(target = "ch00_test", ret, err)]
async fn burn(dish: &'static str) -> Result<()> {
    sleep(ticks(1)).await;
    bail!("{dish} is burnt")
}

#[instrument(target = "ch00_test", ret)]
async fn drop_the_pan(dish: &'static str) {
    sleep(ticks(1)).await;
    panic!("{dish} is on the floor");
}

#[instrument(target = "ch00_test", ret)]
async fn nap(dish: &'static str) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the blocked loop is what is drawn"
    )]
    std::thread::sleep(Duration::from_millis(100));
}

fn lesson(timings: Timings, clock: Clock) -> Lesson {
    let mut measured = timings.finish();
    for variant in &mut measured.variants {
        judge(variant, clock, Allowance::Timers);
    }
    Lesson {
        name: "test/drawn".into(),
        title: "drawn".into(),
        asyncio: vec![],
        outcome: Outcome::Ran,
        said: measured.said,
        variants: measured.variants,
    }
}

fn without_colour(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

async fn three_dishes() -> Lesson {
    let mut t = Timings::default();
    t.time("one after another", sum([1, 2, 1]), async {
        cook("tea", 1).await;
        cook("stew", 2).await;
        cook("rice", 1).await;
    })
    .await;
    t.time("join!", max([1, 2, 1]), async {
        tokio::join!(cook("tea", 1), cook("stew", 2), cook("rice", 1))
    })
    .await;
    lesson(t, Clock::Virtual)
}

#[tokio::test(start_paused = true)]
async fn the_table_shows_time_law_and_speed_up() {
    let table = without_colour(&table(&three_dishes().await, FULL));
    let expected = "
  measured   law, in ticks of 100 ms    speed-up   variant
   0.400 s   1 + 2 + 1 = 0.400 s ✓          1.00   one after another
   0.200 s   max(1, 2, 1) = 0.200 s ✓       2.00   join!
";
    assert_eq!(table, expected[1..]);
}

#[tokio::test(start_paused = true)]
async fn where_the_laws_promise_the_same_time_there_is_no_speed_up() {
    let mut t = Timings::default();
    t.time("tea", exactly(1), cook("tea", 1)).await;
    t.time("rice", exactly(1), cook("rice", 1)).await;
    assert!(!table(&lesson(t, Clock::Virtual), FULL).contains("speed-up"));
    let mut t = Timings::default();
    t.time("tea", none(), cook("tea", 1)).await;
    t.time("stew", none(), cook("stew", 2)).await;
    assert!(!table(&lesson(t, Clock::Virtual), FULL).contains("speed-up"));
}

#[tokio::test(start_paused = true)]
async fn waits_that_overlap_are_drawn_above_each_other() {
    let timeline = without_colour(&timeline(&three_dishes().await, FULL));
    let expected = r#"
                    0 ┬┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┬ 0.400 s
  one after another
    cook("tea", 1)    ▌───────────▌
    cook("stew", 2)               ▌────────────────────────▌
    cook("rice", 1)                                        ▌───────────▌
  join!
    cook("tea", 1)    ▌───────────▌
    cook("stew", 2)   ▌───────────▌────────────▌
    cook("rice", 1)   ▌───────────▌
  ─ waiting  ▌ polled
"#;
    assert_eq!(timeline, expected[1..]);
}

#[tokio::test(start_paused = true)]
async fn every_ending_has_a_mark_of_its_own_in_plain_ascii_too() {
    let mut t = Timings::default();
    t.time("endings", none(), async {
        let outlives = tokio::spawn(cook("bread", 9));
        let panics = tokio::spawn(drop_the_pan("eggs"));
        let cancelled = timeout(ticks(1), cook("stew", 2));
        let _ = tokio::join!(cook("tea", 2), burn("toast"), cancelled, panics);
        drop(outlives);
    })
    .await;
    let lesson = lesson(t, Clock::Virtual);
    let last_mark = |timeline: String, label: &str| {
        let timeline = without_colour(&timeline);
        let row = timeline.lines().find(|line| line.contains(label)).unwrap();
        row.chars().next_back().unwrap()
    };
    for (label, full, plain) in [
        ("tea", '▌', '|'),
        ("toast", '✗', 'X'),
        ("stew", '╳', 'x'),
        ("eggs", '!', '!'),
        ("bread", '▷', '>'),
    ] {
        assert_eq!(last_mark(timeline(&lesson, FULL), label), full, "{label}");
        assert_eq!(last_mark(timeline(&lesson, PLAIN), label), plain, "{label}");
    }
}

#[tokio::test]
async fn a_blocked_loop_is_a_solid_bar_and_is_named() {
    let mut t = Timings::default();
    t.time("blocked", none(), async {
        tokio::join!(nap("tea"), nap("eggs"))
    })
    .await;
    let lesson = lesson(t, Clock::Real);
    let drawn = without_colour(&timeline(&lesson, PLAIN));
    let bars = drawn.lines().filter(|line| line.contains("##########"));
    assert_eq!(bars.count(), 2, "{drawn}");
    assert_eq!(slow_polls(&lesson, FULL, false).len(), 2);
    assert!(slow_polls(&lesson, FULL, false)[0].starts_with("blocked: nap("));
}

#[tokio::test(start_paused = true)]
async fn polls_stand_in_their_order_where_the_clock_stands_still() {
    #[instrument(target = "ch00_test", ret)]
    async fn stir(pot: u32) {
        tokio::task::yield_now().await;
    }
    let mut t = Timings::default();
    t.time("two pots", none(), async { tokio::join!(stir(1), stir(2)) })
        .await;
    let drawn = without_colour(&timeline(&lesson(t, Clock::Virtual), PLAIN));
    let rows: Vec<&str> = drawn.lines().collect();
    let first_polls = |row: &str| {
        row.char_indices()
            .filter(|(_, c)| *c == '|')
            .map(|(at, _)| at)
            .collect()
    };
    let (one, two): (Vec<usize>, Vec<usize>) = (first_polls(rows[2]), first_polls(rows[3]));
    // `join!` takes turns at who is polled first.
    assert!(
        one[0] < two[0] && two[0] < two[1] && two[1] < one[1],
        "{drawn}"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_wider_than_the_terminal_and_wide_letters_line_up() {
    let mut t = Timings::default();
    let label = "a variant whose label goes on for longer than anybody would like to read it";
    t.time(label, sum([1, 2, 3, 4, 5, 6, 7, 8]), async {
        cook("茶", 1).await;
        cook("一二三四五六七八九十一二三四五六七八九十", 35).await;
    })
    .await;
    t.count("a count with a long name", 1_000_000);
    t.time("短い", sum([1, 1]), cook("tea", 2)).await;
    t.count(
        "another count with a long name",
        "and a long value to go with it",
    );
    let lesson = lesson(t, Clock::Virtual);
    for pen in [FULL, PLAIN] {
        let drawn = without_colour(&(table(&lesson, pen) + &timeline(&lesson, pen)));
        for line in drawn.lines() {
            assert!(line.width() <= 80, "{} columns: {line}", line.width());
        }
        let lanes = drawn.lines().filter(|line| line.contains("cook("));
        let bars: Vec<usize> = lanes
            .map(|line| line[..line.find(['▌', '|']).unwrap()].width())
            .collect();
        assert_eq!(bars[0], bars[2], "both begin with their variant:\n{drawn}");
    }
}

#[tokio::test(start_paused = true)]
async fn twelve_lanes_are_drawn_and_the_failed_one_is_among_them() {
    let mut t = Timings::default();
    t.time("many", none(), async {
        let dishes = futures_util::future::join_all((0..40).map(|n| cook("tea", n)));
        let _ = tokio::join!(dishes, burn("toast"));
    })
    .await;
    let drawn = without_colour(&timeline(&lesson(t, Clock::Virtual), FULL));
    assert_eq!(
        drawn.lines().filter(|line| line.contains("cook(")).count(),
        11
    );
    assert!(
        drawn.contains("burn(\"toast\")") && drawn.contains("… 29 more lanes"),
        "{drawn}"
    );
}
