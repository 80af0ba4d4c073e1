//! # A dropped transaction: when its rollback is sent
//!
//! `Drop` can't wait for a server (see `streams/guard`), so dropping a transaction only queues a rollback. A pool of
//! sqlx sends it when it takes the connection back. tokio-postgres hands it to the task of its connection (see
//! `databases/postgres`). A `PgConnection` of sqlx that isn't in a pool sends it with its next statement. Until then
//! the transaction is open, and nobody else can change the row that it has changed: of 3 transactions that are
//! dropped, 1 stays open and its row locked.
//!
//! asyncio: transaction, rollback
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! async with shop.transaction():     # asyncpg
//!     await shop.execute("update stock set pieces = 0 where product = 'tea'")
//!     raise ValueError("no tea")     # goes on when the rollback is done
//! ```
//!
//! Not the same: `async with` awaits the rollback, and the exception goes on afterwards. After a drop the rollback is
//! queued or under way. A statement on the same connection comes behind it; one on another connection may still come
//! too early. Where that matters there is `rollback().await`, which is over when it returns.

use anyhow::Result;
use scratch_postgres::Postgres;
use sqlx::{Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use timing::{Timings, law::none};
use tokio_postgres::{Client, NoTls};
use tracing::{info, instrument};

use crate::options::Options;

const SELL_OUT: &str = "update stock set pieces = 0 where product = 'tea'";

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let other = Other::connect(&postgres).await?;

    let one = PgPoolOptions::new().max_connections(1);
    let pool = one.connect(postgres.url()).await?;
    t.time("pool of sqlx", none(), drops_in_a_pool(&pool))
        .await?;
    drop(pool.acquire().await?); // it is back when it can be acquired again
    other.count(t).await?;
    pool.close().await;

    let (mut client, connection) = tokio_postgres::connect(postgres.url(), NoTls).await?;
    let connection = tokio::spawn(connection);
    let dropped = drops_on_a_client(&mut client);
    t.time("tokio-postgres", none(), dropped).await?;
    client.simple_query("").await?; // comes behind the rollback, so that is done when this is answered
    other.count(t).await?;
    drop(client);
    connection.await??;

    let mut single = PgConnection::connect(postgres.url()).await?;
    let dropped = drops_on_a_connection(&mut single);
    t.time("PgConnection of sqlx", none(), dropped).await?;
    other.count(t).await?;

    t.time("its next statement", none(), single.ping()).await?;
    other.count(t).await?;
    Ok(single.close().await?)
}

#[instrument(ret, err, skip_all)]
async fn drops_in_a_pool(pool: &PgPool) -> Result<()> {
    let mut sale = pool.begin().await?;
    sqlx::query(SELL_OUT).execute(&mut *sale).await?;
    Ok(())
}

/// A transaction borrows the client mutably. So the compiler keeps other statements out of it.
#[instrument(ret, err, skip_all)]
async fn drops_on_a_client(client: &mut Client) -> Result<()> {
    let sale = client.transaction().await?;
    sale.execute(SELL_OUT, &[]).await?;
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn drops_on_a_connection(single: &mut PgConnection) -> Result<()> {
    let mut sale = single.begin().await?; // <- the difference: no pool that takes the connection back
    sqlx::query(SELL_OUT).execute(&mut *sale).await?;
    Ok(())
}

/// Another customer, on a connection of her own.
struct Other {
    connection: PgPool,
    schema: String,
}

impl Other {
    async fn connect(postgres: &Postgres) -> Result<Self> {
        let one = PgPoolOptions::new().max_connections(1);
        let connection = one.connect(postgres.url()).await?;
        let stock =
            "create table stock (product text, pieces int4); insert into stock values ('tea', 5)";
        sqlx::raw_sql(stock).execute(&connection).await?;
        let schema = postgres.schema().to_owned();
        Ok(Self { connection, schema })
    }

    async fn count(&self, t: &mut Timings) -> Result<()> {
        let open = "select count(*) from pg_stat_activity
            where application_name = $1 and state = 'idle in transaction'";
        let open = sqlx::query_scalar::<_, i64>(open).bind(&self.schema);
        t.count("open transactions", open.fetch_one(&self.connection).await?);
        // `nowait`: an error at once where the row is locked, instead of a wait until it is free.
        let row = "select pieces from stock where product = 'tea' for update nowait";
        let row = sqlx::query_scalar::<_, i32>(row);
        let row = row.fetch_one(&self.connection).await;
        let locked = |error: &sqlx::Error| {
            let server = error.as_database_error();
            server.is_some_and(|error| error.code().as_deref() == Some("55P03"))
        };
        match row {
            Err(error) if locked(&error) => t.count("the row", "locked"),
            row => t.count("the row", format!("{} pieces", row?)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;

    #[tokio::test]
    async fn a_pool_and_a_client_send_the_rollback_by_themselves() {
        let Some(t) = measured(run).await else { return };
        for label in ["pool of sqlx", "tokio-postgres"] {
            assert_eq!(*t[label].count("open transactions"), 0, "{label}");
            assert_eq!(*t[label].count("the row"), "5 pieces", "{label}");
        }
    }

    #[tokio::test]
    async fn without_a_pool_the_rollback_goes_out_with_the_next_statement() {
        let Some(t) = measured(run).await else { return };
        let dropped = &t["PgConnection of sqlx"];
        assert_eq!(*dropped.count("open transactions"), 1);
        assert_eq!(*dropped.count("the row"), "locked");
        let after = &t["its next statement"];
        assert_eq!(*after.count("open transactions"), 0);
        assert_eq!(*after.count("the row"), "5 pieces");
    }
}
