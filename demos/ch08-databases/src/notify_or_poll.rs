//! # Waiting for a row: ask again and again, or be told
//!
//! An order is put into a table after 2.5 ticks. A clerk who asks once a tick sees it after 3 ticks and has asked 4
//! times: at 0, 1, 2 and 3. A clerk who listens (see `databases/listen-notify`) asks once at the start, waits for the
//! notification, and asks again: 2 queries, and the order is seen after 2.5 ticks.
//!
//! asyncio: add_listener, sleep
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! while not (order := await connection.fetchval(LOOK)):
//!     await asyncio.sleep(1)       # late by up to a second
//!
//! while not (order := await connection.fetchval(LOOK)):
//!     await wake.wait()            # an asyncio.Event that the callback of `add_listener` sets
//!     wake.clear()
//! ```
//!
//! Not the same: tokio's `interval` keeps to its planned times, where a `sleep` in a loop begins when the query is
//! done (see `tasks/periodic`). The same in both: a notification can get lost with the connection (see
//! `databases/missed-notifications`). So a clerk who must not be late also asks now and then, with a `timeout` around
//! `recv`.

use anyhow::Result;
use scratch_postgres::Postgres;
use sqlx::{Connection, PgConnection, postgres::PgListener, query, query_scalar};
use timing::{Timings, law::exactly, ticks};
use tokio::time::{interval, sleep};
use tracing::{info, instrument};

use crate::options::Options;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let mut desk = PgConnection::connect(postgres.url()).await?;
    let table = "create table orders (what text)";
    query(table).execute(&mut desk).await?;
    let channel = postgres.schema();

    let mut clerk = Clerk::open(postgres.url()).await?;
    let both = async { tokio::try_join!(clerk.asks_every_tick(), sells(&mut desk, channel)) };
    t.time("asks every tick", exactly(3), both).await?;
    t.count("queries", clerk.queries);

    query("delete from orders").execute(&mut desk).await?;
    let mut clerk = Clerk::open(postgres.url()).await?;
    let mut listener = PgListener::connect(postgres.url()).await?;
    listener.listen(channel).await?;
    let both = async { tokio::try_join!(clerk.is_told(listener), sells(&mut desk, channel)) };
    t.time("is told", exactly(2.5), both).await?;
    t.count("queries", clerk.queries);
    Ok(())
}

/// Puts the order into the table and announces it, in one statement and so in one transaction.
#[instrument(ret, err, skip(desk, channel))]
async fn sells(desk: &mut PgConnection, channel: &str) -> Result<()> {
    sleep(ticks(2.5)).await;
    let sells = "with sold as (insert into orders values ('tea') returning what)
                 select pg_notify($1, what) from sold";
    query(sells).bind(channel).execute(desk).await?;
    Ok(())
}

/// Looks for an order, and counts how often.
struct Clerk {
    connection: PgConnection,
    queries: u32,
}

impl Clerk {
    async fn open(url: &str) -> Result<Self> {
        let connection = PgConnection::connect(url).await?;
        Ok(Self {
            connection,
            queries: 0,
        })
    }

    #[instrument(ret, err, skip(self))]
    async fn asks_every_tick(&mut self) -> Result<()> {
        let mut every = interval(ticks(1)); // its first tick comes at once
        loop {
            every.tick().await; // <- the difference
            if self.sees_an_order().await? {
                return Ok(());
            }
        }
    }

    /// The listener listens already, so an order that isn't there at the first look is announced later.
    #[instrument(ret, err, skip(self, listener))]
    async fn is_told(&mut self, mut listener: PgListener) -> Result<()> {
        while !self.sees_an_order().await? {
            listener.try_recv().await?; // <- the difference
        }
        Ok(())
    }

    async fn sees_an_order(&mut self) -> Result<bool> {
        self.queries += 1;
        let look = query_scalar("select exists (select from orders)");
        Ok(look.fetch_one(&mut self.connection).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;

    fn queries(t: &Timings, label: &str) -> u64 {
        t[label].count("queries").whole().try_into().unwrap()
    }

    #[tokio::test]
    async fn a_clerk_who_asks_every_tick_sees_it_at_the_next_tick() {
        let Some(t) = measured(run).await else { return };
        assert!(t["asks every tick"].elapsed >= ticks(3));
    }

    #[tokio::test]
    async fn a_clerk_who_is_told_asks_less_often() {
        let Some(t) = measured(run).await else { return };
        assert!(t["is told"].elapsed >= ticks(2.5));
        assert!(queries(&t, "is told") <= 2);
        assert!(queries(&t, "asks every tick") > 2);
    }
}
