//! Blocking code, CPU work, and the border between sync and async.

mod abort_blocking;
mod block_in_place;
mod blocking_io;
mod bridge;
mod cpu;
mod device_thread;
mod frames;
mod hybrid;
mod job_size;
mod models;
mod orphans;
mod process_pool;
mod subprocess;
mod switch_cost;
mod sync_to_async;
mod terminate;
mod thread_pool;
mod worker_process;

chapter::lessons![
    workers [worker_process::works as reader, models::waits as reader, switch_cost::hands_back as reader];
    on_loop blocking_io,
    off_loop thread_pool,
    on_loop cpu,
    on_loop job_size,
    on_loop frames,
    on_loop worker_process,
    on_loop process_pool,
    on_loop subprocess,
    on_loop terminate,
    on_loop orphans,
    off_loop sync_to_async,
    off_loop block_in_place,
    off_loop bridge,
    on_loop device_thread,
    off_loop models,
    on_loop switch_cost,
    off_loop abort_blocking,
    on_loop hybrid,
];
