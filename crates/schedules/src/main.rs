//! The trays of `sync/condition` and the executor of `runtime/mini-executor` under shuttle, which decides at every step
//! what runs next. A form that is right hands over every cheque, and misses no wake, in all schedules. A form with a
//! defect must be caught, or the check is worth nothing.
//!
//! ```sh
//! cargo run --package schedules --features shuttle
//! ```

use std::process::ExitCode;

mod check;
#[path = "../../../demos/ch04-sync/src/condition.rs"]
#[expect(
    dead_code,
    reason = "only the trays are checked, not the lesson around them"
)]
mod condition;
mod deaf;
mod hand_over;
#[path = "../../../demos/ch10-runtime/src/mini_executor.rs"]
#[expect(
    dead_code,
    reason = "only the executor is checked, and nothing sleeps: shuttle has no clock"
)]
mod mini_executor;
mod seeded;
mod trays;
mod wakes;

use check::check;
use deaf::Deaf;
use hand_over::hands_over;
use mini_executor::executor::Executor;
use shuttle::sync; // what the executor is made of here, instead of std's
use wakes::delivers;

fn main() -> ExitCode {
    // A failing schedule panics. It is told below, in a line.
    std::panic::set_hook(Box::new(|_| {}));
    let right = [
        check("register, then look", hands_over::<trays::Registered>),
        check("two semaphores", hands_over::<condition::Counted>),
        check("a bounded channel", hands_over::<condition::Channel>),
        check("an executor", delivers::<Executor>),
    ];
    let seeded = [
        check("look, then register", hands_over::<trays::LookedFirst>),
        check(
            "one list of waiters, notify_one",
            hands_over::<seeded::OneListWakeOne>,
        ),
        check(
            "a cancelled waiter keeps its wake",
            hands_over::<seeded::KeepsItsWake>,
        ),
        check(
            "an executor that drops a wake during a poll",
            delivers::<Deaf>,
        ),
    ];
    for found in &right {
        println!("{found}");
    }
    println!("\nWith a defect, which must be found:");
    for found in &seeded {
        println!("{found}");
    }
    let good = right.iter().all(|checked| checked.holds())
        && seeded.iter().all(|checked| checked.is_caught());
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
