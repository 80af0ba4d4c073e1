//! What async files really are.

mod atomic_write;
mod batch;
mod copy;
mod faults;
mod in_the_loop;
mod lines;
mod list;
mod names;
mod options;
mod read_write;
mod together;
mod torn_read;

chapter::lessons![
    workers [atomic_write::writes_in_place, atomic_write::replaces];
    options::Options;
    off_loop read_write,
    on_loop together,
    on_loop list,
    on_loop batch,
    on_loop lines,
    on_loop atomic_write,
    on_loop copy,
    on_loop torn_read,
    on_loop names,
    on_loop faults,
    on_loop in_the_loop,
];
