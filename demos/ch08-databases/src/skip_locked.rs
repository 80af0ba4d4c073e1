//! # Taking a job from a table: one job each, and no waiting
//!
//! There are 4 jobs, and 4 workers take one each and pack it for 2 ticks. With a plain `select` all of them take job
//! 1: 4 parcels, 3 too many, and 3 jobs left. With `for update` (see `databases/row-lock`) each gets a job of its
//! own, but waits until the worker before it has committed: 8 ticks. An `update … returning` of the first new job
//! waits, too, and then finds the job taken: 3 workers get no row although 3 jobs are left, so a worker that stops at
//! "no row" stops too early. With `for update skip locked` each passes over the rows that others have locked: 4
//! parcels after 2 ticks.
//!
//! asyncio: Queue.get, get_nowait, SKIP LOCKED
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! async with connection.transaction():
//!     job = await connection.fetchval("select id from jobs where state = 'new' "
//!                                     "order by id limit 1 for update skip locked")     # None: none is free
//!     await pack(job, connection)
//!     await connection.execute("update jobs set state = 'done' where id = $1", job)         # or it is taken again
//! ```
//!
//! Not the same: `get` of an asyncio.Queue needs no lock, because no other task runs while it takes its item. A table
//! has many clients at once: what a `select` has read may have changed before its answer arrives. The lock on the row
//! lasts until the end of the transaction, so the transaction has to span the whole job, in Python as in Rust.

use anyhow::Result;
use futures_util::future::try_join_all;
use scratch_postgres::Postgres;
use timing::{
    Timings,
    law::{Law, exactly, max, sum, waves},
    ticks,
};
use tokio::{sync::Barrier, time::sleep};
use tokio_postgres::{Client, NoTls};
use tracing::{info, instrument};

use crate::{options::Options, postgres::served};

const WORKERS: usize = 4;

const TABLES: &str = "
    create table jobs (id int primary key, state text not null);
    create table parcels (job int not null)";
const OPEN: &str = "
    truncate jobs, parcels;
    insert into jobs select id, 'new' from generate_series(1, 4) id";

/// How a job is taken. The ways differ in nothing else.
const NO_LOCK: &str = "select id from jobs where state = 'new' order by id limit 1";
const FOR_UPDATE: &str = "select id from jobs where state = 'new' order by id limit 1 for update";
const RETURNING: &str = "update jobs set state = 'taken' where state = 'new' and id =
    (select id from jobs where state = 'new' order by id limit 1) returning id";
const SKIP_LOCKED: &str =
    "select id from jobs where state = 'new' order by id limit 1 for update skip locked";

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let clients = [(); WORKERS].map(|()| connect(postgres.url()));
    let mut clients = try_join_all(clients).await?;
    clients[0].batch_execute(TABLES).await?;

    let ways: [(&str, &str, Law, usize); 4] = [
        ("select, then update", NO_LOCK, max([2; WORKERS]), WORKERS),
        ("for update", FOR_UPDATE, sum([2; WORKERS]), 1),
        ("update … returning", RETURNING, exactly(2), 1),
        (
            "for update skip locked",
            SKIP_LOCKED,
            waves(4, 4, 2),
            WORKERS,
        ),
    ];
    for (label, take, law, together) in ways {
        clients[0].batch_execute(OPEN).await?;
        // Where no worker waits for another, none begins to pack before all have taken a job.
        let taken = Barrier::new(together);
        let all = (1..).zip(&mut clients);
        let all = all.map(|(n, client)| packs_one(n, client, take, &taken));
        let jobs = t.time(label, law, try_join_all(all)).await?;
        count(t, &clients[0], &jobs).await?;
    }
    Ok(())
}

/// Returns the job that it has packed, if it got one.
#[instrument(ret, err, skip(client, take, taken))]
async fn packs_one(
    worker: u32,
    client: &mut Client,
    take: &str,
    taken: &Barrier,
) -> Result<Option<i32>> {
    let transaction = client.transaction().await?;
    let row = transaction.query_opt(take, &[]).await?;
    taken.wait().await;
    let Some(row) = row else { return Ok(None) };
    let job: i32 = row.try_get(0)?;
    sleep(ticks(2)).await;
    let pack = "insert into parcels values ($1)";
    transaction.execute(pack, &[&job]).await?;
    let done = "update jobs set state = 'done' where id = $1";
    transaction.execute(done, &[&job]).await?;
    transaction.commit().await?; // only now a lock is given up
    Ok(Some(job))
}

async fn count(t: &mut Timings, client: &Client, jobs: &[Option<i32>]) -> Result<()> {
    let no_row = jobs.iter().filter(|job| job.is_none()).count();
    for (what, query) in [
        ("parcels", "select count(*) from parcels"),
        (
            "too many",
            "select count(*) - count(distinct job) from parcels",
        ),
        ("jobs left", "select count(*) from jobs where state = 'new'"),
    ] {
        let number: i64 = client.query_one(query, &[]).await?.try_get(0)?;
        t.count(what, number);
    }
    t.count("workers with no row", no_row);
    Ok(())
}

async fn connect(url: &str) -> Result<Client> {
    Ok(served(tokio_postgres::connect(url, NoTls).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;
    use timing::report::Variant;

    #[track_caller]
    fn assert_counts(variant: &Variant, counts: [u32; 4]) {
        let names = ["parcels", "too many", "jobs left", "workers with no row"];
        for (what, count) in names.iter().zip(counts) {
            assert_eq!(*variant.count(what), count, "{what}");
        }
    }

    #[tokio::test]
    async fn without_a_lock_all_take_the_same_job() {
        let Some(t) = measured(run).await else { return };
        assert_counts(&t["select, then update"], [4, 3, 3, 0]);
    }

    #[tokio::test]
    async fn for_update_makes_them_wait_for_each_other() {
        let Some(t) = measured(run).await else { return };
        let queued = &t["for update"];
        assert_counts(queued, [4, 0, 0, 0]);
        assert!(queued.elapsed >= ticks(8));
        let mut ends: Vec<_> = queued.lanes.iter().map(|lane| lane.end).collect();
        ends.sort();
        for (before, end) in (1_u32..).zip(ends) {
            assert!(end >= ticks(2 * before));
        }
    }

    #[tokio::test]
    async fn a_worker_that_has_waited_may_get_no_row_although_jobs_are_left() {
        let Some(t) = measured(run).await else { return };
        let waited = &t["update … returning"];
        assert!(waited.elapsed >= ticks(2));
        assert_counts(waited, [1, 0, 3, 3]);
    }

    #[tokio::test]
    async fn skip_locked_gives_each_a_job_of_its_own() {
        let Some(t) = measured(run).await else { return };
        assert_counts(&t["for update skip locked"], [4, 0, 0, 0]);
    }
}
