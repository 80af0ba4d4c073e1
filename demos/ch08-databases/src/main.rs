//! Pools, transactions, queues in a table.

mod database_error;
mod in_list;
mod options;
mod parameters;
mod pool;
mod pool_crowd;
mod pool_heals;
mod pool_limits;
mod postgres;
mod sqlite;
mod sqlite_rows;
mod wal;

chapter::lessons![
    options::Options;
    on_loop sqlite,
    on_loop sqlite_rows,
    on_loop wal,
    on_loop postgres,
    on_loop parameters,
    on_loop database_error,
    on_loop pool,
    on_loop pool_limits,
    on_loop pool_heals,
    on_loop pool_crowd,
    on_loop in_list,
];
