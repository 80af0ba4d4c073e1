//! Sharing without tearing.

mod lost_update;
mod semaphore;

chapter::lessons![
    on_loop lost_update,
    on_loop semaphore,
];
