//! A chapter whose lessons go wrong, each in a way of its own, so that the command line around them can be tested.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use chapter::{Folder, Lesson, NoOptions, Run, Watch, Worker};
use timing::{
    Timings,
    law::{exactly, none},
    ticks,
};
use tokio::{io::AsyncWriteExt, time::sleep};
use tracing::{info, instrument};

fn main() -> ExitCode {
    let lessons: &[Lesson<NoOptions>] = &[
        Lesson {
            module: "keeps",
            source: "//! # Keeps its law\n//!\n//! asyncio: sleep\n",
            run: Run::OnLoop(|t, _| Box::pin(keeps(t))),
        },
        Lesson {
            module: "breaks_a_law",
            source: "//! # Breaks its law\n//!\n//! asyncio: sleep\n",
            run: Run::OnLoop(|t, _| Box::pin(breaks_a_law(t))),
        },
        Lesson {
            module: "fails",
            source: "//! # Returns an error\n",
            run: Run::MultiThread(|_, _| Box::pin(async { bail!("the stove is cold") })),
        },
        Lesson {
            module: "panics",
            source: "//! # Panics\n",
            run: Run::OnLoop(|t, _| Box::pin(panics(t))),
        },
        Lesson {
            module: "skips",
            source: "//! # Needs a server\n",
            run: Run::OffLoop(|_, _| Err(chapter::skip("it needs a server; name one"))),
        },
        Lesson {
            module: "real",
            source: "//! # Real clock only\n//!\n//! real clock: it reads sockets\n",
            run: Run::OnLoop(|t, _| Box::pin(keeps(t))),
        },
        Lesson {
            module: "waits",
            source: "//! # Waits for an hour\n",
            run: Run::OnLoop(|t, _| Box::pin(waits(t))),
        },
        Lesson {
            module: "blocks",
            source: "//! # Blocks its loop\n",
            run: Run::OnLoop(|_, _| Box::pin(async { keeps_a_folder() })),
        },
        Lesson {
            module: "cleans_up_slowly",
            source: "//! # Its blocking work takes long to end\n",
            run: Run::OnLoop(|t, _| Box::pin(cleans_up_slowly(t))),
        },
        Lesson {
            module: "talks",
            source: "//! # Talks a lot\n",
            run: Run::OnLoop(|t, _| Box::pin(talks(t))),
        },
        Lesson {
            module: "holds",
            source: "//! # Holds its loop, in every kind of lane\n",
            run: Run::OnLoop(|t, _| Box::pin(holds(t))),
        },
        Lesson {
            module: "holds_a_worker",
            source: "//! # Holds one thread of several\n",
            run: Run::MultiThread(|t, _| Box::pin(holds_a_worker(t))),
        },
        Lesson {
            module: "holds_again_and_again",
            source: "//! # Holds its loop often\n",
            run: Run::OnLoop(|t, _| Box::pin(holds_again_and_again(t))),
        },
        Lesson {
            module: "works_apart",
            source: "//! # Has a process of its own, which hangs\n",
            run: Run::OnLoop(|_, _| Box::pin(apart("hangs", Duration::from_millis(300)))),
        },
        Lesson {
            module: "talks_to_a_worker",
            source: "//! # Talks to a process of its own\n",
            run: Run::OnLoop(|_, _| Box::pin(talks_to_a_worker())),
        },
        Lesson {
            module: "waits_apart",
            source: "//! # Waits for a process that hangs\n",
            run: Run::OnLoop(|_, _| Box::pin(apart("hangs", Duration::from_secs(3_600)))),
        },
        Lesson {
            module: "fails_apart",
            source: "//! # Has a process of its own, which fails\n",
            run: Run::OnLoop(|_, _| Box::pin(apart("fails", Duration::from_secs(60)))),
        },
    ];
    chapter::main(
        "ch00-misbehaving",
        "what can go wrong around a lesson",
        lessons,
        &[
            Worker {
                name: "hangs",
                run: hangs,
                watch: Watch::ForTheParent,
            },
            Worker {
                name: "fails",
                run: || bail!("out of flour"),
                watch: Watch::ForTheParent,
            },
            Worker {
                name: "keeps_a_folder",
                run: keeps_a_folder,
                watch: Watch::ForTheParent,
            },
            Worker {
                name: "makes_folders",
                run: makes_folders,
                watch: Watch::ForTheParent,
            },
            Worker {
                name: "echoes",
                run: echoes,
                watch: Watch::ByItself,
            },
        ],
    )
}

async fn apart(name: &str, limit: Duration) -> Result<()> {
    let apart = chapter::apart(name, limit).await?;
    info!("killed: {}; it said {:?}", apart.killed, apart.said);
    Ok(())
}

async fn talks_to_a_worker() -> Result<()> {
    let mut worker = chapter::worker("echoes")?.env("TONE", "!").spawn()?;
    let mut to_it = worker.stdin.take().context("it is piped")?;
    to_it.write_all(b"milk").await?;
    drop(to_it);
    let said = worker.wait_with_output().await?.stdout;
    info!("it said {}", String::from_utf8(said)?);
    Ok(())
}

/// Needs all of its stdin, and goes on after its end.
fn echoes() -> Result<()> {
    let heard = std::io::read_to_string(std::io::stdin())?;
    println!("{heard}{}", std::env::var("TONE")?);
    Ok(())
}

/// Says on stderr which process it is, since a process that is never killed has nobody who reads its stdout.
fn hangs() -> Result<()> {
    println!("I hang");
    eprintln!("{}", std::process::id());
    blocks()
}

fn keeps_a_folder() -> Result<()> {
    let folder = Folder::temporary()?;
    std::fs::create_dir(folder.path().join("shelf"))?;
    std::fs::write(folder.path().join("shelf/page"), "tea")?;
    println!("{}", folder.path().display());
    blocks()
}

/// Makes one after another, and fails when one that it holds is lost.
fn makes_folders() -> Result<()> {
    for _ in 0..1_000 {
        let folder = Folder::temporary()?;
        let page = folder.path().join("page");
        std::fs::write(&page, "tea")?;
        std::thread::yield_now();
        ensure!(std::fs::read(&page)? == b"tea");
    }
    Ok(())
}

async fn keeps(t: &mut Timings) -> Result<()> {
    t.time("one tick", exactly(1), cook("tea", 1)).await;
    Ok(())
}

async fn breaks_a_law(t: &mut Timings) -> Result<()> {
    t.time("said one, took two", exactly(1), cook("tea", 2))
        .await;
    Ok(())
}

async fn panics(t: &mut Timings) -> Result<()> {
    t.time("spilt", exactly(0), spill()).await;
    Ok(())
}

async fn waits(t: &mut Timings) -> Result<()> {
    let hour = 36_000;
    let _cleaned = SaysGoodbye;
    t.time("an hour", exactly(hour), cook("stock", hour)).await;
    Ok(())
}

fn blocks() -> Result<()> {
    blocks_for(Duration::from_secs(60));
    Ok(())
}

fn blocks_for(long: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a blocked loop is what is tested"
    )]
    std::thread::sleep(long);
}

async fn cleans_up_slowly(t: &mut Timings) -> Result<()> {
    tokio::task::spawn_blocking(blocks);
    waits(t).await
}

async fn talks(t: &mut Timings) -> Result<()> {
    t.time("fifty lines", exactly(0), async {
        for line in 1..=50 {
            info!("line {line}");
        }
    })
    .await;
    Ok(())
}

async fn holds(t: &mut Timings) -> Result<()> {
    let long = Duration::from_millis(80);
    t.time("a spawned task", none(), tokio::spawn(naps(1, long)))
        .await?;
    t.time("a future in join!", none(), async {
        tokio::join!(cook("tea", 1), naps(2, long))
    })
    .await;
    let calls = calls(|| dozes(3, long));
    t.time("a function it calls", none(), calls).await;
    let job = tokio::task::spawn_blocking(move || dozes(4, long));
    t.time("a blocking thread", none(), job).await?;
    Ok(())
}

async fn holds_a_worker(t: &mut Timings) -> Result<()> {
    let task = tokio::spawn(naps(5, Duration::from_millis(80)));
    t.time("on a worker", none(), task).await?;
    Ok(())
}

async fn holds_again_and_again(t: &mut Timings) -> Result<()> {
    let nap = |nap| naps(nap, Duration::from_millis(2));
    let naps = futures_util::future::join_all((0..25).map(nap));
    t.time("25 naps", none(), naps).await;
    Ok(())
}

#[instrument(ret, skip(long))]
async fn naps(nap: u32, long: Duration) {
    blocks_for(long);
}

/// Another lane around that of the function that blocks.
#[instrument(ret, skip_all)]
async fn calls(blocks: impl FnOnce()) {
    blocks();
}

#[instrument(ret, skip(long))]
fn dozes(nap: u32, long: Duration) {
    blocks_for(long);
}

#[instrument(ret)]
async fn cook(dish: &'static str, time: u32) {
    info!("on the stove");
    sleep(ticks(time)).await;
}

#[instrument(ret)]
async fn spill() {
    panic!("milk");
}

struct SaysGoodbye;

impl Drop for SaysGoodbye {
    fn drop(&mut self) {
        info!("cleaned up");
    }
}
