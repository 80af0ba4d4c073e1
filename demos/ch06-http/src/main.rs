//! Many requests, one thread.

mod options;

chapter::lessons![
    options::Options;
];
