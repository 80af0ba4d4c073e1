//! Inside the loop.

use std::sync; // of mini_executor, which is also compiled with shuttle's

mod call_later;
mod console;
mod exception_handler;
mod flavours;
mod handle;
mod logging;
mod mini_executor;
mod newest_waker;
mod own_runtime;
mod paused_clock;
mod pin;
mod runtime_end;
mod shutdown;
mod signals;
mod slow_poll;
mod span_in_task;
mod wait_for_all;
mod waker;
mod watchdog;
mod who_is_alive;
mod yield_and_budget;
mod yield_cost;

chapter::lessons![
    workers [signals::listens, signals::does_not_listen, watchdog::task, watchdog::thread, watchdog::at_work];
    off_loop paused_clock,
    off_loop handle,
    off_loop call_later,
    off_loop own_runtime,
    off_loop runtime_end,
    on_loop pin,
    on_loop waker,
    on_loop newest_waker,
    off_loop mini_executor,
    off_loop flavours,
    off_loop yield_cost,
    on_loop yield_and_budget,
    on_loop slow_poll,
    on_loop who_is_alive,
    on_loop wait_for_all,
    on_loop exception_handler,
    on_loop logging,
    on_loop span_in_task,
    on_loop shutdown,
    on_loop signals,
    on_loop watchdog,
    on_loop console,
];
