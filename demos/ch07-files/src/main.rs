//! What async files really are.

mod read_write;

chapter::lessons![off_loop read_write];
