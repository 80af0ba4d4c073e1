//! Pools, transactions, queues in a table.

mod options;

chapter::lessons![
    options::Options;
];
