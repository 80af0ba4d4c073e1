//! Blocking code, CPU work, and the border between sync and async.

mod blocking_io;

chapter::lessons![
    on_loop blocking_io,
];
