//! Producers and consumers.

mod bounded;
mod broadcast;
mod watch;

chapter::lessons![
    on_loop bounded,
    on_loop broadcast,
    on_loop watch,
mod task_done;

chapter::lessons![
    on_loop task_done,
];
