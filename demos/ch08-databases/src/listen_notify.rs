//! # LISTEN and NOTIFY: heard by who listens at the commit
//!
//! A session of PostgreSQL that listens to a channel (LISTEN) gets each text that is sent there (NOTIFY). The server
//! keeps none for later: of 2 orders that a shop announces, one before a clerk's LISTEN and one after it, the clerk
//! hears 1. A notification belongs to its transaction. Four that a transaction sends are heard when it commits, after
//! 1 tick, and as 2, because the server folds equal ones. So a notification is a hint to look into the table, not the
//! data. What is lost with a connection is in `databases/missed-notifications`.
//!
//! asyncio: add_listener, Connection.notifies
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! heard = asyncio.Queue()
//! await connection.add_listener("orders", lambda *what: heard.put_nowait(what[-1]))   # asyncpg
//! while (order := await heard.get()) != "closed":
//!     print(order)
//! ```
//!
//! Not the same: asyncpg calls a function for each notification, and a queue of yours makes them something to await.
//! A `PgListener` of sqlx is awaited as it is, and holds a connection of its own. The server's part is the same in
//! both: what is sent before the LISTEN or rolled back is heard by nobody, and equal texts of a transaction arrive
//! once.

use anyhow::Result;
use scratch_postgres::Postgres;
use sqlx::{Connection, PgConnection, postgres::PgListener, query};
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

    let early = early(&mut shop);
    let heard = t.time("one before LISTEN", none(), early).await?;
    t.count("sent", 2);
    t.count("heard", heard);

    let listener = shop.listener().await?;
    let all = in_one_transaction(&mut shop, listener);
    let heard = t.time("four in a transaction", exactly(1), all).await?;
    t.count("sent", 4);
    t.count("heard", heard);

    let listener = shop.listener().await?;
    let none_of_them = rolled_back(&mut shop, listener);
    let heard = t.time("two rolled back", exactly(1), none_of_them).await?;
    t.count("sent", 2);
    t.count("heard", heard);
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

async fn rolled_back(shop: &mut Shop, listener: PgListener) -> Result<u64> {
    let sells = async {
        query("begin").execute(&mut shop.desk).await?;
        for what in ["tea", "rice"] {
            shop.sells(what).await?;
        }
        sleep(ticks(1)).await;
        query("rollback").execute(&mut shop.desk).await?; // neither the rows nor the notifications have been
        shop.notifies("closed").await
    };
    let (heard, ()) = tokio::try_join!(hears_all(listener), sells)?;
    Ok(heard)
}

/// Counts the notifications until the one that says that the shop closes.
#[instrument(ret, err, skip(listener))]
pub async fn hears_all(mut listener: PgListener) -> Result<u64> {
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

/// The side that sells, on a connection of its own.
pub struct Shop {
    pub desk: PgConnection,
    pub url: String,
    channel: String,
}

impl Shop {
    pub async fn open(postgres: &Postgres) -> Result<Self> {
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

    pub async fn listener(&self) -> Result<PgListener> {
        let mut listener = PgListener::connect(&self.url).await?;
        listener.listen(&self.channel).await?;
        Ok(listener)
    }

    /// The row first. Outside a transaction each statement is committed by itself, and a clerk who hears before there
    /// is a row finds nothing.
    pub async fn sells(&mut self, what: &str) -> Result<()> {
        let row = query("insert into orders values ($1)").bind(what);
        row.execute(&mut self.desk).await?;
        self.notifies(what).await
    }

    /// `notify` takes no bound values, the function does.
    pub async fn notifies(&mut self, what: &str) -> Result<()> {
        let notify = query("select pg_notify($1, $2)").bind(&self.channel);
        notify.bind(what).execute(&mut self.desk).await?;
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
    async fn a_transaction_that_is_rolled_back_sends_nothing() {
        let Some(t) = measured(run).await else { return };
        let undone = &t["two rolled back"];
        assert_eq!(heard(undone), ["closed"]);
        assert_eq!(*undone.count("heard"), 0);
    }
}
