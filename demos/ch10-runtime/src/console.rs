//! # tokio-console: tasks seen from outside while they run
//!
//! A program that hangs or stutters doesn't say why. tokio-console is a second program, which asks the first over a
//! socket and lists its tasks: name, state, polls, busy and idle time. Here are three kinds of them to look at. One
//! planes a board and gives the loop back after each stroke of 10 ms: some 700 polls. One saws for 3 s in its only
//! poll; the tool warns meanwhile that it has never yielded. One waits for what keeps no waker: it is polled once, and
//! the tool warns that its waker is lost. The figures are counted below as well; only the tool gives the warnings.
//!
//! asyncio: python -m asyncio ps, python -m asyncio pstree, aiomonitor
//!
//! real clock: a thread that is blocked
//!
//! ```python
//! # from another terminal, since Python 3.14, with the number of the process:
//! # python -m asyncio ps 4711         its tasks, and what each of them awaits
//! # python -m asyncio pstree 4711     the same as a tree
//! with aiomonitor.start_monitor(asyncio.get_running_loop()):    # then: telnet localhost 20101
//!     await main()
//! ```
//!
//! Not the same: `python -m asyncio ps` reads the memory of any process that it may trace, once. A program on tokio
//! has to be built for its console: with `--cfg tokio_unstable`, so that tokio reports what its tasks do, with the
//! crate console-subscriber, which serves the reports, and with `task::Builder` where a task is to have a name. What
//! it shows is kept up to date. It has no stack of awaits like Python's, only the line where a task was spawned.

use std::{future::pending, thread};

use anyhow::Result;
use timing::{Timings, law::sum, ticks};
use tokio::{
    task::{JoinSet, yield_now},
    time::sleep,
};
use tracing::{instrument, subscriber::DefaultGuard};

const SAWS: u32 = 4;

pub async fn run(t: &mut Timings) -> Result<()> {
    let _served = serve(t)?;
    // 20 seconds in all, enough to start the tool. A saw has the loop for 3 of them: the tool warns after one.
    workshop(t, 10).await
}

/// `step` is in ticks: for 2 steps all have the loop, for 3 a saw has it, and so on.
async fn workshop(t: &mut Timings, step: u32) -> Result<()> {
    let law = sum([2 * step, 3 * step].repeat(SAWS as usize));
    t.time("open", law, open(step)).await?;
    t.count("tasks started", t["open"].lanes.len());
    for task in ["planes", "waits_for_glue", "saws(1)"] {
        let lane = t["open"].lane(task);
        let (polls, longest) = (lane.polls.len(), lane.longest_poll().as_millis());
        let figures = format!("{polls}, {longest} ms");
        t.count(format!("{task}: polls, longest"), figures);
    }
    Ok(())
}

async fn open(step: u32) -> Result<()> {
    let mut tasks = JoinSet::new();
    spawn(&mut tasks, "planes", planes())?;
    spawn(&mut tasks, "waits for glue", waits_for_glue())?;
    for saw in 1..=SAWS {
        sleep(ticks(2 * step)).await;
        spawn(&mut tasks, "saws", saws(saw, 3 * step))?;
        tasks.join_next().await.transpose()?; // the saw: the two others have no end
    }
    tasks.shutdown().await;
    Ok(())
}

/// Busy, and no harm to others: it is always ready, and each poll is one stroke.
#[instrument(ret)]
async fn planes() {
    loop {
        works(0.1);
        yield_now().await;
    }
}

/// What it awaits keeps no waker, so nothing is left that could wake it. In a lane this looks like a long wait; tokio
/// reports when a waker is cloned or dropped, and the console knows that there is none.
#[instrument(ret)]
async fn waits_for_glue() {
    pending().await
}

/// All of it in the first poll, since nothing here is awaited.
#[instrument(ret, skip(time))]
async fn saws(saw: u32, time: u32) {
    works(time);
}

/// For the runtime a thread that sleeps is as busy as one that computes, and the machine has its cores for others.
fn works(time: impl Into<f64>) {
    #[expect(clippy::disallowed_methods, reason = "busy time is to be seen")]
    thread::sleep(ticks(time));
}

fn spawn(
    tasks: &mut JoinSet<()>,
    name: &str,
    work: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    #[cfg(all(feature = "console", tokio_unstable))]
    tasks.build_task().name(name).spawn(work)?;
    #[cfg(not(all(feature = "console", tokio_unstable)))]
    let _ = (name, tasks.spawn(work)); // without the console only tests come here
    Ok(())
}

/// Until the guard is dropped, tokio's reports about the tasks of this thread go to the console. Its server has a
/// thread and a runtime of its own, and answers also while a saw has the loop.
#[cfg(all(feature = "console", tokio_unstable))]
fn serve(t: &Timings) -> Result<DefaultGuard> {
    // The server doesn't tell which port it got, so a free one is looked for; another program could take it
    // first. In a program of your own it can stay at the default, 6669.
    let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let console = console_subscriber::ConsoleLayer::builder().server_addr(free);
    tracing::info!("the tool: cargo install tokio-console");
    tracing::info!("in another terminal: tokio-console http://{free}");
    Ok(t.record_beside(console.spawn()))
}

#[cfg(not(all(feature = "console", tokio_unstable)))]
fn serve(_t: &Timings) -> Result<DefaultGuard> {
    let lacks = match (cfg!(feature = "console"), cfg!(tokio_unstable)) {
        (true, _) => "`--cfg tokio_unstable`",
        (_, true) => "the feature `console`",
        _ => "the feature `console` and `--cfg tokio_unstable`",
    };
    Err(chapter::skip(format!(
        "this build lacks {lacks}\n\
         \x20 a build with both, in a folder of its own, since the flag rebuilds all:\n\
         \x20   RUSTFLAGS=\"--cfg tokio_unstable\" cargo run -p ch10-runtime \\\n\
         \x20     --features console --target-dir target/console -- console"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Ended, Lane, Poll, Variant};

    async fn short() -> Timings {
        Timings::of(async |t: &mut Timings| workshop(t, 1).await).await
    }

    fn saws(open: &Variant) -> Vec<&Lane> {
        let lanes = open.lanes.iter();
        lanes
            .filter(|lane| lane.label.starts_with("saws"))
            .collect()
    }

    #[tokio::test]
    async fn a_saw_has_one_poll_as_long_as_itself() {
        let t = short().await;
        assert_eq!(*t["open"].count("tasks started"), 6);
        for saw in saws(&t["open"]) {
            assert_eq!((saw.polls.len(), saw.ended), (1, Ended::Returned));
            assert!(saw.longest_poll() >= ticks(3));
        }
    }

    #[tokio::test]
    async fn a_plane_has_many_polls_and_none_while_a_saw_has_the_loop() {
        let t = short().await;
        let plane = &t["open"].lane("planes").polls;
        // One before each saw at least, however slow the machine is.
        assert!(plane.len() >= SAWS as usize);
        for saw in saws(&t["open"]) {
            let apart = |poll: &Poll| poll.end <= saw.start || poll.start >= saw.end;
            assert!(plane.iter().all(apart));
        }
    }

    #[tokio::test]
    async fn what_nothing_wakes_is_polled_once() {
        let t = short().await;
        let waits = t["open"].lane("waits_for_glue");
        assert_eq!((waits.polls.len(), waits.ended), (1, Ended::Cancelled));
    }
}
