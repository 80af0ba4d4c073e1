//! One scenario, under thousands of schedules.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use shuttle::{
    Config, FailurePersistence, Runner,
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
};
/// How many schedules of each kind.
const SCHEDULES: usize = 5_000;
/// The same schedules in every run, so that a failure can be looked at again.
const SEED: u64 = 4;
/// A defect that takes so many switches at the worst moment is found by PCT with a known probability
/// (Burckhardt and others, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", 2010).
const DEPTH: usize = 3;

/// What the schedules did to a form.
pub struct Checked {
    form: &'static str,
    explored: [(&'static str, Explored); 2],
}

struct Explored {
    schedules: usize,
    failure: Option<String>,
}

/// Tries a form in its scenario, under random schedules and under PCT's, each until something goes wrong.
pub fn check(form: &'static str, scenario: fn()) -> Checked {
    let random = RandomScheduler::new_from_seed(SEED, SCHEDULES);
    let pct = PctScheduler::new_from_seed(SEED, DEPTH, SCHEDULES);
    Checked {
        form,
        explored: [
            ("random", explore(random, scenario)),
            ("PCT", explore(pct, scenario)),
        ],
    }
}

impl Checked {
    pub fn holds(&self) -> bool {
        self.explored
            .iter()
            .all(|(_, explored)| explored.failure.is_none())
    }

    /// Whether each kind of schedule has found something.
    pub fn is_caught(&self) -> bool {
        self.explored
            .iter()
            .all(|(_, explored)| explored.failure.is_some())
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.form)?;
        for (kind, Explored { schedules, failure }) in &self.explored {
            match failure {
                None => writeln!(f, "  {kind:6} {schedules} schedules, nothing lost")?,
                Some(why) => writeln!(f, "  {kind:6} fails in schedule {schedules}: {why}")?,
            }
        }
        Ok(())
    }
}

fn explore(scheduler: impl Scheduler + 'static, scenario: fn()) -> Explored {
    let begun = Arc::new(AtomicUsize::new(0));
    let counter = begun.clone();
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    let runner = Runner::new(scheduler, config);
    let run = AssertUnwindSafe(|| {
        runner.run(move || {
            counter.fetch_add(1, Relaxed);
            scenario();
        })
    });
    Explored {
        failure: catch_unwind(run)
            .err()
            .map(|panic| reason(panic.as_ref()).to_owned()),
        schedules: begun.load(Relaxed),
    }
}

/// A panic's first words: behind "deadlock!" shuttle names every task.
fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("a panic without a message");
    text.split("! ").next().unwrap_or(text)
}
