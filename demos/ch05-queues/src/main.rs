//! Producers and consumers.

mod bounded;
mod broadcast;
mod reserve;
mod task_done;
mod priority;
mod watch;

chapter::lessons![
    on_loop bounded,
    on_loop reserve,
    on_loop task_done,
    on_loop broadcast,
    on_loop watch,
    on_loop priority,
];
