//! What async files really are.

mod list;
mod read_write;
mod together;

chapter::lessons![
    off_loop read_write,
    on_loop together,
    on_loop list,
];
