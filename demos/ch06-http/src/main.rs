//! Many requests, one thread.

mod get;
mod options;
mod post;
mod together;

chapter::lessons![options::Options;
    on_loop get,
    on_loop together,
    on_loop post,
];
