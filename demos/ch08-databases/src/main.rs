//! Pools, transactions, queues in a table.

mod options;
mod pool;
mod postgres;
mod pool_limits;

chapter::lessons![
    options::Options;
    on_loop postgres,
    on_loop pool,
    on_loop pool_limits,
];
