//! Sharing without tearing.

mod counter;
mod lost_update;
mod rate_limit;
mod semaphore;

chapter::lessons![
    on_loop lost_update,
    on_loop semaphore,
    on_loop counter,
    on_loop rate_limit,
];
