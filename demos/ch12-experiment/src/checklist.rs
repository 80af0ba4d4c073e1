//! # The checklist of good async code, run instead of recited
//!
//! Every list of good practice says it: wait side by side, don't block, bound what runs at once. Each row here names
//! the lesson that measures the practice, runs that lesson, and asks whether its laws held or its count was right. A
//! row that stopped being true would say "broken". Cargo starts each lesson, and builds its chapter first if it has
//! to: the time of a row is that of cargo, and says nothing about the practice.
//!
//! asyncio: best practices
//!
//! real clock: it starts other programs, each with a clock of its own
//!
//! ```python
//! results = await asyncio.gather(*calls, return_exceptions=True)
//! failed = [r for r in results if isinstance(r, BaseException)]
//! ```
//!
//! Not the same: some rows of such a list for asyncio are the compiler's in Rust. A forgotten `.await` is a warning
//! (`pitfalls/forgotten-await`), and a future awaited twice doesn't compile (`pitfalls/await-twice`). No compiler can
//! tell whether waits overlap: that has to be measured, as the rows below are.

use std::env;

use anyhow::{Context, Result};
use timing::{
    Timings,
    law::none,
    report::{Lesson, Outcome, Verdict},
};
use tokio::process::Command;
use tracing::instrument;

use crate::options::Options;

/// A practice, the lesson that shows what it is worth, and what must hold there. It is asked on the paused clock,
/// unless the lesson needs the real one.
struct Row {
    practice: &'static str,
    lesson: &'static str,
    /// Without one all laws of the lesson must hold: on the paused clock they do to the nanosecond or not at all.
    figure: Option<Figure>,
}

/// A variant, what is counted beside it, and how much that must be.
type Figure = (&'static str, &'static str, i64);

const ROWS: [Row; 15] = [
    row("await what you call", "basics/lazy-future"),
    row("wait side by side", "basics/one-cook"),
    row("keep blocking calls off the loop", "pitfalls/blocking-call").is(
        "in the task",
        "the ticker's turns",
        0,
    ),
    row(
        "let others run in a long computation",
        "basics/await-without-yield",
    )
    .is("and one yield_now", "steps of the second cook", 1),
    row("keep tasks where their errors are seen", "tasks/detached").is(
        "kept in a JoinSet",
        "fetched",
        2,
    ),
    row("clean up when cancelled", "tasks/cancel").is("CancellationToken", "packed away", 1),
    row("end related tasks together", "tasks/task-group").is("group, fish burns", "errors seen", 2),
    row("retry only what can go away", "tasks/retry").is("not sold", "calls", 1),
    row("close before the `?`", "streams/guard").is("close before the ?", "lost: Error", 0),
    row("fetch only what is read", "streams/pages").is("take(9)", "fetches begun", 3),
    row("lock what is read before a wait", "sync/lost-update").is(
        "tokio Mutex, held",
        "deposits lost",
        0,
    ),
    row("bound every queue", "queues/backpressure").is("channel(3), 24", "most on the belt", 3),
    row("drain before the end", "queues/graceful-drain").is("drain", "lost", 0),
    row("bound what runs at once", "experiment/ten-urls").is("5 at once", "in flight at once", 5),
    row("one client for all requests", "experiment/ten-urls").is(
        "one at a time",
        "connections opened",
        1,
    ),
];

const fn row(practice: &'static str, lesson: &'static str) -> Row {
    Row {
        practice,
        lesson,
        figure: None,
    }
}

impl Row {
    const fn is(mut self, variant: &'static str, what: &'static str, number: i64) -> Self {
        self.figure = Some((variant, what, number));
        self
    }
}

pub async fn run(t: &mut Timings, _options: &Options) -> Result<()> {
    if env::var_os("PATH").is_none() {
        return Err(chapter::skip("cargo finds its compiler by PATH: set that"));
    }
    for row in &ROWS {
        let kept = t
            .time(row.practice, none(), ask(row.lesson, row.figure))
            .await?;
        t.count("shown by", row.lesson);
        t.count("practice", if kept { "kept" } else { "broken" });
    }
    Ok(())
}

/// Runs the lesson as a reader would and holds its report against the row.
#[instrument(ret, err, skip(figure))]
async fn ask(lesson: &str, figure: Option<Figure>) -> Result<bool> {
    let mut answer = report(lesson, &["--virtual"]).await?;
    if matches!(answer.outcome, Outcome::Skipped(_)) {
        answer = report(lesson, &[]).await?;
    }
    Ok(holds(&answer, figure))
}

async fn report(lesson: &str, flags: &[&str]) -> Result<Lesson> {
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["demo", lesson, "--json", "-"]).args(flags);
    // On Unix cargo becomes the launcher, and that the lesson: after Ctrl-C none of them runs on.
    cargo.kill_on_drop(true);
    let output = cargo.output().await.context("cargo can't be started")?;
    let mut lessons = chapter::report(&output)?.lessons.into_iter();
    lessons
        .next()
        .with_context(|| format!("{lesson} is not in its own report"))
}

fn holds(lesson: &Lesson, figure: Option<Figure>) -> bool {
    let mut variants = lesson.variants.iter();
    let shown = match figure {
        None => !lesson.variants.is_empty() && variants.all(|one| one.verdict == Verdict::Kept),
        Some((label, what, number)) => variants
            .filter(|one| one.label == label)
            .flat_map(|one| &one.counts)
            .any(|count| count.what == what && count.value == number),
    };
    lesson.outcome == Outcome::Ran && shown
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use timing::law::exactly;

    use super::*;

    /// What the row names and the source of its lesson doesn't.
    fn unknown(row: &Row, source: &str) -> Vec<&'static str> {
        let (variant, what, _) = row.figure.unwrap_or_default();
        let mut names = vec![variant, what];
        names.retain(|name| !source.contains(name));
        names
    }

    fn source_of(lesson: &str) -> String {
        let (chapter, lesson) = lesson.split_once('/').unwrap();
        let demos = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut chapters = fs::read_dir(demos)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let chapter =
            chapters.find(|path| path.to_str().unwrap().ends_with(&format!("-{chapter}")));
        let file = format!("src/{}.rs", lesson.replace('-', "_"));
        fs::read_to_string(chapter.unwrap().join(file)).unwrap()
    }

    #[test]
    fn every_row_names_a_variant_and_a_count_that_its_lesson_has() {
        for row in &ROWS {
            let unknown = unknown(row, &source_of(row.lesson));
            assert!(unknown.is_empty(), "{}: {unknown:?}", row.lesson);
        }
    }

    #[test]
    fn finds_a_label_that_its_lesson_has_changed() {
        let row =
            row("bound what runs at once", "experiment/ten-urls").is("5 at once", "in flight", 5);
        assert!(unknown(&row, r#"t["5 at once"].count("in flight")"#).is_empty());
        assert_eq!(
            unknown(&row, r#"t["five at once"].count("in flight")"#),
            ["5 at once"]
        );
        assert_eq!(
            unknown(&row, r#"t["5 at once"].count("under way")"#),
            ["in flight"]
        );
    }

    fn lesson(verdict: Verdict, in_flight: i64) -> Lesson {
        let mut t = Timings::default();
        t.time_blocking("5 at once", exactly(1), || ());
        t.count("in flight at once", in_flight);
        let mut variants = t.finish().variants;
        variants[0].verdict = verdict;
        Lesson {
            name: "test/row".into(),
            title: String::new(),
            asyncio: vec![],
            outcome: Outcome::Ran,
            said: vec![],
            variants,
        }
    }

    #[test]
    fn a_broken_law_breaks_its_row_and_so_does_a_lesson_that_measured_nothing() {
        assert!(holds(&lesson(Verdict::Kept, 5), None));
        for verdict in [Verdict::Broken, Verdict::NotJudged] {
            assert!(!holds(&lesson(verdict, 5), None));
        }
        let empty = Lesson {
            variants: vec![],
            ..lesson(Verdict::Kept, 5)
        };
        assert!(!holds(&empty, None));
        let failed = Lesson {
            outcome: Outcome::Failed("no".into()),
            ..lesson(Verdict::Kept, 5)
        };
        assert!(!holds(&failed, None));
    }

    #[test]
    fn a_count_that_moved_breaks_its_row() {
        let five = Some(("5 at once", "in flight at once", 5));
        assert!(holds(&lesson(Verdict::NotJudged, 5), five));
        assert!(!holds(&lesson(Verdict::NotJudged, 6), five));
        let other = Some(("5 at once", "renamed", 5));
        assert!(!holds(&lesson(Verdict::NotJudged, 5), other));
    }
}
