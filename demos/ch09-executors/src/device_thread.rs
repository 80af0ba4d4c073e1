//! # A blocking device behind an async API
//!
//! The library of a saw only blocks, and its handle must stay in the thread that opened it. Three callers want a part
//! each; the cuts take 2, 1 and 2 ticks. Called in the loop, the saw keeps the loop's only thread for all 5 ticks.
//! With a thread that owns the saw the parts still take 5 ticks, in the same order, but a ticker on the loop goes on:
//! the jobs go there by a channel, and each answer comes back by a `oneshot`, as in `executors/bridge` the other way
//! round. A caller that is cancelled in the middle of its cut loses only the answer: 2 answers, 3 parts cut. If its
//! job is still in the channel, the thread finds out before it begins: 2 answers, 2 parts cut.
//!
//! asyncio: ThreadPoolExecutor(max_workers=1), run_in_executor, wait_for
//!
//! real clock: a thread that blocks
//!
//! ```python
//! saw = ThreadPoolExecutor(max_workers=1)       # every job runs in the same thread, in order
//! loop = asyncio.get_running_loop()
//! size = await loop.run_in_executor(saw, cut, "shaft")
//! await asyncio.wait_for(loop.run_in_executor(saw, cut, "gear"), 1)
//! ```
//!
//! Not the same: the executor drops a cancelled job that is still in its queue. Here a line of the thread does that.
//! Some of Python's handles refuse a second thread when they run: a `sqlite3.Connection` raises ProgrammingError. A
//! handle in Rust that must stay in its thread isn't `Send`, and moving it to another one, as `spawn_blocking` would,
//! doesn't compile. (SQLite's needn't stay: the `Connection` of `rusqlite` is `Send`.)

use std::{marker::PhantomData, rc::Rc, sync::mpsc, thread, time::Duration};

use anyhow::{Context, Result};
use futures_util::future::join_all;
use timing::{Ticked, Timings, beside_ticker, law::sum, ticks};
use tokio::{
    select,
    sync::{oneshot, watch},
    task::yield_now,
};
use tracing::instrument;

/// Each with the ticks it takes to cut it.
const PARTS: [(&str, u32); 3] = [("shaft", 2), ("gear", 1), ("axle", 2)];
const EVERY: Duration = Duration::from_millis(10);

pub async fn run(t: &mut Timings) -> Result<()> {
    let times = PARTS.map(|(_, time)| time);

    let work = beside_ticker(EVERY, cuts_in_the_loop());
    let (day, ticked) = t.time("called in the loop", sum(times), work).await;
    count(t, &day, ticked);

    let work = beside_ticker(EVERY, three_callers(None));
    let (day, ticked) = t.time("a thread owns it", sum(times), work).await;
    count(t, &day?, ticked);

    let work = beside_ticker(EVERY, three_callers(Some("shaft")));
    let (day, ticked) = t.time("cancelled in its cut", sum(times), work).await;
    count(t, &day?, ticked);

    let work = beside_ticker(EVERY, three_callers(Some("gear")));
    let law = sum([2, 2]); // the gear isn't cut
    let (day, ticked) = t.time("cancelled in the channel", law, work).await;
    count(t, &day?, ticked);
    Ok(())
}

async fn cuts_in_the_loop() -> Day {
    let mut saw = Saw::open();
    let answers = PARTS.map(|(part, time)| saw.cut(part, time)).to_vec();
    let cut = saw.done;
    Day { answers, cut }
}

/// All three ask at once. When the saw begins with the first part, the call for `cancelled` is dropped.
async fn three_callers(cancelled: Option<&str>) -> Result<Day> {
    let saw = SawThread::start();
    let calls = PARTS.map(async |(part, time)| {
        select! {
            biased;
            () = saw.begins_with("shaft"), if cancelled == Some(part) => None,
            size = saw.ask_for(part, time) => Some(size),
        }
    });
    let answers = join_all(calls).await.into_iter();
    let answers = answers.flatten().collect::<Result<_>>()?;
    let cut = saw.close().await?;
    Ok(Day { answers, cut })
}

/// What async code sees. Unlike the saw it can be shared between threads.
struct SawThread {
    jobs: mpsc::Sender<Job>,
    begun: watch::Receiver<&'static str>,
    cut: oneshot::Receiver<Vec<&'static str>>,
}

struct Job {
    part: &'static str,
    time: u32,
    reply: oneshot::Sender<u32>,
}

impl SawThread {
    fn start() -> Self {
        let (jobs, tray) = mpsc::channel();
        let (begins, begun) = watch::channel("nothing");
        let (tell, cut) = oneshot::channel();
        thread::spawn(move || tell.send(works(&tray, &begins)));
        Self { jobs, begun, cut }
    }

    /// `send` doesn't block, since this channel has no bound. The one of a `sync_channel` would block the loop when
    /// that is full.
    #[instrument(ret, err, skip(self))]
    async fn ask_for(&self, part: &'static str, time: u32) -> Result<u32> {
        let (reply, size) = oneshot::channel();
        let sent = self.jobs.send(Job { part, time, reply });
        sent.ok().context("the saw broke before this")?;
        size.await.context("the saw has broken")
    }

    async fn begins_with(&self, part: &str) {
        yield_now().await; // a caller asks before it can be cancelled
        let mut begun = self.begun.clone();
        let _broken = begun.wait_for(|&now| now == part).await;
    }

    /// Waits for what is in the channel, as `join` would, without blocking. Returns the parts that were cut. Who drops
    /// it instead waits for nothing: the thread finishes its cut, unless `main` ends first and cuts the thread off.
    async fn close(self) -> Result<Vec<&'static str>> {
        drop(self.jobs);
        self.cut.await.context("the saw has broken")
    }
}

/// Runs in the saw's thread, until the last sender is gone. The saw is opened here and closed here.
fn works(tray: &mpsc::Receiver<Job>, begins: &watch::Sender<&'static str>) -> Vec<&'static str> {
    let mut saw = Saw::open();
    for Job { part, time, reply } in tray {
        if reply.is_closed() {
            continue; // its caller has gone while the saw cut something else
        }
        begins.send_replace(part);
        let size = saw.cut(part, time);
        let _gone = reply.send(size); // fails if the caller has gone meanwhile; the part is cut anyway
    }
    saw.done
}

/// Stands for the library's handle. The `Rc` keeps it in its thread, as a raw pointer in it would.
struct Saw {
    done: Vec<&'static str>,
    not_send: PhantomData<Rc<()>>,
}

impl Saw {
    fn open() -> Self {
        let (done, not_send) = (Vec::new(), PhantomData);
        Self { done, not_send }
    }

    #[instrument(ret, skip(self))]
    fn cut(&mut self, part: &'static str, time: u32) -> u32 {
        assert!(part != "glass", "the saw breaks");
        #[expect(clippy::disallowed_methods, reason = "a library that blocks")]
        thread::sleep(ticks(time));
        self.done.push(part);
        20_000 + time
    }
}

struct Day {
    answers: Vec<u32>,
    /// In the order of the cuts.
    cut: Vec<&'static str>,
}

fn count(t: &mut Timings, day: &Day, ticked: Ticked) {
    t.count("answers", day.answers.len());
    t.count("cut", day.cut.join(" "));
    ticked.show(t);
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::{Ended, Variant};

    const OWNED: [&str; 3] = [
        "a thread owns it",
        "cancelled in its cut",
        "cancelled in the channel",
    ];

    fn gap(variant: &Variant) -> Duration {
        Duration::from_secs_f64(variant.count("longest gap, ms").number() / 1e3)
    }

    #[tokio::test]
    async fn called_in_the_loop_it_stops_the_loop() {
        let t = Timings::of(run).await;
        let called = &t["called in the loop"];
        assert!(gap(called) >= ticks(5));
        assert_eq!(*called.count("cut"), "shaft gear axle");
    }

    #[tokio::test]
    async fn a_thread_keeps_the_order_and_leaves_the_loop_free() {
        let t = Timings::of(run).await;
        let owned = &t["a thread owns it"];
        assert!(owned.elapsed >= ticks(5), "there is one saw");
        assert_eq!(*owned.count("cut"), "shaft gear axle");
        assert_eq!(*owned.count("answers"), 3);
        for label in OWNED {
            // A blocked loop has a gap of all of it.
            assert!(gap(&t[label]) < t[label].elapsed * 9 / 10, "{label}");
        }
    }

    #[tokio::test]
    async fn a_cut_under_way_is_finished_and_its_answer_lost() {
        let t = Timings::of(run).await;
        let cancelled = &t["cancelled in its cut"];
        assert_eq!(cancelled.lane("ask_for(\"shaft\"").ended, Ended::Cancelled);
        assert_eq!(*cancelled.count("answers"), 2);
        assert_eq!(*cancelled.count("cut"), "shaft gear axle");
    }

    #[tokio::test]
    async fn a_job_that_still_waits_is_not_begun() {
        let t = Timings::of(run).await;
        let cancelled = &t["cancelled in the channel"];
        assert_eq!(cancelled.lane("ask_for(\"gear\"").ended, Ended::Cancelled);
        assert_eq!(*cancelled.count("answers"), 2);

        // What isn't cut is told without a clock: one of three callers has gone before the thread looks.
        let (jobs, tray) = mpsc::channel();
        let waiting = PARTS.map(|(part, _)| {
            let ((reply, size), time) = (oneshot::channel(), 0);
            jobs.send(Job { part, time, reply }).unwrap();
            size
        });
        let [_shaft, gear, _axle] = waiting;
        drop((gear, jobs));
        let (begins, _begun) = watch::channel("nothing");
        assert_eq!(works(&tray, &begins), ["shaft", "axle"]);
    }

    #[tokio::test]
    async fn a_saw_that_breaks_is_an_error_for_every_caller() {
        let saw = SawThread::start();
        let calls = ["glass", "shaft", "gear"].map(|part| saw.ask_for(part, 0));
        assert!(join_all(calls).await.iter().all(Result::is_err));
        assert!(saw.close().await.is_err());
    }
}
