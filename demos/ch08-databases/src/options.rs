//! The chapter's own flags.

use std::{fmt, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use scratch_postgres::Named;
use sqlx::{ConnectOptions, Connection, MySqlConnection, mysql::MySqlConnectOptions};
use timing::Timings;
use tokio::time::timeout;

/// Databases of the reader's, and how much is read.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// A PostgreSQL of yours
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true, value_parser = scratch_postgres::named)]
    pub postgres: Option<Named>,

    /// A MySQL or MariaDB of yours
    #[arg(long, value_name = "URL", env = "MYSQL_URL", hide_env_values = true, value_parser = mysql)]
    pub mysql: Option<MySql>,

    /// A SQLite file of yours for sqlite-file to read
    #[arg(long, value_name = "FILE")]
    pub sqlite: Option<PathBuf>,

    /// How many rows stream-rows reads [default: 50000]
    #[arg(
        long,
        value_name = "N",
        value_parser = chapter::number(1_000..=10_000_000, "1000 to 10000000 rows\nfor instance: --rows 1000000"),
        allow_hyphen_values = true
    )]
    pub rows: Option<u32>,
}

impl Options {
    /// The reader's MySQL, whose waits nobody can judge.
    pub fn mysql_or_skip(&self, t: &mut Timings) -> Result<&MySql> {
        let server = self.mysql.as_ref().ok_or_else(|| {
            chapter::skip(format!(
                "it needs a MySQL or MariaDB of yours; {FOR_INSTANCE}"
            ))
        })?;
        t.judge_nothing();
        Ok(server)
    }
}

const FOR_INSTANCE: &str =
    "for instance: --mysql mysql://user:password@localhost/db, or the same in MYSQL_URL";

/// The reader is told when a server doesn't answer within this time: behind a firewall it may never answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server of the reader's. It is shown without user and password.
#[derive(Clone)]
pub struct MySql {
    login: MySqlConnectOptions,
}

impl MySql {
    /// For a pool. What its type shows of itself holds the password.
    pub fn login(&self) -> MySqlConnectOptions {
        self.login.clone()
    }

    /// Its version and where it is, from a connection that is closed again. What keeps it from answering is told
    /// here: a pool would try again and again, and say that its time is over.
    pub async fn answers(&self) -> Result<String> {
        let mut connection = self.connect().await?;
        let version = sqlx::query_scalar("select version()").fetch_one(&mut connection);
        let version: String = version.await?;
        connection.close().await?;
        Ok(format!("{version}: --mysql {self}"))
    }

    /// One connection, within 5 s.
    pub async fn connect(&self) -> Result<MySqlConnection> {
        let server = || format!("--mysql {self}");
        let connection = timeout(PATIENCE, self.login.connect()).await;
        let connection = connection.with_context(server)?;
        connection.with_context(server)
    }
}

impl fmt::Display for MySql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.login.get_socket() {
            Some(socket) => write!(f, "{}", socket.display())?,
            None => write!(f, "{}:{}", self.login.get_host(), self.login.get_port())?,
        }
        write!(f, "/{}", self.login.get_database().unwrap_or_default())
    }
}

impl fmt::Debug for MySql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MySql({self})")
    }
}

/// Reads the value of `--mysql` and of `MYSQL_URL`. Its error never holds the value.
fn mysql(text: &str) -> Result<MySql, String> {
    match text.split_once("://") {
        Some(("mysql" | "mariadb", _)) => {}
        Some((other, _)) => return Err(format!("{other}:// isn't a MySQL URL\n{FOR_INSTANCE}")),
        None => return Err(format!("not a URL\n{FOR_INSTANCE}")),
    }
    let login = text.parse();
    let login = login.map_err(|error: sqlx::Error| format!("{error}\n{FOR_INSTANCE}"))?;
    Ok(MySql { login })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_url_of_mysql_or_mariadb() {
        for (text, why) in [
            ("", "not a URL"),
            ("localhost", "not a URL"),
            ("postgres://ann:secret@localhost/shop", "postgres:// isn't"),
            ("mysql://ann:secret@localhost:many/shop", "invalid port"),
        ] {
            let error = mysql(text).unwrap_err();
            assert!(
                error.contains(why) && error.contains("--mysql"),
                "{text}: {error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(mysql("mariadb://ann@localhost").is_ok());
    }

    #[test]
    fn no_form_of_it_shows_user_or_password() {
        let shown = |text| {
            let server = mysql(text).unwrap();
            format!("{server} {server:?}")
        };
        let plain = "mysql://ann:secret@db.example:3307/shop";
        assert_eq!(
            shown(plain),
            "db.example:3307/shop MySql(db.example:3307/shop)"
        );
        let socket = "mysql://ann:secret@localhost/shop?socket=/run/mysqld.sock";
        assert_eq!(
            shown(socket),
            "/run/mysqld.sock/shop MySql(/run/mysqld.sock/shop)"
        );
    }
}
