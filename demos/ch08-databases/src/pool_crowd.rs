//! # A crowd at a pool: many leave, no connection is lost
//!
//! 100 tasks share a pool of 3 connections, and 25 of them are aborted: in one variant while they wait for a
//! connection, in the other while they have one. Each time the other 75 orders are packed, and all 3 connections can
//! be had at the end. No line of a task provides for that. A future that is dropped while it waits leaves the queue
//! of the pool, and a connection that is dropped goes back. Only the tasks that are to be aborted have a lane, from
//! the moment when they get a connection, so the first variant has no lanes.
//!
//! asyncio: acquire, release, cancel
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! connection = await pool.acquire()
//! await pack(connection)             # cancelled here, the pool has one connection fewer
//! await pool.release(connection)     # hence `async with pool.acquire() as connection`
//! ```
//!
//! Not the same: without `async with` or a `finally` the Python code works, until a cancellation or an exception
//! comes between its lines. In Rust a connection belongs to the future that has it, and is dropped with it on every
//! way out, like a permit (see `sync/semaphore`). A pool of sqlx loses one only to code that says so: `leak`, or
//! `std::mem::forget`.

use std::future::pending;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use scratch_postgres::Postgres;
use sqlx::{PgPool, Postgres as Sqlx, pool::PoolConnection, postgres::PgPoolOptions, query};
use timing::{Timings, law::none, report::Ended};
use tokio::{sync::oneshot, task::JoinSet};
use tracing::{info, instrument};

use crate::options::Options;

const SIZE: u32 = 3;
const BUYERS: u32 = 75;
const LEAVERS: u32 = 25;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let pool = PgPoolOptions::new().max_connections(SIZE);
    let pool = pool.connect(postgres.url()).await?;

    let label = "25 aborted, waiting";
    let ends = t.time(label, none(), leave_waiting(&pool)).await?;
    count(t, label, ends, &pool).await?;

    let label = "25 aborted, with a connection";
    let ends = t.time(label, none(), leave_holding(&pool)).await?;
    count(t, label, ends, &pool).await
}

/// The 25 ask first, and all connections are taken until the last of the 25 is aborted.
async fn leave_waiting(pool: &PgPool) -> Result<Ends> {
    let taken = all_of(pool).await?;
    let mut crowd = JoinSet::new();
    let mut leavers = Vec::new();
    for order in 0..LEAVERS {
        let (asks, asked) = oneshot::channel();
        let pool = pool.clone();
        let leaver = crowd.spawn(async move {
            let _ = asks.send(()); // fails only if `leave_waiting` has ended
            keeps(order, pool.acquire().await?).await
        });
        leavers.push((leaver, asked));
    }
    spawn_buyers(&mut crowd, pool);
    for (leaver, asked) in leavers {
        asked.await?;
        leaver.abort();
    }
    drop(taken);
    ends_of(crowd).await
}

/// Three of the 25 have a connection at a time. The next one gets it only when its owner is aborted.
async fn leave_holding(pool: &PgPool) -> Result<Ends> {
    let mut crowd = JoinSet::new();
    let mut leavers = Vec::new();
    for order in 0..LEAVERS {
        let (has, had) = oneshot::channel();
        let pool = pool.clone();
        let leaver = crowd.spawn(async move {
            let connection = pool.acquire().await?;
            let _ = has.send(()); // <- the difference: aborted when it has one
            keeps(order, connection).await
        });
        leavers.push((leaver, had));
    }
    spawn_buyers(&mut crowd, pool);
    for (leaver, had) in leavers {
        had.await?;
        leaver.abort();
    }
    ends_of(crowd).await
}

/// Has a connection, and would never give it back.
#[instrument(ret, err, skip(_connection))]
async fn keeps(order: u32, _connection: PoolConnection<Sqlx>) -> Result<()> {
    pending().await
}

fn spawn_buyers(crowd: &mut JoinSet<Result<()>>, pool: &PgPool) {
    for _ in 0..BUYERS {
        crowd.spawn(packs(pool.clone()));
    }
}

async fn packs(pool: PgPool) -> Result<()> {
    query("select pg_sleep(0.001)").execute(&pool).await?;
    Ok(())
}

/// What became of a crowd.
#[derive(Default)]
struct Ends {
    packed: u32,
    left: u32,
}

async fn ends_of(mut crowd: JoinSet<Result<()>>) -> Result<Ends> {
    let mut ends = Ends::default();
    while let Some(outcome) = crowd.join_next().await {
        match outcome {
            Err(error) if error.is_cancelled() => ends.left += 1,
            outcome => {
                outcome??;
                ends.packed += 1;
            }
        }
    }
    Ok(ends)
}

/// Borrows as many connections as the pool may have, all at once. If one had never come back, this would wait until
/// `acquire` gives up.
async fn all_of(pool: &PgPool) -> Result<Vec<PoolConnection<Sqlx>>> {
    let size = pool.options().get_max_connections();
    let all = try_join_all((0..size).map(|_| pool.acquire())).await;
    all.context("a connection is lost")
}

async fn count(t: &mut Timings, label: &str, ends: Ends, pool: &PgPool) -> Result<()> {
    let lanes = t[label].lanes.iter();
    let with_one = lanes.filter(|lane| lane.ended == Ended::Cancelled).count();
    t.count("packed", ends.packed);
    t.count("aborted", ends.left);
    t.count("had one", with_one);
    t.count("connections", all_of(pool).await?.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        hash::{BuildHasher, RandomState},
        time::Duration,
    };
    use timing::ticks;
    use tokio::time::sleep;

    #[tokio::test]
    async fn those_who_leave_take_no_connection_and_no_place_with_them() {
        if scratch_postgres::for_test().await.is_none() {
            return;
        }
        let t = Timings::of_default(run).await;
        for (label, with_one) in [
            ("25 aborted, waiting", 0),
            ("25 aborted, with a connection", LEAVERS),
        ] {
            assert_eq!(*t[label].count("packed"), BUYERS);
            assert_eq!(*t[label].count("aborted"), LEAVERS);
            assert_eq!(*t[label].count("had one"), with_one);
            assert_eq!(*t[label].count("connections"), SIZE);
        }
    }

    #[tokio::test]
    async fn fifty_of_two_hundred_leave_at_random_moments() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        for round in 0..5 {
            let pool = PgPoolOptions::new().max_connections(SIZE);
            let pool = pool.connect(postgres.url()).await.unwrap();
            let seed = RandomState::new().hash_one(round);
            println!("seed {seed}");
            let mut crowd = JoinSet::new();
            for order in 0..200 {
                let task = crowd.spawn(packs(pool.clone()));
                if order % 4 == 0 {
                    // Within the time that all of them take where there is little else to do.
                    let moment = Duration::from_micros(seed.rotate_left(order) % 100_000);
                    tokio::spawn(async move {
                        sleep(moment).await;
                        task.abort();
                    });
                }
            }
            let ends = ends_of(crowd).await.unwrap();
            // Some of the fifty have packed before.
            assert!(ends.packed >= 150 && ends.packed + ends.left == 200);
            assert_eq!(all_of(&pool).await.unwrap().len(), SIZE as usize);
        }
    }

    #[tokio::test]
    async fn a_connection_that_does_leak_is_missed() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let pool = PgPoolOptions::new().max_connections(SIZE);
        let pool = pool.acquire_timeout(ticks(3)).connect_lazy(postgres.url());
        let pool = pool.unwrap();
        let _session = pool.acquire().await.unwrap().leak();
        assert!(all_of(&pool).await.is_err());
    }
}
