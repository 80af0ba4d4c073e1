//! Many things at once, and ending them.

mod as_completed;
mod branch_order;
mod callbacks;
mod cancel;
mod detached;
mod first_completed;
mod first_exception;
mod join;
mod join_errors;
mod names;
mod periodic;
mod retry;
mod select;
mod shield;
mod spawn;
mod task_group;
mod timeout;
mod wait_timeout;
mod what_spawn_asks;

chapter::lessons![
    on_loop spawn,
    on_loop join,
    on_loop cancel,
    on_loop what_spawn_asks,
    on_loop join_errors,
    on_loop as_completed,
    on_loop first_completed,
    on_loop select,
    on_loop branch_order,
    on_loop first_exception,
    on_loop timeout,
    on_loop wait_timeout,
    on_loop shield,
    on_loop names,
    on_loop callbacks,
    on_loop task_group,
    on_loop detached,
    on_loop periodic,
    on_loop retry,
];
