//! # `db error`: what went wrong is in the error's source
//!
//! A shop enters a customer whose name is taken. Printed alone, tokio-postgres's error is "db error" (since 0.7.15;
//! before that it appended its cause). It is the same for a table that isn't there and for a text with a NUL: 3
//! faults, 1 text. What the server said is in the error's source (see `http/faults`), and anyhow's `{error:#}` prints
//! the whole chain. `code()` is the SQLSTATE, five characters, and here 3 different ones. A program that acts on an
//! error compares the SQLSTATE: the text follows the language that the server is set to.
//!
//! asyncio: asyncpg.PostgresError, UniqueViolationError, sqlstate
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! try: await shop.execute("insert into customers values ($1)", "Ann")
//! except asyncpg.UniqueViolationError as error:
//!     print(error.sqlstate, error.constraint_name)    # 23505 customers_name_key
//! ```
//!
//! Not the same: asyncpg has a class for each SQLSTATE, and `str(error)` is the server's text. Here all are one type,
//! `SqlState::UNIQUE_VIOLATION` is a value to compare with, and the constraint's name is in `as_db_error()`. sqlx's
//! error prints the server's text. The line number after it is one of PostgreSQL's source code, not of the statement.
//! A value of the wrong Rust type isn't sent, so that error comes from the client and has no SQLSTATE.

use std::borrow::Cow;

use anyhow::{Result, anyhow};
use scratch_postgres::Postgres;
use sqlx::{PgPool, postgres::PgPoolOptions};
use timing::{Timings, law::none};
use tokio_postgres::{
    Client, Error, NoTls,
    error::{DbError, SqlState},
    types::ToSql,
};
use tracing::{info, instrument};

use crate::options::Options;

const INSERT: &str = "insert into customers values ($1)";
const MISSPELT: &str = "insert into custmers values ($1)";

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let (client, connection) = tokio_postgres::connect(postgres.url(), NoTls).await?;
    let connection = tokio::spawn(connection);
    let table = "create table customers (name text unique); insert into customers values ('Ann')";
    client.batch_execute(table).await?;

    let entered = enter(&client, INSERT, &"Ann");
    let entered = t.time("a name that is taken", none(), entered).await;
    count(t, entered);

    let entered = enter(&client, MISSPELT, &"Bo");
    let entered = t.time("no such table", none(), entered).await;
    count(t, entered);

    let entered = enter(&client, INSERT, &"B\0o");
    let entered = t.time("a NUL in the name", none(), entered).await;
    count(t, entered);

    let entered = enter(&client, INSERT, &7_i32);
    let entered = t.time("a number for a text", none(), entered).await;
    count(t, entered);

    let entered = enter_if_new(&client, "Ann");
    let entered = t.time("taken, and handled", none(), entered).await?;
    info!("entered: {entered}");

    drop(client);
    connection.await??;

    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(postgres.url()).await?;
    let entered = t.time("taken, in sqlx", none(), enter_with_sqlx(&pool, "Ann"));
    if let Err(error) = entered.await {
        let server = error.as_database_error();
        let code = server.and_then(|server| server.code());
        t.count("SQLSTATE", code.map_or("none".into(), Cow::into_owned));
        let constraint = server.and_then(|server| server.constraint());
        t.count("constraint", constraint.unwrap_or("none"));
    }
    pool.close().await;
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn enter(client: &Client, statement: &str, name: &(dyn ToSql + Sync)) -> Result<u64, Error> {
    client.execute(statement, &[name]).await
}

/// Two clerks may enter one name at the same moment. So nobody first checks whether it is there: the constraint
/// decides, and its SQLSTATE is the answer. (For this one insert `on conflict do nothing` would do; the SQLSTATE
/// serves for every constraint.) Outside of a transaction only: one that was begun is aborted by the error (see
/// `databases/failed-statement`).
#[instrument(ret, err, skip(client))]
async fn enter_if_new(client: &Client, name: &str) -> Result<bool, Error> {
    match client.execute(INSERT, &[&name]).await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(false),
        Err(error) => Err(error),
    }
}

#[instrument(ret, err, skip(pool))]
async fn enter_with_sqlx(pool: &PgPool, name: &str) -> Result<u64, sqlx::Error> {
    let entered = sqlx::query(INSERT).bind(name).execute(pool).await?;
    Ok(entered.rows_affected())
}

fn count(t: &mut Timings, entered: Result<u64, Error>) {
    if let Err(error) = entered {
        t.count("error alone", error.to_string());
        t.count("SQLSTATE", error.code().map_or("none", SqlState::code));
        let constraint = error.as_db_error().and_then(DbError::constraint);
        t.count("constraint", constraint.unwrap_or("none"));
        // The source is a value of its own, and Display of the error leaves it out. `{:#}` prints both.
        let chain = format!("{:#}", anyhow!(error));
        info!("with its source: {}", chain.replace('\n', "; "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;
    use sqlx::postgres::PgDatabaseError;
    use timing::report::Ended;

    const FROM_THE_SERVER: [(&str, &str, &str); 3] = [
        ("a name that is taken", "23505", "duplicate key"),
        ("no such table", "42P01", "does not exist"),
        ("a NUL in the name", "22021", "invalid byte sequence"),
    ];

    #[tokio::test]
    async fn alone_every_error_of_the_server_is_db_error() {
        let Some(t) = measured(run).await else { return };
        for (label, _, _) in FROM_THE_SERVER {
            assert_eq!(*t[label].count("error alone"), "db error", "{label}");
        }
    }

    #[tokio::test]
    async fn the_sources_have_the_servers_text() {
        let Some(t) = measured(run).await else { return };
        for (label, _, text) in FROM_THE_SERVER {
            let said = &t[label].said.last().unwrap().text;
            assert!(
                said.contains("db error: ERROR: ") && said.contains(text),
                "{said}"
            );
        }
    }

    #[tokio::test]
    async fn the_sqlstate_tells_them_apart() {
        let Some(t) = measured(run).await else { return };
        for (label, code, _) in FROM_THE_SERVER {
            assert_eq!(*t[label].count("SQLSTATE"), code, "{label}");
        }
        let handled = &t["taken, and handled"];
        assert_eq!(handled.lane("enter_if_new").ended, Ended::Returned);
        assert_eq!(handled.said.last().unwrap().text, "entered: false");
    }

    #[tokio::test]
    async fn both_drivers_name_the_constraint() {
        let Some(t) = measured(run).await else { return };
        for label in ["a name that is taken", "taken, in sqlx"] {
            let constraint = t[label].count("constraint");
            assert_eq!(*constraint, "customers_name_key", "{label}");
        }
        assert_eq!(*t["taken, in sqlx"].count("SQLSTATE"), "23505");
    }

    #[tokio::test]
    async fn a_value_of_the_wrong_type_is_an_error_of_the_client() {
        let Some(t) = measured(run).await else { return };
        let wrong = &t["a number for a text"];
        assert_eq!(*wrong.count("SQLSTATE"), "none");
        assert_eq!(*wrong.count("error alone"), "error serializing parameter 0");
    }

    #[tokio::test]
    async fn the_error_of_sqlx_has_the_servers_text_and_a_line_of_the_servers_source() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let pool = PgPool::connect(postgres.url()).await.unwrap();
        let error = enter_with_sqlx(&pool, "Ann").await.unwrap_err();
        let server = error.as_database_error().unwrap();
        let server = server.downcast_ref::<PgDatabaseError>();
        assert!(server.file().unwrap().ends_with(".c"));
        let (text, line) = (server.message(), server.line().unwrap());
        let whole = format!("error returned from database: {text} at line {line}");
        assert_eq!(error.to_string(), whole);
    }
}
