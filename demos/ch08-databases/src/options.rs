//! The chapter's own flags.

use std::path::PathBuf;

use scratch_postgres::Named;

/// Where the databases are that aren't made for the run.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// A PostgreSQL to use instead of a throw-away one
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true, value_parser = scratch_postgres::named)]
    pub postgres: Option<Named>,

    /// A SQLite file that sqlite-file reads; nothing in it is changed, and it exits with 1 if it can't be read
    #[arg(long, value_name = "FILE")]
    pub sqlite: Option<PathBuf>,
}
