//! The closing experiment on real HTTP, and past it.

mod checklist;
mod fifty_urls;
mod latency;
mod options;
mod scale;
mod ten_urls;
mod threads;

chapter::lessons![options::Options;
    on_loop ten_urls,
    on_loop fifty_urls,
    off_loop threads,
    on_loop scale,
    on_loop latency,
    on_loop checklist,
];
