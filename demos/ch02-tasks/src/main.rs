//! Many things at once, and ending them.

mod as_completed;
mod join;
mod shield;
mod join_errors;
mod spawn;

chapter::lessons![
    on_loop spawn,
    on_loop join,
    on_loop join_errors,
    on_loop as_completed,
    on_loop shield,
];
