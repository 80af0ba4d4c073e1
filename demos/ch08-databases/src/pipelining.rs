//! # Pipelining: a connection hides distance, not work
//!
//! Ten queries go through one connection to a server that is far away: a round trip takes 1 tick. In turn they take
//! 10 ticks. Polled together they take 1, because each is sent without waiting for the answers to those before it.
//! That is pipelining. Then ten queries that the server works on for 1 tick each: in turn 10 ticks, together 10 ticks
//! as well, because a session runs one statement at a time, in the order in which they come. Over ten connections
//! they take 1 tick (see `databases/pool`).
//!
//! asyncio: asyncpg.InterfaceError, gather, AsyncConnection.pipeline
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! await asyncio.gather(*(connection.fetchval(PACK, order) for order in range(10)))
//! # asyncpg.InterfaceError: cannot perform operation: another operation is in progress
//!
//! async with connection.pipeline():     # psycopg 3
//!     for order in range(10): await connection.execute(PACK, [order])
//! ```
//!
//! Not the same: a query of tokio-postgres takes `&Client`, so several futures may use one, and with a prepared
//! statement that alone is pipelining. Without one each query waits for its own preparation first. asyncpg refuses a
//! second query, and in sqlx it doesn't compile: a query there needs `&mut`. In psycopg's pipeline a statement that
//! fails makes those after it fail. Here each is on its own, unless they are in a transaction: of ten with one bad, 9
//! are answered. The same in all: only on several connections can statements run side by side.

use anyhow::Result;
use futures_util::future::try_join_all;
use scratch_postgres::{Postgres, far_away};
use timing::{
    Timings,
    law::{max, sum},
    ticks,
};
use tokio_postgres::{Client, NoTls, Statement, connect};
use tracing::{info, instrument};

use crate::{options::Options, postgres::served};

const ORDERS: [u32; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");

    // A network in between, on which a round trip takes a tick.
    let far = served(far_away(postgres.url(), ticks(1)).await?);
    let far = Shop::open(far).await?;
    let queries = in_turn(&far, 0);
    t.time("far away, in turn", sum([1; 10]), queries).await?;
    let queries = together(&far, 0);
    t.time("far away, together", max([1; 10]), queries).await?;

    let near = served(connect(postgres.url(), NoTls).await?);
    let near = Shop::open(near).await?;
    let queries = in_turn(&near, 1);
    t.time("slow, in turn", sum([1; 10]), queries).await?;
    let queries = together(&near, 1);
    t.time("slow, together", sum([1; 10]), queries).await?; // the law of the line above

    let shops =
        ORDERS.map(async |_| Shop::open(served(connect(postgres.url(), NoTls).await?)).await);
    let shops = try_join_all(shops).await?;
    let queries = ORDERS.iter().zip(&shops);
    let queries = try_join_all(queries.map(|(order, shop)| shop.packs(*order, 1)));
    t.time("slow, ten connections", max([1; 10]), queries)
        .await?;
    Ok(())
}

async fn in_turn(shop: &Shop, work: u32) -> Result<()> {
    for order in ORDERS {
        shop.packs(order, work).await?;
    }
    Ok(())
}

/// Each query hands its message to the connection when it is polled for the first time, and then waits for its
/// answer. So all of them are sent before the first is answered. An answer that comes wakes this one task, which then
/// polls all that still wait: hence the marks within the lanes.
async fn together(shop: &Shop, work: u32) -> Result<()> {
    try_join_all(ORDERS.map(|order| shop.packs(order, work))).await?;
    Ok(())
}

/// A client and a statement that it has prepared. Unprepared, each query prepares itself first, a round trip more.
struct Shop {
    client: Client,
    pack: Statement,
}

impl Shop {
    async fn open(client: Client) -> Result<Self> {
        let pack = client.prepare("select pg_sleep($1)").await?;
        Ok(Self { client, pack })
    }

    /// The server works on it for this many ticks.
    #[instrument(ret, err, skip(self, work))]
    async fn packs(&self, order: u32, work: u32) -> Result<()> {
        let seconds = ticks(work).as_secs_f64();
        self.client.execute(&self.pack, &[&seconds]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use scratch_postgres::measured;
    use timing::report::{Lane, Variant};

    /// How many queries were handed over, by their first poll, before the first was answered.
    fn under_way(variant: &Variant) -> usize {
        let first = variant.lanes.iter().map(|lane| lane.end).min();
        let handed_over = |lane: &&Lane| Some(lane.polls[0].end) <= first;
        variant.lanes.iter().filter(handed_over).count()
    }

    #[tokio::test]
    async fn together_ten_queries_are_under_way_and_in_turn_one() {
        let Some(t) = measured(run).await else { return };
        for place in ["far away", "slow"] {
            let of = |way| under_way(&t[&*format!("{place}, {way}")]);
            assert_eq!((of("in turn"), of("together")), (1, 10), "{place}");
        }
    }

    #[tokio::test]
    async fn a_round_trip_is_waited_for_in_turn_each_time_and_together_once() {
        let Some(t) = measured(run).await else { return };
        let (in_turn, together) = (&t["far away, in turn"], &t["far away, together"]);
        assert!(in_turn.elapsed >= ticks(10) && together.elapsed >= ticks(1));
        // A tenth, and a bound that leaves room for a slow machine.
        assert!(together.elapsed < in_turn.elapsed / 2);
    }

    #[tokio::test]
    async fn one_session_works_on_one_statement_after_another_in_their_order() {
        let Some(t) = measured(run).await else { return };
        let together = &t["slow, together"];
        assert!(together.elapsed >= ticks(10));
        for order in ORDERS {
            let lane = together.lane(&format!("packs({order})"));
            assert!(lane.end >= ticks(order), "{order}");
        }
    }

    #[tokio::test]
    async fn ten_sessions_work_side_by_side() {
        let Some(t) = measured(run).await else { return };
        let (one, ten) = (&t["slow, together"], &t["slow, ten connections"]);
        assert!(ten.elapsed >= ticks(1) && ten.elapsed < one.elapsed / 2);
    }

    #[tokio::test]
    async fn one_that_fails_takes_none_of_the_others_with_it() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let client = served(connect(postgres.url(), NoTls).await.unwrap());
        let divide = client.prepare("select 1 / $1::int4").await.unwrap();
        let divide = async |by: i32| client.query_one(&divide, &[&by]).await.is_ok();
        let answered = join_all((-2..8).map(divide)).await;
        assert_eq!(answered.iter().position(|&answered| !answered), Some(2));
        assert_eq!(answered.iter().filter(|&&answered| answered).count(), 9);
    }
}
