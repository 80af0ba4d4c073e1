//! Producers and consumers.

mod broadcast;

chapter::lessons![
    on_loop broadcast,
mod bounded;

chapter::lessons![
    on_loop bounded,
];
