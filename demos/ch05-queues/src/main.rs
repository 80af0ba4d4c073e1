//! Producers and consumers.

mod backpressure;
mod bounded;
mod broadcast;
mod cancelled_consumer;
mod end_of_queue;
mod graceful_drain;
mod many_consumers;
mod pipeline;
mod priority;
mod request_reply;
mod reserve;
mod task_done;
mod throughput;
mod watch;

chapter::lessons![
    on_loop bounded,
    on_loop reserve,
    on_loop end_of_queue,
    on_loop many_consumers,
    on_loop cancelled_consumer,
    on_loop task_done,
    on_loop pipeline,
    on_loop backpressure,
    on_loop broadcast,
    on_loop watch,
    on_loop request_reply,
    on_loop priority,
    on_loop graceful_drain,
    on_loop throughput,
];
