//! Producers and consumers.

mod bounded;
mod broadcast;

chapter::lessons![
    on_loop bounded,
    on_loop broadcast,
];
