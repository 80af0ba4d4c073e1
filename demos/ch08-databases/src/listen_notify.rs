//! # NOTIFY: heard by those who listen when it commits
//!
//! A session of PostgreSQL that listens to a channel (LISTEN) gets the texts that are sent there (NOTIFY). The server
//! keeps none for later: of 2 that a shop sends, one before a clerk's LISTEN and one after it, the clerk hears 1. In a
//! transaction they are sent by its commit. Of 4 that a transaction holds for 1 tick a clerk hears 2 after that tick,
//! though this clerk's LISTEN comes after all 4: the server folds equal ones. Of 2 that are rolled back 0 are heard. So
//! a notification is a hint to look into a table, as in `databases/missed-notifications`, and not the data.
//!
//! asyncio: add_listener, Connection.notifies
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! heard = asyncio.Queue()
//! await connection.add_listener("orders", lambda *args: heard.put_nowait(args[-1]))   # asyncpg
//! while (order := await heard.get()) != "closed":
//!     print(order)
//! ```
//!
//! Not the same: asyncpg calls a function for each notification, and a queue of yours makes that something to await.
//! Of a sqlx `PgListener` you await `recv`; the nearest to it is `notifies`, the async generator of psycopg. It keeps
//! a connection of its own, or one of a pool. The server's part is the same everywhere.

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

    let work = one_before_listen(&mut shop);
    let heard = t.time("one before LISTEN", none(), work).await?;
    t.count("sent", 2);
    t.count("heard", heard);

    let work = committed_after_listen(&mut shop);
    let heard = t.time("four in a transaction", exactly(1), work).await?;
    t.count("sent", 4);
    t.count("heard", heard);

    let work = rolled_back(&mut shop);
    let heard = t.time("two rolled back", none(), work).await?;
    t.count("sent", 2);
    t.count("heard", heard);
    Ok(())
}

async fn one_before_listen(shop: &mut Shop) -> Result<u64> {
    shop.notifies("tea").await?;
    let listener = shop.listener().await?;
    shop.notifies("rice").await?;
    shop.notifies("closed").await?;
    hears_all(listener).await
}

async fn committed_after_listen(shop: &mut Shop) -> Result<u64> {
    query("begin").execute(&mut shop.desk).await?;
    for what in ["tea", "tea", "tea", "rice"] {
        shop.notifies(what).await?;
    }
    let listener = shop.listener().await?; // later than the four, and not too late
    let commits = async {
        sleep(ticks(1)).await;
        query("commit").execute(&mut shop.desk).await?; // sent here, in the order of the calls
        shop.notifies("closed").await
    };
    let (heard, ()) = tokio::try_join!(hears_all(listener), commits)?;
    Ok(heard)
}

async fn rolled_back(shop: &mut Shop) -> Result<u64> {
    let listener = shop.listener().await?;
    query("begin").execute(&mut shop.desk).await?;
    for what in ["tea", "rice"] {
        shop.notifies(what).await?;
    }
    query("rollback").execute(&mut shop.desk).await?;
    shop.notifies("closed").await?;
    hears_all(listener).await
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
        Ok(Self {
            desk: PgConnection::connect(postgres.url()).await?,
            url: postgres.url().into(),
            channel: postgres.schema().into(),
        })
    }

    pub async fn listener(&self) -> Result<PgListener> {
        let mut listener = PgListener::connect(&self.url).await?;
        listener.listen(&self.channel).await?;
        Ok(listener)
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
    async fn what_is_committed_before_listen_is_never_heard() {
        let Some(t) = measured(run).await else { return };
        let early = &t["one before LISTEN"];
        assert_eq!(heard(early), ["rice", "closed"]);
        assert_eq!(*early.count("heard"), 1);
    }

    #[tokio::test]
    async fn a_transaction_sends_when_it_commits_to_those_who_listen_by_then_and_folds_equal_ones()
    {
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
