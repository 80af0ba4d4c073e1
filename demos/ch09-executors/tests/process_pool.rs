//! Workers and pools, and kills that come at random moments: no part is lost, and no worker is left behind.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use timing::report::{Ended, Lesson, Outcome, Report};
use tokio::time::{Instant, sleep};

const KILLS: u32 = 100;
const SIZES: &str = "[0, 1, 4, 9, 16, 25]";

fn lesson(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ch09-executors"));
    command
        .args(arguments)
        .args(["--json", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn measured(lesson: Child) -> Lesson {
    let output = lesson.wait_with_output().unwrap();
    let report: Result<Report, _> = serde_json::from_slice(&output.stdout);
    let mut report =
        report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    report.lessons.remove(0)
}

#[test]
fn a_worker_that_died_is_told_apart_from_one_that_sends_rubbish() {
    let lesson = measured(lesson(&["worker-process"]).spawn().unwrap());
    assert_eq!(lesson.outcome, Outcome::Ran);
    let rubbish = "its worker sent rubbish: a frame of 1835360627 bytes";
    let expected = [
        ("a worker for each part", 3, "[1, 4, 9]"),
        ("one worker", 1, "[1, 4, 9]"),
        ("killed", 1, "its worker died"),
        ("prints", 1, rubbish),
    ];
    for (variant, (label, started, sizes)) in lesson.variants.iter().zip(expected) {
        assert_eq!(variant.label, label);
        assert_eq!(*variant.count("started"), started, "{label}");
        assert_eq!(*variant.count("sizes"), sizes, "{label}");
    }
}

#[test]
fn a_pool_is_kept_and_a_part_whose_worker_is_lost_is_measured_by_another() {
    let lesson = measured(lesson(&["process-pool"]).spawn().unwrap());
    assert_eq!(lesson.outcome, Outcome::Ran);
    let expected = [
        ("a pool for each part", [6, 0, 0]),
        ("one pool", [2, 0, 0]),
        ("a worker is killed", [3, 1, 0]),
        ("a worker prints", [3, 0, 1]),
    ];
    for (variant, (label, counts)) in lesson.variants.iter().zip(expected) {
        assert_eq!(variant.label, label);
        for (what, count) in ["started", "died", "rubbish"].into_iter().zip(counts) {
            assert_eq!(*variant.count(what), count, "{label}: {what}");
        }
        assert_eq!(*variant.count("results"), SIZES, "{label}");
        let lost = variant
            .lanes
            .iter()
            .filter(|lane| lane.ended == Ended::Failed);
        assert_eq!(
            lost.count(),
            counts[1] as usize + counts[2] as usize,
            "{label}"
        );
    }
}

#[tokio::test]
async fn a_hundred_random_kills_lose_no_part_and_double_none() {
    let mut random = Random(0x9E37);
    let mut kills = 0;
    while kills < KILLS {
        let seed = random.0;
        let mut pool = lesson(&["process-pool", "--tick", "20ms"]).spawn().unwrap();
        let mut seen = Vec::new();
        while pool.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(random.below(100))).await;
            let workers = workers_of(pool.id());
            if !workers.is_empty() {
                let worker = workers[random.below(workers.len() as u64) as usize];
                // It may have ended since.
                let _ = kill_process(worker, Signal::KILL);
                kills += 1;
            }
            seen.extend(workers);
        }
        let lesson = measured(pool);
        assert_eq!(lesson.outcome, Outcome::Ran, "seed {seed}");
        for variant in &lesson.variants {
            let results = variant.count("results");
            assert_eq!(*results, SIZES, "seed {seed}: {}", variant.label);
        }
        assert!(
            !seen.into_iter().any(is_worker),
            "seed {seed}: a worker is left"
        );
    }
}

#[tokio::test]
async fn no_worker_outlives_a_pool_that_is_killed_in_the_middle_of_a_part() {
    let mut random = Random(0x79B9);
    let mut in_the_middle = 0;
    for round in 0..25 {
        // A part takes a minute, so a worker that is gone before has not finished it.
        let mut pool = lesson(&["process-pool", "--tick", "60s"]).spawn().unwrap();
        let moment = random.below(300);
        sleep(Duration::from_millis(moment)).await;
        let workers = workers_of(pool.id());
        pool.kill().unwrap();
        pool.wait().unwrap();
        in_the_middle += usize::from(!workers.is_empty());
        let late = Instant::now() + Duration::from_secs(30);
        for worker in workers {
            while is_worker(worker) {
                assert!(
                    Instant::now() < late,
                    "round {round}, {moment} ms: a worker is left"
                );
                sleep(Duration::from_millis(1)).await;
            }
        }
    }
    assert!(in_the_middle > 0);
}

/// The processes that `pool` has started and that haven't ended.
fn workers_of(pool: u32) -> Vec<Pid> {
    let children = fs::read_to_string(format!("/proc/{pool}/task/{pool}/children"));
    let children = children.unwrap_or_default();
    let workers = children
        .split_whitespace()
        .filter_map(|id| Pid::from_raw(id.parse().ok()?));
    workers.filter(|worker| is_worker(*worker)).collect()
}

/// A process that has ended has no command line, even if nobody has collected it yet.
fn is_worker(process: Pid) -> bool {
    let line = fs::read_to_string(format!("/proc/{}/cmdline", process.as_raw_nonzero()));
    line.is_ok_and(|line| line.contains("worker_process::works"))
}

/// The same numbers in every run: what fails once fails again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        // Knuth's numbers for MMIX; the upper bits are the random ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
