//! The chapter's own program, started as a reader starts it. One test binary for all of it: its tests wait for
//! processes most of the time, and so they wait together.

mod job_queue;
mod mysql;
mod postgres_faults;
mod sqlite_faults;
mod sqlite_rows;
mod stream_rows;
