//! The recorder of a whole process: other threads, and panics. One test at a time, as a chapter runs one lesson at a time.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::{process::Command, sync::OnceLock, time::Duration};

use timing::{
    Timings,
    law::none,
    recorder::{Live, Recorder},
    report::{Ended, Level},
};
use tokio::sync::{Mutex, MutexGuard};
use tracing::{info, instrument};

/// Set in a copy of this program that [`a_panic_is_one_line_in_its_lane_and_nothing_on_stderr`] starts.
const CHILD: &str = "TIMING_TEST_CHILD";

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Measures with the recorder of the process, alone until the guard is dropped.
async fn measure() -> (Timings, MutexGuard<'static, ()>) {
    let alone = ONE_AT_A_TIME.lock().await;
    (timings(), alone)
}

fn measure_without_a_runtime() -> (Timings, MutexGuard<'static, ()>) {
    let alone = ONE_AT_A_TIME.blocking_lock();
    (timings(), alone)
}

fn timings() -> Timings {
    static RECORDER: OnceLock<Recorder> = OnceLock::new();
    let recorder = RECORDER.get_or_init(|| {
        let recorder = Recorder::install().unwrap();
        if std::env::var_os(CHILD).is_none() {
            // The panic of a failed assertion is narration too: without this, nobody would read it.
            recorder.listen(|live| {
                if let Live::Said(said) = live {
                    eprintln!("{}", said.text);
                }
            });
        }
        recorder
    });
    Timings::on(recorder.clone())
}

#[instrument(ret, target = "ch00_test")]
fn adds(a: u32, b: u32) -> u32 {
    a + b
}

#[tokio::test]
async fn a_blocking_thread_is_recorded_and_is_not_the_loop() {
    let (mut t, _alone) = measure().await;
    t.time("v", none(), async {
        adds(1, 1);
        tokio::task::spawn_blocking(|| adds(2, 2)).await.unwrap();
    })
    .await;
    assert!(t["v"].lane("adds(1, 1)").polls[0].on_loop);
    assert!(!t["v"].lane("adds(2, 2)").polls[0].on_loop);
}

#[test]
fn a_plain_thread_is_recorded_and_is_not_the_loop() {
    let (mut t, _alone) = measure_without_a_runtime();
    t.time_blocking("v", none(), || {
        std::thread::spawn(|| adds(3, 3)).join().unwrap();
    });
    assert!(!t["v"].lane("adds(3, 3)").polls[0].on_loop);
    assert_eq!(t["v"].lane("adds(3, 3)").ended, Ended::Returned);
}

#[test]
fn a_runtime_that_a_lesson_builds_is_recorded() {
    let (mut t, _alone) = measure_without_a_runtime();
    t.time_blocking("v", none(), || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::spawn(async { adds(4, 4) }).await.unwrap();
            adds(5, 5);
        });
    });
    assert!(!t["v"].lane("adds(4, 4)").polls[0].on_loop);
    assert!(t["v"].lane("adds(5, 5)").polls[0].on_loop);
}

#[tokio::test]
async fn a_thread_that_goes_on_does_not_write_into_the_next_variant() {
    #[instrument(ret, target = "ch00_test")]
    fn waits_for(done: std::sync::mpsc::Receiver<()>) {
        done.recv().unwrap();
        info!(target: "ch00_test", "late");
    }
    let (mut t, _alone) = measure().await;
    let (finish, done) = std::sync::mpsc::channel();
    let thread = t
        .time("first", none(), async {
            let (started, begins) = tokio::sync::oneshot::channel();
            let thread = std::thread::spawn(move || {
                adds(6, 6);
                started.send(()).unwrap();
                waits_for(done);
            });
            begins.await.unwrap();
            thread
        })
        .await;
    t.time_blocking("second", none(), || {
        finish.send(()).unwrap();
        thread.join().unwrap();
    });
    // Whether its span opened before the first variant was over is up to the system; its ending never shows.
    let late = (t["first"].lanes.iter()).find(|lane| lane.label.starts_with("waits_for"));
    assert!(late.is_none_or(|lane| lane.ended == Ended::Outlived));
    assert!((t["second"].lanes.iter()).all(|lane| lane.ended == Ended::Returned));
    assert_eq!(t["second"].said[0].text, "late");
}

#[tokio::test(start_paused = true)]
async fn a_lesson_begins_with_a_clock_of_its_own() {
    let (mut before, alone) = measure().await;
    before.time("v", none(), async {}).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    info!(target: "ch00_test", "the lesson before");
    drop((before, alone));

    let (t, _alone) = measure().await;
    info!(target: "ch00_test", "first of all");
    let said = t.finish().said;
    assert_eq!(said.len(), 1);
    assert_eq!(
        (&*said[0].text, said[0].at),
        ("first of all", Duration::ZERO)
    );
}

#[tokio::test]
async fn a_panic_is_one_line_in_its_lane_and_nothing_on_stderr() {
    #[instrument(ret, target = "ch00_test")]
    async fn burns(dish: &'static str) {
        panic!("{dish} is burnt");
    }
    if std::env::var_os(CHILD).is_none() {
        let copy = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("a_panic_is_one_line_in_its_lane_and_nothing_on_stderr")
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&copy.stderr), "");
        let told = String::from_utf8_lossy(&copy.stdout).into_owned();
        assert!(copy.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let (mut t, _alone) = measure().await;
    let joined = t
        .time("v", none(), async { tokio::spawn(burns("tea")).await })
        .await;
    assert!(joined.unwrap_err().is_panic());
    let lane = t["v"].lane("burns");
    assert_eq!(lane.ended, Ended::Panicked);
    let [said] = &t["v"].said[..] else {
        panic!("one line, not {:?}", t["v"].said)
    };
    assert_eq!(said.lane.as_deref(), Some(&*lane.label));
    assert_eq!(
        (&*said.text, said.level),
        ("panicked: tea is burnt", Level::Error)
    );
}
