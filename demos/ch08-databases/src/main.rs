//! Pools, transactions, queues in a table.

mod options;
mod pool;

chapter::lessons![
    options::Options;
    on_loop pool,
];
