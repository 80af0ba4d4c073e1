//! Each mistake beside its cure, with the damage measured.

mod blocking_call;

chapter::lessons![on_loop blocking_call];
