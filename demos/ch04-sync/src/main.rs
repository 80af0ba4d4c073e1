//! Sharing without tearing.

mod lost_update;

chapter::lessons![
    on_loop lost_update,
];
