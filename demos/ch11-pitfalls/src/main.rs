//! Each mistake beside its cure, with the damage measured.

mod await_in_sync;
mod await_twice;
mod blocking_call;
mod borrow_in_spawn;
mod buffered_stall;
mod cancel_unsafe;
mod client_per_request;
mod cpu_hog;
mod deadlock_on_self;
mod detached_at_exit;
mod forgotten_await;
mod forgotten_sender;
mod guard_across_await;
mod join_is_not_parallel;
mod let_underscore;
mod lost_error;
mod lost_wakeup;
mod nested_runtime;
mod one_by_one;
mod rc_across_spawn;
mod runtime_in_drop;
mod sleeps_made_early;
mod span_entered_across_await;
mod swallowed_panic;
mod timeout_over_blocking;
mod unbounded;

chapter::lessons![
    on_loop blocking_call,
    on_loop one_by_one,
    on_loop sleeps_made_early,
    off_loop nested_runtime,
    on_loop lost_error,
    on_loop swallowed_panic,
    on_loop client_per_request,
    on_loop unbounded,
    on_loop cancel_unsafe,
    on_loop forgotten_sender,
    on_loop lost_wakeup,
    off_loop detached_at_exit,
    on_loop cpu_hog,
    on_loop buffered_stall,
    on_loop runtime_in_drop,
    on_loop timeout_over_blocking,
    on_loop deadlock_on_self,
    multi_thread join_is_not_parallel,
    on_loop let_underscore,
    on_loop await_in_sync,
    on_loop forgotten_await,
    on_loop guard_across_await,
    on_loop rc_across_spawn,
    on_loop borrow_in_spawn,
    on_loop await_twice,
    on_loop span_entered_across_await,
];
