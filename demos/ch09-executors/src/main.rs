//! Blocking code, CPU work, and the border between sync and async.

chapter::lessons![
];
