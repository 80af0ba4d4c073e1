//! Data that several tasks share, and waiting for each other.

mod barrier;
mod condition;
mod counter;
mod event;
mod held_guard;
mod lost_update;
mod once;
mod rate_limit;
mod rwlock;
mod semaphore;
mod std_or_tokio;

chapter::lessons![
    workers [held_guard::freezes];
    on_loop lost_update,
    on_loop counter,
    on_loop std_or_tokio,
    on_loop held_guard,
    on_loop event,
    on_loop condition,
    on_loop semaphore,
    on_loop rate_limit,
    on_loop rwlock,
    on_loop barrier,
    on_loop once,
];
