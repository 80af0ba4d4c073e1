//! Many requests, one thread.

mod get;
mod options;

chapter::lessons![options::Options;
    on_loop get,
];
