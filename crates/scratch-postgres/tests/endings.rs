//! However a process ends that has a cluster, no process and no folder is left.

#![cfg(target_os = "linux")] // it looks into /proc
#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "it waits for processes, on threads without a runtime"
)]

use std::{
    env, fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use chapter::Folder;
use scratch_postgres::{Cluster, cluster_for_test};

/// Tells the process of [`the_one_that_ends`] how to.
const ENDING: &str = "WAITWISE_ENDING";

/// Those that a process comes to by itself, once its cluster answers, and signals, which come at any moment: in turn, so
/// that the first four are two of each.
const KINDS: [&str; 8] = [
    "return", "KILL", "panic", "INT", "exit", "TERM", "abort", "HUP",
];
const SIGNALS: [&str; 4] = ["INT", "TERM", "HUP", "KILL"];

/// A second and a half: initdb's time, the server's start, and some of its life.
const MOMENTS: u64 = 1_500;

/// Longer than a cluster needs on a busy machine; what is still there then is left behind.
const PATIENCE: Duration = Duration::from_secs(60);

/// Run by [`end`] in a process of its own; in the test run itself it does nothing.
#[tokio::test]
async fn the_one_that_ends() {
    let Ok(ending) = env::var(ENDING) else { return };
    let _cluster = Cluster::start().await.unwrap();
    match ending.as_str() {
        "return" => {}
        "panic" => panic!("as asked"),
        "exit" => std::process::exit(0),
        "abort" => std::process::abort(),
        // The signal has come by then, unless whoever started the tests has it ignored, as `nohup` does.
        _ => thread::sleep(Duration::from_millis(2 * MOMENTS)),
    }
}

/// Starts a process with a cluster in a temporary folder of its own, and ends it.
fn end(ending: &str, after: Duration) {
    let temporary = Folder::temporary().unwrap();
    fs::set_permissions(
        temporary.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .unwrap();
    let mut process = Command::new(env::current_exe().unwrap())
        .args(["the_one_that_ends", "--exact", "--quiet"])
        .env(ENDING, ending)
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if SIGNALS.contains(&ending) {
        thread::sleep(after);
        let pid = process.id().to_string();
        Command::new("kill")
            .args(["-s", ending, &pid])
            .status()
            .unwrap();
    }
    process.wait().unwrap();
    let ended = Instant::now();
    while let left = left_in(temporary.path())
        && !left.is_empty()
    {
        assert!(
            ended.elapsed() < PATIENCE,
            "{ending} after {after:?}: {left:?}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Processes whose command line names this folder, and what stands in it.
fn left_in(folder: &Path) -> Vec<String> {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let command_line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&command_line).replace('\0', " "))
    });
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| format!("{:?}", entry.unwrap().path()));
    let mut left: Vec<_> = processes.chain(files).collect();
    left.retain(|left| left.contains(name));
    left
}

/// `count` endings, four at a time; the kinds in turn, the signals at moments spread over [`MOMENTS`].
fn endings(count: u64) {
    thread::scope(|scope| {
        for first in 0..4 {
            scope.spawn(move || {
                for n in (first..count).step_by(4) {
                    let kind = KINDS[n as usize % KINDS.len()];
                    // A large prime's multiples: spread, and the same in every run.
                    end(kind, Duration::from_millis(n * 7_919 % MOMENTS));
                }
            });
        }
    });
}

#[tokio::test]
async fn every_ending_leaves_nothing() {
    if cluster_for_test().await.is_some() {
        endings(4);
    }
}

#[tokio::test]
#[ignore = "two to five minutes; CI has a step for it"]
async fn a_hundred_endings_leave_nothing() {
    if cluster_for_test().await.is_some() {
        endings(104);
        let _ = writeln!(std::io::stderr(), "104 endings: nothing left");
    }
}
