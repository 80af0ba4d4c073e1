//! Behind `cargo demo`.
fn main() {}
