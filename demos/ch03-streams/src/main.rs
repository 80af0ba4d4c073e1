//! Resources that clean up, and values that arrive one by one.

mod comprehension;
mod drop_order;
mod generator;
mod guard;
mod item_timeout;
mod iterator;
mod left_early;
mod merge;
mod pages;
mod protocol;
mod task_local;
mod throttle;
mod timer;
mod unordered;
mod with_connection;

chapter::lessons![
    on_loop guard,
    on_loop drop_order,
    on_loop with_connection,
    on_loop timer,
    on_loop iterator,
    on_loop generator,
    on_loop left_early,
    on_loop comprehension,
    on_loop pages,
    on_loop merge,
    on_loop unordered,
    on_loop throttle,
    on_loop item_timeout,
    on_loop protocol,
    on_loop task_local,
];
