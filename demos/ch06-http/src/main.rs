//! Many requests, one thread.

mod blocking_client;
mod check_all;
mod connections;
mod crawl;
mod download;
mod faults;
mod get;
mod half_close;
mod limit;
mod options;
mod outcomes;
mod post;
mod resume;
mod retry;
mod retry_after;
mod reuse_client;
mod server;
mod statuses;
mod tcp;
mod timeouts;
mod together;
mod websocket;

chapter::lessons![options::Options;
    on_loop get,
    on_loop together,
    on_loop timeouts,
    on_loop faults,
    on_loop outcomes,
    on_loop post,
    on_loop statuses,
    on_loop check_all,
    on_loop reuse_client,
    on_loop limit,
    on_loop retry,
    on_loop retry_after,
    on_loop crawl,
    on_loop download,
    on_loop resume,
    on_loop blocking_client,
    on_loop tcp,
    on_loop half_close,
    on_loop connections,
    on_loop server,
    on_loop websocket,
];
