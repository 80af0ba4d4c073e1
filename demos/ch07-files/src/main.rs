//! What async files really are.

mod options;

chapter::lessons![
    options::Options;
];
