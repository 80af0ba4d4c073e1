//! Inside the loop.

mod handle;
mod paused_clock;

chapter::lessons![
    off_loop paused_clock,
    off_loop handle,
];
