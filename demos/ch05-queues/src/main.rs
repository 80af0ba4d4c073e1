//! Producers and consumers.

mod broadcast;

chapter::lessons![
    on_loop broadcast,
];
