//! # A queue in a table: a worker is killed, no job is lost
//!
//! Four worker processes pack 20 orders that stand in a table. Each takes the next row with `for update skip locked`
//! (see `databases/skip-locked`), packs the order, and commits the parcel and `done` together. A fifth one is slow
//! and is killed (SIGKILL) in the middle of its job: the server ends its transaction, and another worker takes the
//! row. 21 jobs have begun, 20 are done, and there are 20 parcels, 0 of them twice. If a first transaction marks the
//! job as taken, the kill leaves it taken for ever: 19 parcels, 1 order lost.
//!
//! asyncio: Queue, multiprocessing.Queue, Process, task_done
//!
//! real clock: processes, and a real PostgreSQL
//!
//! ```python
//! async with connection.transaction():
//!     job = await connection.fetchrow("select id from jobs where state = 'new' "
//!                                     "limit 1 for update skip locked")    # None where no row is free
//!     await pack(job["id"], connection)
//!     await connection.execute("update jobs set state = 'done' where id = $1", job["id"])
//! ```
//!
//! Not the same: a `multiprocessing.Queue` forgets a job when it hands it over, and the job of a killed worker is
//! lost, like the parcel in `queues/cancelled-consumer`. Here the server keeps it, in Python as in Rust: a closed
//! connection tells it that the worker is gone. What stands outside the database, such as a mail, isn't part of the
//! transaction and may be done twice. The workers need only the URL, so they can run on several machines. One that
//! loses its power closes nothing: its row stays locked for two hours, unless `tcp_keepalives_idle` is set lower.

use std::{env, io::Write, time::Duration};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use scratch_postgres::Postgres;
use timing::{Timings, law::none, ticks};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    time::sleep,
};
use tokio_postgres::{Client, NoTls};
use tracing::{info, instrument};

use crate::{options::Options, postgres::served};

const JOBS: i64 = 20;
const WORKERS: u32 = 4;

/// Handed over in the environment: every user of a machine can read the arguments of its processes.
const URL: &str = "JOB_QUEUE_URL";
const PAUSE: &str = "JOB_QUEUE_MILLISECONDS";

const TABLES: &str = "
    create table jobs (id int primary key, state text not null);
    create table parcels (job int not null);
    create sequence begun";

/// A row that another transaction has locked is passed over, and not waited for.
const TAKE: &str =
    "select id from jobs where state = 'new' order by id limit 1 for update skip locked";

const DONE: &str = "select count(*) from jobs where state = 'done'";

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let shop = Shop::open(postgres.url()).await?;

    let day = shop.day("job_queue::packs", false);
    t.time("4 workers", none(), day).await?;
    shop.count(t).await?;

    let day = shop.day("job_queue::packs", true);
    t.time("a fifth is killed", none(), day).await?;
    shop.count(t).await?;

    let day = shop.day("job_queue::marks_first", true);
    t.time("killed after marking", none(), day).await?;
    shop.count(t).await
}

/// A worker: runs in a process of its own.
pub fn packs() -> Result<()> {
    works_until_all_is_done(false)
}

/// The same with a transaction of its own for taking a job.
pub fn marks_first() -> Result<()> {
    works_until_all_is_done(true)
}

#[tokio::main(flavor = "current_thread")]
async fn works_until_all_is_done(mark_first: bool) -> Result<()> {
    let mut client = connect(&env::var(URL)?).await?;
    let pause = Duration::from_millis(env::var(PAUSE)?.parse()?);
    while is_any_new(&client).await? {
        let mut job = client.transaction().await?;
        let Some(row) = job.query_opt(TAKE, &[]).await? else {
            // Others have the last jobs. If one of them is killed, somebody has to be there to take its job.
            drop(job);
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let id: i32 = row.try_get(0)?;
        if mark_first {
            let taken = "update jobs set state = 'taken' where id = $1";
            job.execute(taken, &[&id]).await?;
            job.commit().await?; // <- the difference: from here on nobody else can take it
            job = client.transaction().await?;
        }
        // A sequence counts what is rolled back, too.
        job.execute("select nextval('begun')", &[]).await?;
        writeln!(std::io::stdout(), "{id}")?;
        sleep(pause).await;
        job.execute("insert into parcels values ($1)", &[&id])
            .await?;
        let done = "update jobs set state = 'done' where id = $1";
        job.execute(done, &[&id]).await?;
        job.commit().await?;
    }
    Ok(())
}

/// A job that is being packed is `new` for everybody else until its transaction is committed.
async fn is_any_new(client: &Client) -> Result<bool> {
    let any = "select exists (select from jobs where state = 'new')";
    Ok(client.query_one(any, &[]).await?.try_get(0)?)
}

struct Shop<'a> {
    client: Client,
    url: &'a str,
}

impl<'a> Shop<'a> {
    async fn open(url: &'a str) -> Result<Self> {
        let client = connect(url).await?;
        client.batch_execute(TABLES).await?;
        Ok(Self { client, url })
    }

    async fn day(&self, worker: &str, kill: bool) -> Result<()> {
        let jobs = "insert into jobs select id, 'new' from generate_series(1, $1::bigint) id";
        let empty = "truncate jobs, parcels; alter sequence begun restart";
        self.client.batch_execute(empty).await?;
        self.client.execute(jobs, &[&JOBS]).await?;
        let slow = if kill {
            Some(self.slow(worker).await?)
        } else {
            None
        };
        let all = (1..=WORKERS).map(async |n| works(n, self.start(worker, 20)?).await);
        tokio::try_join!(try_join_all(all), self.kills(slow))?;
        Ok(())
    }

    fn start(&self, worker: &str, milliseconds: u32) -> Result<Child> {
        let mut worker = chapter::worker(worker)?;
        worker
            .env(URL, self.url)
            .env(PAUSE, milliseconds.to_string());
        Ok(worker.spawn()?)
    }

    /// Starts a worker that needs an hour for a job, and returns when it has begun with one.
    async fn slow(&self, worker: &str) -> Result<Child> {
        let mut child = self.start(worker, 3_600_000)?;
        let says = child.stdout.take().context("it is piped")?;
        let job = BufReader::new(says).lines().next_line().await?;
        let job = job.context("the slow worker has ended")?;
        info!("the slow worker has begun with job {job}");
        Ok(child)
    }

    /// Waits until its job is the only one that isn't done. So the others have passed it over until then.
    async fn kills(&self, slow: Option<Child>) -> Result<()> {
        let Some(mut slow) = slow else { return Ok(()) };
        while self.number(DONE).await? < JOBS - 1 {
            sleep(ticks(0.1)).await;
        }
        slow.kill().await?;
        info!("the slow worker is killed");
        Ok(())
    }

    async fn number(&self, query: &str) -> Result<i64> {
        Ok(self.client.query_one(query, &[]).await?.try_get(0)?)
    }

    async fn count(&self, t: &mut Timings) -> Result<()> {
        for (what, query) in [
            ("begun", "select last_value from begun"),
            ("done", DONE),
            ("parcels", "select count(*) from parcels"),
            (
                "twice",
                "select count(*) - count(distinct job) from parcels",
            ),
            ("lost", "select count(*) from jobs where state <> 'done'"),
        ] {
            t.count(what, self.number(query).await?);
        }
        Ok(())
    }
}

/// A lane for the process.
#[instrument(ret, err, skip(child))]
async fn works(worker: u32, mut child: Child) -> Result<()> {
    let _alive = child.stdin.take(); // a worker ends when this end of the pipe is closed
    let status = child.wait().await?;
    ensure!(status.success(), "{status}");
    Ok(())
}

async fn connect(url: &str) -> Result<Client> {
    Ok(served(tokio_postgres::connect(url, NoTls).await?))
}
