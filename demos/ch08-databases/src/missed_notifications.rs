//! # What a listener misses while it is disconnected
//!
//! A clerk's connection is lost while a shop announces 3 orders: 2 before the clerk listens again, 1 after. Of these 3
//! the clerk hears 1, since the server keeps no notification for a session that is gone (see
//! `databases/listen-notify`). Another clerk, who misses the same 2, takes the orders out of the table: after each
//! LISTEN, and after each notification. This one finds 3 of 3, 2 by the first look and 1 by the second. The order
//! matters: register first, then look, as in `sync/condition`.
//!
//! asyncio: add_listener, add_termination_listener, Event
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! wake = asyncio.Event()                                              # asyncpg
//! await connection.add_listener("orders", lambda *_: wake.set())
//! connection.add_termination_listener(lambda *_: wake.set())          # or a loss leaves the loop waiting
//! while True:
//!     wake.clear(); await handle_all(connection)                      # look first, then wait
//!     await wake.wait()
//! ```
//!
//! Not the same: after a loss an asyncpg connection stays closed. You open another and add the listeners again. A
//! `PgListener` of sqlx, where the server has closed its connection, connects and listens again by itself. `recv` does
//! so without a word. `try_recv` returns a `None` when it listens again, and that is the moment to look.

use anyhow::Result;
use scratch_postgres::Postgres;
use sqlx::{Connection, PgConnection, postgres::PgListener, query, query_scalar};
use timing::{Timings, law::none};
use tracing::{info, instrument};

use crate::{
    listen_notify::{Shop, hears_all},
    options::Options,
};

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let mut shop = Shop::open(&postgres).await?;
    let table = query("create table orders (what text)");
    table.execute(&mut shop.desk).await?;

    let listener = lost_listener(&mut shop).await?;
    let heard = t.time("hears", none(), hears(&mut shop, listener)).await?;
    t.count("announced", 3);
    t.count("heard", heard);

    query("truncate orders").execute(&mut shop.desk).await?;
    let listener = lost_listener(&mut shop).await?;
    let [missed, next] = t.time("looks", none(), looks(&mut shop, listener)).await?;
    t.count("announced", 3);
    t.count("found at first", missed);
    t.count("found then", next);
    Ok(())
}

async fn hears(shop: &mut Shop, mut listener: PgListener) -> Result<u64> {
    sells(shop, "tea").await?;
    sells(shop, "rice").await?;
    // Notices the loss, connects and listens again. `recv` would do the same and go on waiting.
    let gap = listener.try_recv().await?;
    info!("the listener was told: {gap:?}");
    sells(shop, "salt").await?;
    shop.notifies("closed").await?;
    hears_all(listener).await
}

/// What is found doesn't depend on what is heard.
async fn looks(shop: &mut Shop, mut listener: PgListener) -> Result<[u64; 2]> {
    let mut table = PgConnection::connect(&shop.url).await?;
    sells(shop, "tea").await?;
    sells(shop, "rice").await?;
    let gap = listener.try_recv().await?;
    info!("the listener was told: {gap:?}");
    let missed = take_all(&mut table).await?; // <- the difference
    sells(shop, "salt").await?;
    // A notification and a `None` mean the same here: there may be something new.
    listener.try_recv().await?;
    Ok([missed, take_all(&mut table).await?])
}

/// Takes the orders out of the table, however many there are.
#[instrument(ret, err, skip_all)]
async fn take_all(table: &mut PgConnection) -> Result<u64> {
    let taken = query("delete from orders").execute(table).await?;
    Ok(taken.rows_affected())
}

/// The row first. Outside a transaction each statement is committed by itself, and a clerk who hears before there is a
/// row finds nothing.
async fn sells(shop: &mut Shop, what: &str) -> Result<()> {
    let row = query("insert into orders values ($1)").bind(what);
    row.execute(&mut shop.desk).await?;
    shop.notifies(what).await
}

/// A listener whose session the server has ended. It doesn't know yet.
async fn lost_listener(shop: &mut Shop) -> Result<PgListener> {
    let mut listener = shop.listener().await?;
    let session = query_scalar("select pg_backend_pid()");
    let session: i32 = session.fetch_one(&mut listener).await?;
    let end = query("select pg_terminate_backend($1, 5000)").bind(session); // waits until it is gone
    end.execute(&mut shop.desk).await?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;

    fn said(t: &Timings, label: &str) -> Vec<String> {
        t[label].said.iter().map(|line| line.text.clone()).collect()
    }

    #[tokio::test]
    async fn a_listener_that_reconnects_misses_what_came_meanwhile() {
        let Some(t) = measured(run).await else { return };
        let told = ["the listener was told: None", "hears salt", "hears closed"];
        assert_eq!(said(&t, "hears"), told);
        assert_eq!(*t["hears"].count("heard"), 1);
    }

    #[tokio::test]
    async fn a_clerk_who_looks_after_each_listen_finds_all() {
        let Some(t) = measured(run).await else { return };
        assert_eq!(said(&t, "looks")[0], "the listener was told: None");
        assert_eq!(*t["looks"].count("found at first"), 2);
        assert_eq!(*t["looks"].count("found then"), 1);
    }
}
