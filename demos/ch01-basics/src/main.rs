//! What a future is, who runs it, and what waiting means.

mod await_suspends;
mod await_without_yield;
mod awaitables;
mod entry_point;
mod event_loop;
mod lazy_future;
mod one_cook;
mod recursion;
mod sleep;

fn main() {
    let _ = await_suspends::run;
    let _ = await_without_yield::run;
    let _ = awaitables::run;
    let _ = entry_point::run;
    let _ = event_loop::run;
    let _ = lazy_future::run;
    let _ = one_cook::run;
    let _ = recursion::run;
    let _ = sleep::run;
}
