//! # What a lost connection doesn't hear
//!
//! A clerk's connection is lost while a shop announces 3 orders: 2 before the clerk listens again, 1 after. Of these 3
//! the clerk hears 1, since the server keeps no notification for a session that is gone (see
//! `databases/listen-notify`). Another clerk, who loses the connection as well, takes the orders out of the table:
//! once after each LISTEN, and again after each notification. This one finds 3 of 3. The order matters: register
//! first, then look, as in `sync/condition`.
//!
//! asyncio: add_listener, Event
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! wake = asyncio.Event()
//! await connection.add_listener("orders", lambda *_: wake.set())     # asyncpg
//! while True:
//!     wake.clear()
//!     await handle_all(connection)    # look first, then wait
//!     await wake.wait()
//! ```
//!
//! Not the same: after a loss an asyncpg connection is closed, its callbacks are never called again, and a task that
//! waits for the event waits on. A `PgListener` of sqlx connects and listens again by itself. `recv` does so without
//! a word; `try_recv` returns a `None`, and that is the moment to look.

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

    let hears = hears(&mut shop);
    let heard = t.time("hears", none(), hears).await?;
    t.count("announced", 3);
    t.count("heard", heard);

    let looks = looks(&mut shop);
    let found = t.time("looks", none(), looks).await?;
    t.count("announced", 3);
    t.count("found", found);
    Ok(())
}

async fn hears(shop: &mut Shop) -> Result<u64> {
    let mut listener = shop.listener().await?;
    ends_session_of(&mut listener, shop).await?;
    shop.sells("tea").await?;
    shop.sells("rice").await?;
    // Notices the loss, connects and listens again. `recv` would do the same and go on waiting.
    let gap = listener.try_recv().await?;
    info!("the listener was told: {gap:?}");
    shop.sells("salt").await?;
    shop.notifies("closed").await?;
    hears_all(listener).await
}

/// The same loss. What is found no longer depends on what is heard.
async fn looks(shop: &mut Shop) -> Result<u64> {
    let mut eyes = PgConnection::connect(&shop.url).await?;
    take_all(&mut eyes).await?; // the orders of the variant above
    shop.sells("tea").await?;
    let mut listener = shop.listener().await?;
    ends_session_of(&mut listener, shop).await?;
    let sells = async {
        shop.sells("rice").await?;
        shop.sells("salt").await
    };
    let clerk = async {
        let mut found = take_all(&mut eyes).await?; // <- the difference: looks, then waits
        while found < 3 {
            // A notification and a `None` mean the same here: there may be something new.
            listener.try_recv().await?;
            found += take_all(&mut eyes).await?;
        }
        Ok(found)
    };
    let (found, ()) = tokio::try_join!(clerk, sells)?;
    Ok(found)
}

/// Takes the orders out of the table, however many there are.
#[instrument(ret, err, skip(eyes))]
async fn take_all(eyes: &mut PgConnection) -> Result<u64> {
    let taken = query("delete from orders").execute(eyes).await?;
    Ok(taken.rows_affected())
}

async fn ends_session_of(listener: &mut PgListener, shop: &mut Shop) -> Result<()> {
    let session = query_scalar("select pg_backend_pid()");
    let session: i32 = session.fetch_one(listener).await?;
    let end = query("select pg_terminate_backend($1, 5000)").bind(session); // waits until it is gone
    end.execute(&mut shop.desk).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;

    #[tokio::test]
    async fn a_listener_that_reconnects_misses_what_came_meanwhile() {
        let Some(t) = measured(run).await else { return };
        let lost = &t["hears"];
        let said: Vec<_> = lost.said.iter().map(|line| &*line.text).collect();
        assert_eq!(
            said,
            ["the listener was told: None", "hears salt", "hears closed"]
        );
        assert_eq!(*lost.count("heard"), 1);
    }

    #[tokio::test]
    async fn a_clerk_who_looks_after_each_listen_finds_all() {
        let Some(t) = measured(run).await else { return };
        assert_eq!(*t["looks"].count("found"), 3);
    }
}
