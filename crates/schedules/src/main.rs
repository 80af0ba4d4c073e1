//! The trays of `sync/condition` under shuttle, which decides at every step which task runs next. A form that is right
//! hands over every cheque in all schedules. A form with a defect must be caught, or the check is worth nothing.
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
mod seeded;
mod trays;

use check::check;

fn main() -> ExitCode {
    // A failing schedule panics. It is told below, in a line.
    std::panic::set_hook(Box::new(|_| {}));
    let right = [
        check::<trays::Registered>("register, then look"),
        check::<condition::Counted>("two semaphores"),
        check::<condition::Channel>("a bounded channel"),
    ];
    let seeded = [
        check::<trays::LookedFirst>("look, then register"),
        check::<seeded::OneListWakeOne>("one list of waiters, notify_one"),
        check::<seeded::KeepsItsWake>("a cancelled waiter keeps its wake"),
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
