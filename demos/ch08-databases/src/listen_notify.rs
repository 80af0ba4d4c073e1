//! # LISTEN and NOTIFY: a hint to look, not the data
//!
//! A session of PostgreSQL that listens to a channel (LISTEN) gets each text that is sent there (NOTIFY). A shop puts
//! its orders into a table and announces each one. Of 2 announced, one before a clerk's LISTEN and one after it, the
//! clerk hears 1. Four that a transaction sends are heard when it commits, after 1 tick, and as 2, because the server
//! folds equal ones. Of 3, two of which are sent while the clerk's connection is lost, 1 is heard. A clerk who looks
//! into the table, once after each LISTEN and again after each notification, finds 3 of 3. The order matters:
//! register first, then look (see `sync/condition`).
//!
//! asyncio: add_listener, Connection.notifies, Queue
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! wake = asyncio.Event()
//! await connection.add_listener("orders", lambda *_: wake.set())
//! while True:
//!     wake.clear()
//!     await handle_all(connection)    # look first, then wait
//!     await wake.wait()
//! ```
//!
//! Not the same: asyncpg calls a function for each notification, and after a loss of its connection it doesn't listen
//! again. A `PgListener` of sqlx is awaited and does listen again: `recv` doesn't mention it, `try_recv` returns a
//! `None`. The same in both: the server keeps nothing for sessions that don't listen.

use anyhow::Result;
use scratch_postgres::Postgres;
use sqlx::{Connection, PgConnection, postgres::PgListener, query, query_scalar};
use timing::{
    Timings,
    law::{exactly, none},
    ticks,
};
use tokio::time::sleep;
use tracing::{info, instrument};

use crate::options::Options;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let mut shop = Shop::open(&postgres).await?;

    let heard = t
        .time("one before LISTEN", none(), early(&mut shop))
        .await?;
    t.count("sent", 2);
    t.count("heard", heard);

    let listener = shop.listener().await?;
    let all = in_one_transaction(&mut shop, listener);
    let heard = t.time("four in a transaction", exactly(1), all).await?;
    t.count("sent", 4);
    t.count("heard", heard);

    let heard = t
        .time("connection lost", none(), cut_off(&mut shop))
        .await?;
    t.count("sent", 3);
    t.count("heard", heard);

    let found = t.time("lost, and looks", none(), looks(&mut shop)).await?;
    t.count("sent", 3);
    t.count("found", found);
    Ok(())
}

async fn early(shop: &mut Shop) -> Result<u64> {
    shop.sells("tea").await?;
    let listener = shop.listener().await?;
    shop.sells("rice").await?;
    shop.notifies("closed").await?;
    hears_all(listener).await
}

async fn in_one_transaction(shop: &mut Shop, listener: PgListener) -> Result<u64> {
    let sells = async {
        query("begin").execute(&mut shop.desk).await?;
        for what in ["tea", "tea", "tea", "rice"] {
            shop.sells(what).await?;
        }
        sleep(ticks(1)).await;
        query("commit").execute(&mut shop.desk).await?; // sent here, in the order of the calls
        shop.notifies("closed").await
    };
    let (heard, ()) = tokio::try_join!(hears_all(listener), sells)?;
    Ok(heard)
}

async fn cut_off(shop: &mut Shop) -> Result<u64> {
    let mut listener = shop.listener().await?;
    shop.ends_session_of(&mut listener).await?;
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
    take_all(&mut eyes).await?; // the orders of the variants above
    shop.sells("tea").await?;
    let mut listener = shop.listener().await?;
    shop.ends_session_of(&mut listener).await?;
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

/// Counts the notifications until the one that says that the shop closes.
#[instrument(ret, err, skip(listener))]
async fn hears_all(mut listener: PgListener) -> Result<u64> {
    let mut heard = 0;
    loop {
        let what = listener.recv().await?;
        info!("hears {}", what.payload());
        if what.payload() == "closed" {
            return Ok(heard);
        }
        heard += 1;
    }
}

/// Takes the orders out of the table, however many there are.
#[instrument(ret, err, skip(eyes))]
async fn take_all(eyes: &mut PgConnection) -> Result<u64> {
    let taken = query("delete from orders").execute(eyes).await?;
    Ok(taken.rows_affected())
}

/// The side that sells, on a connection of its own.
struct Shop {
    desk: PgConnection,
    url: String,
    channel: String,
}

impl Shop {
    async fn open(postgres: &Postgres) -> Result<Self> {
        let mut desk = PgConnection::connect(postgres.url()).await?;
        query("create table orders (what text)")
            .execute(&mut desk)
            .await?;
        Ok(Self {
            desk,
            url: postgres.url().into(),
            channel: postgres.schema().into(),
        })
    }

    async fn listener(&self) -> Result<PgListener> {
        let mut listener = PgListener::connect(&self.url).await?;
        listener.listen(&self.channel).await?;
        Ok(listener)
    }

    /// The row first. Outside a transaction each statement is committed by itself, and a clerk who hears before there
    /// is a row finds nothing.
    async fn sells(&mut self, what: &str) -> Result<()> {
        let row = query("insert into orders values ($1)").bind(what);
        row.execute(&mut self.desk).await?;
        self.notifies(what).await
    }

    /// `notify` takes no bound values, the function does.
    async fn notifies(&mut self, what: &str) -> Result<()> {
        let notify = query("select pg_notify($1, $2)").bind(&self.channel);
        notify.bind(what).execute(&mut self.desk).await?;
        Ok(())
    }

    async fn ends_session_of(&mut self, listener: &mut PgListener) -> Result<()> {
        let session = query_scalar("select pg_backend_pid()");
        let session: i32 = session.fetch_one(listener).await?;
        let end = query("select pg_terminate_backend($1, 5000)").bind(session); // waits until it is gone
        end.execute(&mut self.desk).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;
    use timing::report::Variant;

    fn heard(variant: &Variant) -> Vec<&str> {
        let said = variant.said.iter().map(|line| &line.text);
        said.filter_map(|text| text.strip_prefix("hears "))
            .collect()
    }

    #[tokio::test]
    async fn what_is_sent_before_listen_is_never_heard() {
        let Some(t) = measured(run).await else { return };
        let early = &t["one before LISTEN"];
        assert_eq!(heard(early), ["rice", "closed"]);
        assert_eq!(*early.count("heard"), 1);
    }

    #[tokio::test]
    async fn a_transaction_sends_when_it_commits_and_folds_equal_ones() {
        let Some(t) = measured(run).await else { return };
        let committed = &t["four in a transaction"];
        assert_eq!(heard(committed), ["tea", "rice", "closed"]);
        assert_eq!(*committed.count("heard"), 2);
        let lines = committed.said.iter();
        let mut lines = lines.filter(|line| line.text.starts_with("hears"));
        assert!(lines.all(|line| line.at >= ticks(1)));
    }

    #[tokio::test]
    async fn a_listener_that_reconnects_misses_what_came_meanwhile() {
        let Some(t) = measured(run).await else { return };
        let lost = &t["connection lost"];
        assert_eq!(heard(lost), ["salt", "closed"]);
        assert_eq!(*lost.count("heard"), 1);
        assert!(lost.said[0].text.ends_with("None"));
    }

    #[tokio::test]
    async fn a_clerk_who_looks_after_each_listen_finds_all() {
        let Some(t) = measured(run).await else { return };
        assert_eq!(*t["lost, and looks"].count("found"), 3);
    }
}
