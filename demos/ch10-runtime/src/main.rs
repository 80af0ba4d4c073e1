//! Inside the loop.

chapter::lessons![
];
