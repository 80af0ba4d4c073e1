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

use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use timing::report::{Ended, Lesson, Outcome};
use tokio::time::{Instant, sleep};

/// In one run: with the worker that dies by itself no part can lose 5, after which it would be given up.
const KILLS: u32 = 3;
/// Side by side, since a run waits most of the time.
const SEEDS: u64 = 5;
const RUNS: u32 = 5;
const SIZES: &str = "0 1 4 9 16 25";
const WITHOUT_0: &str = "lost 1 4 9 16 25";
const WITHOUT_2: &str = "0 1 lost 9 16 25";

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
    chapter::report(&output).unwrap().lessons.remove(0)
}

#[test]
fn a_worker_is_lost_in_three_ways_and_each_is_told_apart() {
    let lesson = measured(lesson(&["worker-process"]).spawn().unwrap());
    assert_eq!(lesson.outcome, Outcome::Ran);
    let died = "its worker died: exit status: 1";
    let rubbish = "its worker sent rubbish: a frame of 1835360627 bytes";
    let expected = [
        ("works", "[1, 4, 9]", 1),
        ("dies", died, 0),
        ("prints", rubbish, 1),
        ("hangs", "given up", 1),
    ];
    assert_eq!(lesson.variants.len(), expected.len());
    for (variant, (label, outcome, running)) in lesson.variants.iter().zip(expected) {
        assert_eq!(variant.label, label);
        assert_eq!(*variant.count("outcome"), outcome, "{label}");
        assert_eq!(*variant.count("still running"), running, "{label}");
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_is_told_by_its_signal() {
    for _ in 0..20 {
        let mut lesson = lesson(&["process-pool"]).spawn().unwrap();
        let mut killed = false;
        while !killed && lesson.try_wait().unwrap().is_none() {
            for worker in workers_of(lesson.id()) {
                // It may have ended since.
                killed |= kill_process(worker, Signal::KILL).is_ok();
            }
            sleep(Duration::from_millis(20)).await;
        }
        let lesson = measured(lesson);
        let mut said = lesson.variants.iter().flat_map(|variant| &variant.said);
        if said.any(|said| said.text.contains("its worker died: signal: 9 (SIGKILL)")) {
            return;
        }
    }
    panic!("no worker of 20 pools was killed");
}

#[test]
fn a_pool_is_kept_and_a_part_whose_worker_is_lost_is_measured_by_another() {
    let lesson = measured(lesson(&["process-pool"]).spawn().unwrap());
    assert_eq!(lesson.outcome, Outcome::Ran);
    let expected = [
        ("a pool for each part", [6, 0, 1], SIZES),
        ("one pool", [2, 0, 1], SIZES),
        ("a worker dies", [3, 1, 2], SIZES),
        ("a part is bad", [7, 5, 5], WITHOUT_2),
        ("a worker prints", [3, 1, 1], WITHOUT_0),
    ];
    assert_eq!(lesson.variants.len(), expected.len());
    for (variant, (label, counts, sizes)) in lesson.variants.iter().zip(expected) {
        assert_eq!(variant.label, label);
        let names = ["started", "workers lost", "most attempts"];
        for (what, count) in names.into_iter().zip(counts) {
            assert_eq!(*variant.count(what), count, "{label}: {what}");
        }
        assert_eq!(*variant.count("sizes"), sizes, "{label}");
        let lanes = variant.lanes.iter();
        let lost = lanes.filter(|lane| lane.ended == Ended::Failed).count();
        assert_eq!(lost, counts[1], "{label}");
    }
}

#[tokio::test]
async fn random_kills_lose_no_part_and_double_none() {
    let kills = join_all((0..SEEDS).map(random_kills)).await;
    assert!(kills.into_iter().sum::<u32>() > 0);
}

/// Runs the lesson again and again and kills workers of it at random. Returns how many.
async fn random_kills(seed: u64) -> u32 {
    let mut random = Random(0x9E37 + seed);
    let mut kills_in_all = 0;
    for _ in 0..RUNS {
        let seed = random.0;
        let mut pool = lesson(&["process-pool", "--tick", "20ms"]).spawn().unwrap();
        let (mut seen, mut kills) = (Vec::new(), 0);
        while pool.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(random.below(100))).await;
            let workers = workers_of(pool.id());
            if !workers.is_empty() && kills < KILLS {
                let worker = workers[random.below(workers.len() as u64) as usize];
                // It may have ended since.
                let _ = kill_process(worker, Signal::KILL);
                kills += 1;
            }
            seen.extend(workers);
        }
        kills_in_all += kills;
        let lesson = measured(pool);
        assert_eq!(lesson.outcome, Outcome::Ran, "seed {seed}");
        for variant in &lesson.variants {
            let label = &variant.label;
            let sizes = variant.count("sizes");
            let expected = match label.as_str() {
                "a part is bad" => WITHOUT_2,
                // Killed before it prints, it is replaced by one that doesn't.
                "a worker prints" if *sizes == SIZES => SIZES,
                "a worker prints" => WITHOUT_0,
                _ => SIZES,
            };
            assert_eq!(*sizes, expected, "seed {seed}: {label}");
        }
        let left = seen.into_iter().find(|worker| is_worker(*worker));
        assert_eq!(left, None, "seed {seed}: a worker is left");
    }
    kills_in_all
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
