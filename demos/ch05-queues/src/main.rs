//! Producers and consumers.

chapter::lessons![
];
