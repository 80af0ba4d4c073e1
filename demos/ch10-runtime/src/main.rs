//! Inside the loop.

mod call_later;
mod handle;
mod own_runtime;
mod paused_clock;

chapter::lessons![
    off_loop paused_clock,
    off_loop handle,
    off_loop call_later,
    off_loop own_runtime,
];
