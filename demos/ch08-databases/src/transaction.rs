//! # A transaction: all of its rows, or none, however it ends
//!
//! An order has two lines. Its transaction is committed, rolled back, left by a `?` after its first line, left
//! without a `commit`, dropped by a timeout (see `tasks/timeout`), or aborted with its task (see `tasks/cancel`).
//! Another connection then sees 2 lines after the commit and 0 after every other ending. The connection that the
//! transaction was on sees the same. If the transaction were still open, it would see the lines. So a transaction
//! that is dropped is rolled back, and its connection serves the next statement.
//!
//! asyncio: transaction, commit, rollback
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! async with shop.transaction():                 # asyncpg
//!     await shop.execute(insert, "tea", 2)
//!     await shop.execute(insert, "cup", 1)
//! # committed here; after an exception, cancellation included, rolled back
//! ```
//!
//! Not the same: `async with` commits when its block ends without an exception. Here the end of a block is a
//! rollback, even after `Ok(())`; only `commit` commits, and nothing warns where it was forgotten. In both, an error
//! of the commit itself can leave it open what was stored: the answer may be lost on its way. And after an error that
//! was ignored a commit is a rollback, and no error (see `databases/failed-statement`).

use std::future::pending;

use anyhow::{Result, ensure};
use scratch_postgres::Postgres;
use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};
use timing::{
    Timings,
    law::{exactly, none},
    ticks,
};
use tokio::time::{sleep, timeout};
use tracing::{info, instrument};

use crate::options::Options;

/// The second of the refused lines breaks the table's `check`.
const LINES: [(&str, i32); 2] = [("tea", 2), ("cup", 1)];
const REFUSED: [(&str, i32); 2] = [("tea", 2), ("cup", -1)];

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let one = PgPoolOptions::new().max_connections(1);
    let shop = one.clone().connect(postgres.url()).await?;
    let table = "create table lines (product text, pieces int4 check (pieces > 0))";
    sqlx::query(table).execute(&shop).await?;
    let other = one.connect(postgres.url()).await?;

    t.time("commit", none(), commits(&shop)).await?;
    count(t, &shop, &other).await?;

    t.time("rollback", none(), rolls_back(&shop)).await?;
    count(t, &shop, &other).await?;

    // From here on most endings are errors, of the server or the timeout. The lanes show them.
    _ = t.time("left by a ?", none(), leaves_early(&shop)).await;
    count(t, &shop, &other).await?;

    t.time("no commit", none(), forgets(&shop)).await?;
    count(t, &shop, &other).await?;

    let paid = timeout(ticks(1), waits_for_payment(shop.clone()));
    _ = t.time("a timeout", exactly(1), paid).await;
    count(t, &shop, &other).await?;

    let aborted = aborts(waits_for_payment(shop.clone()));
    t.time("an aborted task", exactly(1), aborted).await?;
    count(t, &shop, &other).await?;
    shop.close().await;
    other.close().await;
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn commits(shop: &PgPool) -> Result<()> {
    let mut order = shop.begin().await?;
    add_lines(&mut order, LINES).await?;
    Ok(order.commit().await?)
}

#[instrument(ret, err, skip_all)]
async fn rolls_back(shop: &PgPool) -> Result<()> {
    let mut order = shop.begin().await?;
    add_lines(&mut order, LINES).await?;
    Ok(order.rollback().await?)
}

/// The first line is in when the second is refused. `order` is dropped on the way out.
#[instrument(ret, err, skip_all)]
async fn leaves_early(shop: &PgPool) -> Result<()> {
    let mut order = shop.begin().await?;
    add_lines(&mut order, REFUSED).await?;
    Ok(order.commit().await?)
}

/// Nothing warns: not the compiler, not the server.
#[instrument(ret, err, skip_all)]
async fn forgets(shop: &PgPool) -> Result<()> {
    let mut order = shop.begin().await?;
    add_lines(&mut order, LINES).await?;
    Ok(()) // <- the difference: no commit
}

/// Its future holds the transaction, so dropping the one drops the other.
#[instrument(ret, err, skip_all)]
async fn waits_for_payment(shop: PgPool) -> Result<()> {
    let mut order = shop.begin().await?;
    add_lines(&mut order, LINES).await?;
    pending::<()>().await; // a payment that never comes
    Ok(order.commit().await?)
}

async fn add_lines(order: &mut PgConnection, lines: [(&str, i32); 2]) -> Result<()> {
    for (product, pieces) in lines {
        let line = sqlx::query("insert into lines values ($1, $2)");
        let line = line.bind(product).bind(pieces);
        line.execute(&mut *order).await?;
    }
    Ok(())
}

async fn aborts(order: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    let order = tokio::spawn(order);
    sleep(ticks(1)).await;
    order.abort();
    let cancelled = order.await.is_err_and(|error| error.is_cancelled());
    ensure!(cancelled, "the order has ended by itself");
    Ok(())
}

/// The pool's only connection comes first: `shop` waits until it is back.
async fn count(t: &mut Timings, shop: &PgPool, other: &PgPool) -> Result<()> {
    let lines = "select count(*) from lines";
    let own: i64 = sqlx::query_scalar(lines).fetch_one(shop).await?;
    let seen: i64 = sqlx::query_scalar(lines).fetch_one(other).await?;
    t.count("lines the other sees", seen);
    t.count("its own connection", own);
    sqlx::query("delete from lines").execute(other).await?; // the next ending begins with none
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;
    use timing::report::Ended;

    const WITHOUT_COMMIT: [(&str, Ended); 5] = [
        ("rollback", Ended::Returned),
        ("left by a ?", Ended::Failed),
        ("no commit", Ended::Returned),
        ("a timeout", Ended::Cancelled),
        ("an aborted task", Ended::Cancelled),
    ];

    #[tokio::test]
    async fn only_a_commit_keeps_its_rows() {
        let Some(t) = measured(run).await else { return };
        assert_eq!(*t["commit"].count("lines the other sees"), 2);
        for (label, ended) in WITHOUT_COMMIT {
            assert_eq!(*t[label].count("lines the other sees"), 0, "{label}");
            assert_eq!(t[label].lanes[0].ended, ended, "{label}");
        }
    }

    #[tokio::test]
    async fn on_its_own_connection_no_transaction_is_left_open() {
        let Some(t) = measured(run).await else { return };
        assert_eq!(*t["commit"].count("its own connection"), 2);
        for (label, _) in WITHOUT_COMMIT {
            assert_eq!(*t[label].count("its own connection"), 0, "{label}");
        }
    }
}
