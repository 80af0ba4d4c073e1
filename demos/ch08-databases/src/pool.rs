//! # A pool: its size says how many orders are packed at once
//!
//! Ten orders are packed by the server, 1 tick for each, and a connection packs one at a time. Through a pool of one
//! connection they take 10 ticks; through five, 2 (two waves); through ten, 1. Ten futures ask from the start each
//! time. A future that finds no connection free waits in `acquire`, as for a permit (see `sync/semaphore`). Its lane
//! begins when it has one. A pool may grow: of `5 to 10`, 5 connections are open beforehand, and 10 sessions have
//! packed at the end (a session is the server's side of a connection). tokio-postgres has no pool of its own; the
//! last variant uses deadpool.
//!
//! asyncio: asyncpg.create_pool, acquire, min_size, max_size
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! async with asyncpg.create_pool(url, min_size=5, max_size=10) as pool:
//!     async def pack(order):
//!         async with pool.acquire() as connection:
//!             return await connection.fetchval("select pg_sleep(1)")
//!     await asyncio.gather(*(pack(order) for order in range(10)))
//! ```
//!
//! Not the same: unless told otherwise asyncpg opens 10 connections beforehand, `connect` of sqlx one, `connect_lazy`
//! and deadpool none, so deadpool's time here includes connecting. asyncpg and sqlx stop at 10, deadpool at twice the
//! number of cores. Leaving `async with` waits until the connection is back in the pool. In Rust its drop gives it
//! back, and a drop can't wait (see `streams/guard`): sqlx spawns a task for it, and panics outside of a runtime.

use std::{collections::HashSet, time::Duration};

use anyhow::{Context, Result};
use deadpool_postgres::Manager;
use futures_util::future::try_join_all;
use scratch_postgres::Postgres;
use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions, query_scalar};
use timing::{
    Timings,
    law::{at_least, waves},
    ticks,
};
use tokio_postgres::{Client, NoTls};
use tracing::{info, instrument};

use crate::options::Options;

const ORDERS: u32 = 10;

/// PostgreSQL has a process for each session. Its id tells which session packed an order.
const PACK: &str = "select pg_backend_pid() from pg_sleep($1)";

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");

    for (label, least, most) in [
        ("sqlx, 1", 1, 1),
        ("sqlx, 5", 5, 5),
        ("sqlx, 10", 10, 10),
        ("sqlx, 5 to 10", 5, 10),
    ] {
        // Connecting takes longer than a small query. What is open beforehand isn't part of the time.
        let pool = PgPoolOptions::new()
            .min_connections(least)
            .max_connections(most) // <- the difference
            .acquire_timeout(Duration::from_secs(10) + ticks(10)) // the last of ten waits 9 ticks
            .connect(postgres.url())
            .await?;
        let open = pool.size();
        let all = try_join_all((1..=ORDERS).map(|order| through_sqlx(order, &pool)));
        let sessions = t.time(label, waves(ORDERS, most, 1), all).await?;
        t.count("open beforehand", open);
        t.count("sessions", distinct(sessions));
        pool.close().await;
    }

    let manager = Manager::new(postgres.url().parse()?, NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).max_size(5);
    let pool = pool.build()?;
    let open = pool.status().size;
    let all = try_join_all((1..=ORDERS).map(|order| through_deadpool(order, &pool)));
    let sessions = t.time("deadpool, 5", at_least(2), all).await?;
    t.count("open beforehand", open);
    t.count("sessions", distinct(sessions));
    Ok(())
}

/// Waits in `acquire` until there is a connection for it, and drops that at its end. A query can be given `pool`
/// itself, as in `fetch_one(pool)`: it then does the same for this query alone.
async fn through_sqlx(order: u32, pool: &PgPool) -> Result<i32> {
    let mut connection = pool.acquire().await?;
    packs_by_sqlx(order, &mut connection).await
}

/// A lane begins here, when the order has its connection. sqlx pings a connection before it lends it, so of those who
/// get one together the first to begin is the one whose ping is answered first.
#[instrument(ret, err, skip(connection))]
async fn packs_by_sqlx(order: u32, connection: &mut PgConnection) -> Result<i32> {
    let query = query_scalar(PACK).bind(ticks(1).as_secs_f64());
    query.fetch_one(connection).await.context("sqlx")
}

async fn through_deadpool(order: u32, pool: &deadpool_postgres::Pool) -> Result<i32> {
    let client = pool.get().await?;
    packs_by_deadpool(order, &client).await
}

/// `&Client` and not `&mut`: two futures may use one client at once (see `databases/pipelining`).
#[instrument(ret, err, skip(client))]
async fn packs_by_deadpool(order: u32, client: &Client) -> Result<i32> {
    let row = client.query_one(PACK, &[&ticks(1).as_secs_f64()]).await?;
    Ok(row.try_get(0)?)
}

fn distinct(sessions: Vec<i32>) -> usize {
    HashSet::<i32>::from_iter(sessions).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;
    use timing::report::Ended;

    const ALL: [(&str, u32, u32); 5] = [
        ("sqlx, 1", 1, 1),
        ("sqlx, 5", 5, 5),
        ("sqlx, 10", 10, 10),
        ("sqlx, 5 to 10", 5, 10),
        ("deadpool, 5", 0, 5),
    ];

    #[tokio::test]
    async fn as_many_orders_begin_together_as_there_are_connections() {
        let Some(t) = measured(run).await else { return };
        for (label, _, most) in ALL {
            // No order of the second wave begins before one of the first is packed.
            let lanes = &t[label].lanes;
            let packed = lanes.iter().map(|lane| lane.end).min().unwrap();
            let first_wave = lanes.iter().filter(|lane| lane.start < packed).count();
            assert!(first_wave <= most as usize, "{label}: {first_wave}");
            assert!(t[label].elapsed >= waves(ORDERS, most, 1).bound, "{label}");
        }
    }

    #[tokio::test]
    async fn every_order_is_packed_and_every_connection_packs() {
        let Some(t) = measured(run).await else { return };
        for (label, _, most) in ALL {
            let lanes = &t[label].lanes;
            assert_eq!(lanes.len(), ORDERS as usize, "{label}");
            assert!(lanes.iter().all(|lane| lane.ended == Ended::Returned));
            assert_eq!(*t[label].count("sessions"), most, "{label}");
        }
    }

    #[tokio::test]
    async fn the_smallest_size_is_open_beforehand_and_the_largest_when_needed() {
        let Some(t) = measured(run).await else { return };
        for (label, least, _) in ALL {
            assert_eq!(*t[label].count("open beforehand"), least, "{label}");
        }
    }

    #[tokio::test]
    async fn without_a_size_sqlx_opens_one_and_allows_ten() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let pool = PgPool::connect(postgres.url()).await.unwrap();
        assert_eq!(pool.size(), 1);
        assert_eq!(pool.options().get_max_connections(), 10);
        let lazy = PgPool::connect_lazy(postgres.url()).unwrap();
        assert_eq!(lazy.size(), 0);
    }

    #[test]
    fn without_a_size_deadpool_allows_two_for_each_core() {
        let manager = Manager::new(tokio_postgres::Config::new(), NoTls);
        let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(pool.status().max_size, 2 * cores);
    }
}
