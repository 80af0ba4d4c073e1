//! Worker processes that are killed: what the lesson counts, and a hundred kills at random moments.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::{
    hash::{BuildHasher, RandomState},
    process::{Child, Command, Stdio},
    time::Duration,
};

use timing::report::Ended;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, NoTls};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ch08-databases");
const KILLS: u32 = 100;
const WORKERS: usize = 4;

#[tokio::test]
async fn a_killed_worker_loses_nothing_unless_it_has_marked_its_job() {
    if scratch_postgres::for_test().await.is_none() {
        return;
    }
    let mut program = Command::new(PROGRAM);
    let lesson = chapter::measured(program.arg("job-queue").env_remove("DATABASE_URL"));
    let expected = [
        ("4 workers", [20, 20, 20, 0, 0]),
        ("a fifth is killed", [21, 20, 20, 0, 0]),
        ("killed after marking", [20, 19, 19, 0, 1]),
    ];
    for (variant, (label, counts)) in lesson.variants.iter().zip(expected) {
        assert_eq!(variant.label, label);
        for (what, count) in ["begun", "done", "parcels", "twice", "lost"]
            .iter()
            .zip(counts)
        {
            assert_eq!(*variant.count(what), count, "{label}: {what}");
        }
        assert_eq!(variant.lanes.len(), WORKERS);
        let ended = |lane: &timing::report::Lane| lane.ended == Ended::Returned;
        assert!(variant.lanes.iter().all(ended), "{label}");
    }
}

fn worker(url: &str) -> Child {
    Command::new(PROGRAM)
        .args(["worker-of-a-lesson", "job_queue::packs"])
        .env("JOB_QUEUE_URL", url)
        .env("JOB_QUEUE_MILLISECONDS", "10")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_hundred_random_kills_lose_no_job_and_do_none_twice() {
    let Some(postgres) = scratch_postgres::for_test().await else {
        return;
    };
    let (client, connection) = tokio_postgres::connect(postgres.url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let tables = "create table jobs (id serial primary key, state text not null default 'new');
                  create table parcels (job int not null);
                  create sequence begun";
    client.batch_execute(tables).await.unwrap();
    let mut workers: Vec<_> = (0..WORKERS).map(|_| worker(postgres.url())).collect();
    for kill in 0..KILLS {
        // As many as a worker packs in the time between two kills, so that there is always something to do.
        let jobs = "insert into jobs select from generate_series(1, 10)";
        client.execute(jobs, &[]).await.unwrap();
        let seed = RandomState::new().hash_one(kill);
        println!("kill {kill}: seed {seed}");
        sleep(Duration::from_micros(seed % 60_000)).await;
        let victim = &mut workers[(seed >> 32) as usize % WORKERS];
        victim.kill().unwrap();
        victim.wait().unwrap();
        *victim = worker(postgres.url());
    }
    let left = "select count(*) from jobs where state = 'new'";
    let all_done = async {
        while number(&client, left).await > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(50), all_done).await.unwrap();
    for mut worker in workers {
        let _ = worker.kill(); // most have ended by themselves
        worker.wait().unwrap();
    }

    let jobs = number(&client, "select count(*) from jobs where state = 'done'").await;
    assert_eq!(jobs, i64::from(KILLS) * 10);
    assert_eq!(number(&client, "select count(*) from parcels").await, jobs);
    assert_eq!(
        number(&client, "select count(distinct job) from parcels").await,
        jobs
    );
    let begun = number(&client, "select last_value from begun").await;
    assert!(
        begun > jobs,
        "no kill has met a worker in the middle of a job"
    );
}
