//! What a future is, who runs it, and what waiting means.

mod await_suspends;
mod entry_point;
mod lazy_future;
mod one_cook;

fn main() {
    let _ = (
        one_cook::run,
        lazy_future::run,
        entry_point::run,
        await_suspends::run,
    );
}
