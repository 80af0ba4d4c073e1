//! Producers and consumers.

mod task_done;

chapter::lessons![
    on_loop task_done,
];
