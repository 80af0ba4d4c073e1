//! The Chrome trace-event file.
