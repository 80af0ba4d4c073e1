//! Many things at once, and ending them.

mod join;

chapter::lessons![
    on_loop join,
];
