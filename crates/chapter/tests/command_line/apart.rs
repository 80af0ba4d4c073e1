//! Processes that a lesson starts: how they end, and that none is left behind.

use crate::{run, stderr, stdout};

#[test]
fn a_worker_that_hangs_is_killed_at_its_limit_and_what_it_said_is_kept() {
    let output = run(&["works-apart"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(r#"killed: true; it said ["I hang"]"#));
}

#[test]
fn a_worker_that_fails_fails_its_lesson() {
    let output = run(&["fails-apart"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("fails: out of flour"), "{told}");
    assert!(
        told.contains("misbehaving/fails-apart failed: fails failed: exit status: 1"),
        "{told}"
    );
}

#[test]
fn a_name_that_no_worker_has_is_told() {
    let output = run(&["worker-of-a-lesson", "bakes"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "no worker is called bakes; there are [\"hangs\", \"fails\", \"keeps_a_folder\", \"makes_folders\", \"echoes\"]\n"
    );
}

#[test]
fn a_worker_that_reads_gets_all_of_its_stdin_and_its_environment() {
    let output = run(&["talks-to-a-worker"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("it said milk!"));
}

/// In `/proc` a process that is gone, or a zombie that nobody has collected yet, has no command line.
#[cfg(target_os = "linux")]
#[test]
fn no_worker_outlives_the_chapter_however_that_ends() {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
        time::Duration,
    };

    use tokio::time::Instant;

    for signal in ["-INT", "-TERM", "-KILL"] {
        let mut parent = crate::chapter(&["waits-apart"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(parent.stderr.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        let worker = format!("/proc/{}/cmdline", said.trim());
        assert!(
            !std::fs::read(&worker).unwrap().is_empty(),
            "it runs: {worker}"
        );

        let parent_id = parent.id().to_string();
        let sent = Command::new("kill").args([signal, &parent_id]).status();
        assert!(sent.unwrap().success());
        parent.wait().unwrap();
        // The pipe closes with the parent; what is left is the time the worker's thread needs to see it.
        let late = Instant::now() + Duration::from_secs(30);
        while std::fs::read(&worker).is_ok_and(|line| !line.is_empty()) {
            assert!(Instant::now() < late, "{worker} outlived {signal}");
            std::thread::yield_now();
        }
    }
}
