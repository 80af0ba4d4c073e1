//! Producers and consumers.

mod bounded;
mod broadcast;
mod task_done;
mod watch;
mod reserve;

chapter::lessons![
    on_loop bounded,
    on_loop task_done,
    on_loop reserve,
    on_loop broadcast,
    on_loop watch,
];
