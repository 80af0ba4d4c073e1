//! The chapter's own program, started as a reader starts it. One test binary for all of it: its tests wait for
//! processes most of the time, and so they wait together.

mod console;
mod exception_handler;
mod mini_executor;
mod signals;
