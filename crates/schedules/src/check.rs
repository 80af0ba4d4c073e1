//! One scenario, under thousands of schedules.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use shuttle::{
    Config, FailurePersistence, Runner,
    future::block_on,
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
};
use tokio::task::spawn;

use crate::trays::Tray;

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

/// Tries a form under random schedules and under PCT's, each until something goes wrong.
pub fn check<T: Tray>(form: &'static str) -> Checked {
    let random = RandomScheduler::new_from_seed(SEED, SCHEDULES);
    let pct = PctScheduler::new_from_seed(SEED, DEPTH, SCHEDULES);
    Checked {
        form,
        explored: [("random", explore::<T>(random)), ("PCT", explore::<T>(pct))],
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

fn explore<T: Tray>(scheduler: impl Scheduler + 'static) -> Explored {
    let begun = Arc::new(AtomicUsize::new(0));
    let counter = begun.clone();
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    let runner = Runner::new(scheduler, config);
    let run = AssertUnwindSafe(|| {
        runner.run(move || {
            counter.fetch_add(1, Relaxed);
            // With one place the tray is full or empty at every step; with three it is rarely either.
            for places in [1, 3] {
                for cancelled in [Side::Teller, Side::Clerk] {
                    block_on(hand_over::<T>(places, cancelled));
                }
            }
        })
    });
    Explored {
        failure: catch_unwind(run)
            .err()
            .map(|panic| reason(panic.as_ref()).to_owned()),
        schedules: begun.load(Relaxed),
    }
}

/// Who is cancelled on the way.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Teller,
    Clerk,
}

/// Three tellers put two cheques each, three clerks take them, and one more of either side is cancelled somewhere on
/// the way. Whether that one has come to a cheque or not, the clerks find enough cheques and the tellers enough places,
/// so nobody may be left waiting; shuttle fails a schedule in which nobody can go on.
async fn hand_over<T: Tray>(places: usize, cancelled: Side) {
    let tray = Arc::new(T::new(places));
    let taken = Arc::new(Mutex::new(Vec::new()));
    let teller = |cheques: Vec<u32>| {
        let tray = tray.clone();
        spawn(async move {
            for cheque in cheques {
                tray.put(cheque).await;
                let filled = tray.filled();
                assert!(filled <= places, "{filled} cheques on {places} places");
            }
        })
    };
    let clerk = |count: usize| {
        let (tray, taken) = (tray.clone(), taken.clone());
        spawn(async move {
            for _ in 0..count {
                let cheque = tray.take().await;
                taken.lock().expect("no clerk panics").push(cheque);
            }
        })
    };

    let (cancelled, last_clerk) = match cancelled {
        Side::Teller => (teller(vec![7]), clerk(2)),
        Side::Clerk => (clerk(1), clerk(1)),
    };
    let others = [
        last_clerk,
        clerk(2),
        clerk(2),
        teller(vec![1, 2]),
        teller(vec![3, 4]),
        teller(vec![5, 6]),
    ];
    // A task of its own: the schedule decides when it comes to it.
    let handle = cancelled.abort_handle();
    let canceller = spawn(async move { handle.abort() });
    for task in others {
        task.await.expect("it isn't cancelled");
    }
    canceller.await.expect("it isn't cancelled");
    let _either_way = cancelled.await;

    // What is left is taken, too: each of the six cheques is seen once, and the seventh at most once.
    let mut seen = taken.lock().expect("no clerk panics").clone();
    while tray.filled() > 0 {
        seen.push(tray.take().await);
    }
    seen.sort_unstable();
    assert!(seen.starts_with(&[1, 2, 3, 4, 5, 6]), "{seen:?}");
    assert!(seen[6..].is_empty() || seen[6..] == [7], "{seen:?}");
}

/// A panic's first words: behind "deadlock!" shuttle names every task.
fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("a panic without a message");
    text.split("! ").next().unwrap_or(text)
}
