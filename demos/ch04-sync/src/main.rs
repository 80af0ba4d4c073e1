//! Sharing without tearing.

mod barrier;
mod counter;
mod event;
mod condition;
mod lost_update;
mod once;
mod rate_limit;
mod rwlock;
mod semaphore;

chapter::lessons![
    on_loop lost_update,
    on_loop counter,
    on_loop event,
    on_loop semaphore,
    on_loop rate_limit,
    on_loop rwlock,
    on_loop barrier,
    on_loop once,
    on_loop condition,
];
