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

chapter::lessons![
    on_loop one_cook,
    on_loop lazy_future,
    off_loop entry_point,
    on_loop await_suspends,
    on_loop event_loop,
    on_loop await_without_yield,
    on_loop sleep,
    on_loop recursion,
    on_loop awaitables,
];
