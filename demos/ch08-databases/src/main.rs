//! Pools, transactions, queues in a table.

mod bad_row;
mod batch_insert;
mod begin_immediate;
mod database_error;
mod failed_statement;
mod in_list;
mod job_queue;
mod listen_notify;
mod missed_notifications;
mod mysql;
mod mysql_in_list;
mod notify_or_poll;
mod options;
mod parameters;
mod pipelining;
mod pool;
mod pool_crowd;
mod pool_heals;
mod pool_limits;
mod postgres;
mod query_timeout;
mod rollback_on_drop;
mod row_lock;
mod skip_locked;
mod sqlite;
mod sqlite_file;
mod sqlite_rows;
mod stream_rows;
mod transaction;
mod unread_rows;
mod wal;
mod wal_at_work;

chapter::lessons![
    workers [job_queue::packs, job_queue::marks_first];
    options::Options;
    on_loop sqlite,
    on_loop sqlite_rows,
    on_loop wal,
    on_loop wal_at_work,
    on_loop begin_immediate,
    on_loop sqlite_file,
    on_loop postgres,
    on_loop parameters,
    on_loop database_error,
    on_loop pool,
    on_loop pool_limits,
    on_loop pool_heals,
    on_loop pool_crowd,
    on_loop in_list,
    on_loop batch_insert,
    on_loop bad_row,
    on_loop transaction,
    on_loop rollback_on_drop,
    on_loop failed_statement,
    on_loop row_lock,
    on_loop pipelining,
    on_loop query_timeout,
    on_loop stream_rows,
    on_loop unread_rows,
    on_loop listen_notify,
    on_loop missed_notifications,
    on_loop notify_or_poll,
    on_loop skip_locked,
    on_loop job_queue,
    on_loop mysql,
    on_loop mysql_in_list,
];
