//! The lessons that `cargo demo --new` makes, as they are made: they compile, they run, and their tests pass.

mod options {
    #[derive(Default)]
    pub struct Options {}
}

#[path = "../../launcher/src/template/plain.rs"]
mod plain;
#[path = "../../launcher/src/template/with_options.rs"]
mod with_options;
