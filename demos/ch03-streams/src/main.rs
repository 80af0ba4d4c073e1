//! Resources that clean up, and values that arrive one by one.

mod comprehension;

chapter::lessons![
    on_loop comprehension,
];
