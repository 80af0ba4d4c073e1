//! # The checklist of good async code, run instead of recited
//!
//! Every list of good practice says it: await side by side, don't block, bound what runs at once. Each row here names
//! the lesson that measures the practice, runs that lesson, and asks whether its laws held or its count was right. A
//! row that stopped being true would say "broken".
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
//! Not the same: some rows of such a list for asyncio are the compiler's in Rust. A forgotten `.await` is a warning,
//! and a future awaited twice doesn't compile. Whether waits overlap no compiler can tell: that has to be measured,
//! as the rows below are.

use std::process::Command;

use anyhow::{Context, Result};
use timing::{
    Timings,
    law::none,
    report::{Lesson, Outcome, Report, Verdict},
};
use tracing::instrument;

use crate::options::Options;

/// A practice, and the lesson that shows what it is worth.
struct Row {
    practice: &'static str,
    lesson: &'static str,
    proof: Proof,
}

/// What of the lesson must hold. It is asked on the paused clock, unless the lesson needs the real one.
enum Proof {
    /// All its laws: on the paused clock they hold to the nanosecond or not at all.
    Laws,
    /// A figure beside a variant.
    Count {
        variant: &'static str,
        what: &'static str,
        is: i64,
    },
}

const ROWS: [Row; 14] = [
    Row {
        practice: "await what you call",
        lesson: "basics/lazy-future",
        proof: Proof::Laws,
    },
    Row {
        practice: "wait side by side",
        lesson: "basics/one-cook",
        proof: Proof::Laws,
    },
    Row {
        practice: "let others run in a long computation",
        lesson: "basics/await-without-yield",
        proof: count("and one yield_now", "steps of the second cook", 1),
    },
    Row {
        practice: "keep tasks where their errors are seen",
        lesson: "tasks/detached",
        proof: count("kept in a JoinSet", "fetched", 2),
    },
    Row {
        practice: "clean up when cancelled",
        lesson: "tasks/cancel",
        proof: count("CancellationToken", "packed away", 1),
    },
    Row {
        practice: "end related tasks together",
        lesson: "tasks/task-group",
        proof: count("group, fish burns", "errors seen", 2),
    },
    Row {
        practice: "retry only what can go away",
        lesson: "tasks/retry",
        proof: count("not sold", "calls", 1),
    },
    Row {
        practice: "close before the `?`",
        lesson: "streams/guard",
        proof: count("close before the ?", "lost: Error", 0),
    },
    Row {
        practice: "fetch only what is read",
        lesson: "streams/pages",
        proof: count("take(9)", "fetches begun", 3),
    },
    Row {
        practice: "lock what is read before a wait",
        lesson: "sync/lost-update",
        proof: count("tokio Mutex, held", "deposits lost", 0),
    },
    Row {
        practice: "bound every queue",
        lesson: "queues/backpressure",
        proof: count("channel(3), 24", "most on the belt", 3),
    },
    Row {
        practice: "drain before the end",
        lesson: "queues/graceful-drain",
        proof: count("drain", "lost", 0),
    },
    Row {
        practice: "bound what runs at once",
        lesson: "experiment/ten-urls",
        proof: count("5 at once", "in flight at once", 5),
    },
    Row {
        practice: "one client for all requests",
        lesson: "experiment/ten-urls",
        proof: count("one at a time", "connections opened", 1),
    },
];

const fn count(variant: &'static str, what: &'static str, is: i64) -> Proof {
    Proof::Count { variant, what, is }
}

pub fn run(t: &mut Timings, _options: &Options) -> Result<()> {
    for Row {
        practice,
        lesson,
        proof,
    } in &ROWS
    {
        let kept = t.time_blocking(*practice, none(), || ask(lesson, proof))?;
        t.count("shown by", *lesson);
        t.count("practice", if kept { "kept" } else { "broken" });
    }
    Ok(())
}

/// Runs the lesson as a reader would and holds its report against the row.
#[instrument(ret, err, skip(proof))]
fn ask(lesson: &str, proof: &Proof) -> Result<bool> {
    let mut answer = report(lesson, &["--virtual"])?;
    if matches!(answer.outcome, Outcome::Skipped(_)) {
        answer = report(lesson, &[])?;
    }
    Ok(holds(&answer, proof))
}

fn report(lesson: &str, flags: &[&str]) -> Result<Lesson> {
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["demo", lesson, "--json", "-"]).args(flags);
    let output = cargo.output().context("cargo can't be started")?;
    let report: Report = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())?;
    let mut lessons = report.lessons.into_iter();
    lessons
        .next()
        .with_context(|| format!("{lesson} is not in its own report"))
}

fn holds(lesson: &Lesson, proof: &Proof) -> bool {
    let mut variants = lesson.variants.iter();
    let shown = match *proof {
        Proof::Laws => {
            !lesson.variants.is_empty() && variants.all(|one| one.verdict == Verdict::Kept)
        }
        Proof::Count { variant, what, is } => {
            let counts = variants
                .filter(|one| one.label == variant)
                .flat_map(|one| &one.counts);
            counts
                .filter(|count| count.what == what)
                .any(|count| count.value == is)
        }
    };
    lesson.outcome == Outcome::Ran && shown
}

#[cfg(test)]
mod tests {
    use timing::law::exactly;

    use super::*;

    fn lesson(verdict: Verdict, slots: i64) -> Lesson {
        let mut t = Timings::default();
        t.time_blocking("5 at once", exactly(1), || ());
        t.count("in flight at once", slots);
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
        assert!(holds(&lesson(Verdict::Kept, 5), &Proof::Laws));
        for verdict in [Verdict::Broken, Verdict::NotJudged] {
            assert!(!holds(&lesson(verdict, 5), &Proof::Laws));
        }
        let empty = Lesson {
            variants: vec![],
            ..lesson(Verdict::Kept, 5)
        };
        assert!(!holds(&empty, &Proof::Laws));
        let failed = Lesson {
            outcome: Outcome::Failed("no".into()),
            ..lesson(Verdict::Kept, 5)
        };
        assert!(!holds(&failed, &Proof::Laws));
    }

    #[test]
    fn a_count_that_moved_breaks_its_row() {
        let five = Proof::Count {
            variant: "5 at once",
            what: "in flight at once",
            is: 5,
        };
        assert!(holds(&lesson(Verdict::NotJudged, 5), &five));
        assert!(!holds(&lesson(Verdict::NotJudged, 6), &five));
        let other = Proof::Count {
            variant: "5 at once",
            what: "renamed",
            is: 5,
        };
        assert!(!holds(&lesson(Verdict::NotJudged, 5), &other));
    }
}
