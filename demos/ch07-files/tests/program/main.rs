//! The chapter's own program, started as a reader starts it. One test binary for all of it: its tests wait for
//! processes most of the time, and so they wait together.

mod atomic_write;
mod faults;
mod lines;
