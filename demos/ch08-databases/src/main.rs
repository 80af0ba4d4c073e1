//! Pools, transactions, queues in a table.

mod options;
mod pool;
mod pool_limits;
mod postgres;

chapter::lessons![
    options::Options;
    on_loop postgres,
    on_loop pool,
    on_loop pool_limits,
];
