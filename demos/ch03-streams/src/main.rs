//! Resources that clean up, and values that arrive one by one.

mod comprehension;
mod pages;

chapter::lessons![
    on_loop comprehension,
    on_loop pages,
];
