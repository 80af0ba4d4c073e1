//! The chapter's own flags.

use scratch_postgres::Named;

/// Where the databases are that aren't made for the run.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// A PostgreSQL to use instead of a throw-away one
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true, value_parser = scratch_postgres::named)]
    pub postgres: Option<Named>,
}
