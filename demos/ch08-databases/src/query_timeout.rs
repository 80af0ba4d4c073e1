//! # A timeout ends the waiting, not the statement
//!
//! A statement books an order and takes 5 ticks; its client waits for 1. `timeout` drops the future (see
//! `tasks/timeout`), and the server hears nothing of that: 1 statement is still running, the next query on the
//! connection is answered after 5 ticks, and the order is booked, although the client was told that it took too long.
//! With a sqlx pool of 1 connection it is the same. With `cancel_query`, or with a `statement_timeout` of the
//! server's own, the statement ends: 0 are running, the next answer is there after 1 tick, and 0 orders are booked.
//!
//! asyncio: wait_for, asyncio.timeout, command_timeout, cancel
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! await asyncio.wait_for(connection.execute(BOOK), 1)    # TimeoutError
//! await connection.execute(BOOK, timeout=1)              # the same
//! connection = await asyncpg.connect(url, command_timeout=1)
//! ```
//!
//! Not the same: when asyncpg's waiting ends, by a timeout or a cancellation, it sends a cancel request to the server
//! by itself, on a connection of its own, and the next query waits for that. tokio-postgres sends one when it is
//! asked to; sqlx has no call for it. In both languages a statement may be done a moment before the request arrives.
//! So a timeout of the client never says that nothing has happened. asyncpg waits until the server has handled its
//! request. `cancel_query` doesn't, so a late one ends the next statement on this connection: unless the answer is the
//! error 57014, `query_canceled`, close the connection.

use anyhow::{Error, Result, anyhow};
use scratch_postgres::Postgres;
use sqlx::{postgres::PgPoolOptions, query};
use timing::{Timings, law::exactly, ticks};
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};
use tracing::{info, instrument};

use crate::{options::Options, postgres::served};

/// The order is there when the server has slept.
const BOOK: &str = "insert into orders select from pg_sleep($1)";
const WORK: u32 = 5;
const LIMIT: u32 = 1;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let watch = Watch::open(&postgres).await?;

    let client = connect(postgres.url()).await?;
    let booking = Box::pin(books(sends(&client)));
    let next = Box::pin(asks_next(client.execute("select 1", &[])));
    let dropped = drops(booking, next, &watch);
    let seen = t.time("timeout", exactly(WORK), dropped).await?;
    count(t, seen, &watch).await?;

    // The connection goes back to the pool, which pings the server before it lends it again: see
    // `databases/pool-heals`.
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(postgres.url()).await?;
    let book = query(BOOK).bind(ticks(WORK).as_secs_f64());
    let booking = Box::pin(books(book.execute(&pool)));
    let next = Box::pin(asks_next(query("select 1").execute(&pool)));
    let dropped = drops(booking, next, &watch);
    let seen = t.time("timeout, sqlx pool of 1", exactly(WORK), dropped);
    let seen = seen.await?;
    count(t, seen, &watch).await?;

    let client = connect(postgres.url()).await?;
    let cancelled = cancels(&client, &watch);
    let seen = t
        .time("with cancel_query", exactly(LIMIT), cancelled)
        .await?;
    count(t, seen, &watch).await?;

    let client = connect(postgres.url()).await?;
    let ended = ends_by_itself(&client, &watch);
    let seen = t.time("statement_timeout", exactly(LIMIT), ended).await?;
    count(t, seen, &watch).await
}

async fn drops(
    booking: impl Future<Output = Result<()>>,
    next: impl Future<Output = Result<()>>,
    watch: &Watch,
) -> Result<Seen> {
    let outcome = timeout(ticks(LIMIT), booking).await;
    let seen = watch.sees(outcome.map_err(Error::from).flatten()).await?;
    next.await?;
    Ok(seen)
}

/// Keeps the future, to learn after the request how the statement has ended.
async fn cancels(client: &Client, watch: &Watch) -> Result<Seen> {
    let mut booking = Box::pin(books(sends(client)));
    let outcome = match timeout(ticks(LIMIT), &mut booking).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => {
            // On a connection of its own, because the session of this one is busy. It doesn't wait for the server: if
            // `booking` is answered with anything but 57014, the request may still hit the next statement.
            client.cancel_token().cancel_query(NoTls).await?; // <- the difference
            booking.await
        }
    };
    let seen = watch.sees(outcome).await?;
    asks_next(client.execute("select 1", &[])).await?;
    Ok(seen)
}

/// The server keeps this limit, also when the client hangs or is gone.
async fn ends_by_itself(client: &Client, watch: &Watch) -> Result<Seen> {
    let limit = ticks(LIMIT).as_millis().to_string();
    let limits = "select set_config('statement_timeout', $1, false)"; // `set` takes no bound value
    client.execute(limits, &[&limit]).await?;
    let seen = watch.sees(books(sends(client)).await);
    let seen = seen.await?;
    asks_next(client.execute("select 1", &[])).await?;
    Ok(seen)
}

async fn sends(client: &Client) -> Result<u64, tokio_postgres::Error> {
    client.execute(BOOK, &[&ticks(WORK).as_secs_f64()]).await
}

/// A lane for the statement, whichever library sends it. tokio-postgres says "db error" and has the server's words in
/// the source of its error, hence `{:#}`.
#[instrument(ret, err, skip_all)]
async fn books<T, E: Into<Error>>(book: impl Future<Output = Result<T, E>>) -> Result<()> {
    let outcome = book.await.map_err(Into::into);
    outcome.map(drop).map_err(|error| anyhow!("{error:#}"))
}

#[instrument(ret, err, skip_all)]
async fn asks_next<T, E: Into<Error>>(ask: impl Future<Output = Result<T, E>>) -> Result<()> {
    ask.await.map(drop).map_err(Into::into)
}

async fn connect(url: &str) -> Result<Client> {
    Ok(served(tokio_postgres::connect(url, NoTls).await?))
}

/// What the client was told, and how many of its statements were running then.
type Seen = (String, i64);

/// Looks at the lesson's sessions from one of its own.
struct Watch {
    client: Client,
    application: String,
}

impl Watch {
    async fn open(postgres: &Postgres) -> Result<Self> {
        let client = connect(postgres.url()).await?;
        client.batch_execute("create table orders ()").await?;
        let application = postgres.schema().into();
        Ok(Self {
            client,
            application,
        })
    }

    /// A statement that has failed is over when its session no longer sleeps; it may be `active` a moment longer.
    async fn sees(&self, outcome: Result<()>) -> Result<Seen> {
        let running = "select count(*) from pg_stat_activity
                       where application_name = $1 and wait_event = 'PgSleep'";
        let row = self.client.query_one(running, &[&self.application]).await?;
        let told = outcome.map_or_else(|error| format!("{error:#}"), |()| "nothing".into());
        Ok((told, row.try_get(0)?))
    }

    /// How many orders are there, and removes them.
    async fn booked(&self) -> Result<u64> {
        Ok(self.client.execute("delete from orders", &[]).await?)
    }
}

async fn count(t: &mut Timings, (told, running): Seen, watch: &Watch) -> Result<()> {
    t.count("the client gets", told);
    t.count("running then", running);
    t.count("booked", watch.booked().await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;
    use timing::report::Ended;

    const DROPPED: [&str; 2] = ["timeout", "timeout, sqlx pool of 1"];
    const ENDED: [(&str, &str); 2] = [
        (
            "with cancel_query",
            "canceling statement due to user request",
        ),
        (
            "statement_timeout",
            "canceling statement due to statement timeout",
        ),
    ];

    #[tokio::test]
    async fn a_dropped_query_runs_on_and_the_next_one_waits_for_it() {
        let Some(t) = measured(run).await else { return };
        for label in DROPPED {
            let dropped = &t[label];
            assert!(dropped.elapsed >= ticks(WORK), "{label}");
            assert_eq!(dropped.lane("books").ended, Ended::Cancelled);
            assert_eq!(*dropped.count("running then"), 1);
            assert!(dropped.lane("next").end >= ticks(WORK), "{label}");
        }
    }

    #[tokio::test]
    async fn what_the_client_has_given_up_is_booked() {
        let Some(t) = measured(run).await else { return };
        for label in DROPPED {
            assert_eq!(*t[label].count("booked"), 1);
            assert_eq!(*t[label].count("the client gets"), "deadline has elapsed");
        }
    }

    #[tokio::test]
    async fn a_cancel_and_a_statement_timeout_end_the_statement_itself() {
        let Some(t) = measured(run).await else { return };
        for (label, text) in ENDED {
            let ended = &t[label];
            assert!(ended.elapsed >= ticks(LIMIT), "{label}");
            assert_eq!(ended.lane("books").ended, Ended::Failed);
            assert_eq!(*ended.count("running then"), 0);
            assert_eq!(*ended.count("booked"), 0);
            let told = ended.count("the client gets").text();
            assert!(told.contains(text), "{told}");
            assert_eq!(ended.lane("next").ended, Ended::Returned);
        }
    }
}
