//! # MySQL through a pool: as many at once as there are connections
//!
//! Ten orders are packed by the server, 1 tick for each, as in `databases/pool`: a pool of one connection takes 10
//! ticks, of five 2 (two waves), of ten 1. The pool is the same type as for PostgreSQL with another database behind
//! it, and MariaDB is reached in the same way. The lesson needs a server of yours (`--mysql URL` or `MYSQL_URL`), and
//! changes nothing in it.
//!
//! asyncio: aiomysql.create_pool, aiomysql, pool.acquire
//!
//! real clock: a real MySQL or MariaDB
//!
//! ```python
//! async with aiomysql.create_pool(user="ann", db="shop", minsize=5, maxsize=5) as pool:
//!     async def pack(order):
//!         async with pool.acquire() as connection, connection.cursor() as cursor:
//!             await cursor.execute("select sleep(%s)", (1,))
//!     await asyncio.gather(*(pack(order) for order in range(10)))
//! ```
//!
//! Not the same: aiomysql puts each value into the text, escaped, and sends it all. sqlx prepares the statement and
//! sends the value beside it (see `databases/parameters`). A pool of aiomysql whose server refuses to connect says
//! so; one of sqlx tries again, and reports a timeout (see `databases/pool-limits`); other reasons it tells. So one
//! connection is made before the pool, to hear the reason.

use std::{collections::HashSet, time::Duration};

use anyhow::Result;
use futures_util::future::try_join_all;
use sqlx::{MySqlPool, mysql::MySqlPoolOptions};
use timing::{Timings, law::waves, ticks};
use tracing::{info, instrument};

use crate::options::Options;

const ORDERS: u32 = 10;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = options.mysql_or_skip(t)?;
    info!("{}", server.answers().await?);
    for size in [1, 5, 10] {
        let pool = MySqlPoolOptions::new()
            .min_connections(size) // open before the time begins
            .max_connections(size) // <- the difference
            .acquire_timeout(Duration::from_secs(60))
            .connect_with(server.login())
            .await?;
        let label = format!("pool of {size}");
        let sessions = t.time(label, waves(ORDERS, size, 1), packs(&pool)).await?;
        t.count("sessions", sessions);
        pool.close().await;
    }
    Ok(())
}

/// In how many sessions of the server the orders were packed.
async fn packs(pool: &MySqlPool) -> Result<usize> {
    let orders = (1..=ORDERS).map(|order| pack(order, pool));
    let sessions: HashSet<u64> = try_join_all(orders).await?.into_iter().collect();
    Ok(sessions.len())
}

#[instrument(ret, err, skip(pool))]
async fn pack(order: u32, pool: &MySqlPool) -> Result<u64> {
    let pack = sqlx::query_as("select connection_id(), sleep(?)").bind(ticks(1).as_secs_f64());
    let (session, _interrupted): (u64, i64) = pack.fetch_one(pool).await?;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_server_it_says_what_to_set() {
        let skipped = run(&mut Timings::default(), &Options::default()).await;
        let why = skipped.unwrap_err().to_string();
        assert!(why.contains("MYSQL_URL") && !why.contains('\n'), "{why}");
    }
}
