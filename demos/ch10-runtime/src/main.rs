//! Inside the loop.

mod paused_clock;

chapter::lessons![
    off_loop paused_clock,
];
