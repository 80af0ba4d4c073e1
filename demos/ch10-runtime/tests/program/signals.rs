//! Processes that get signals, also at random moments: what was accepted is finished or aborted, and the exit code says
//! why.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use timing::{
    report::{Lesson, Variant},
    ticks,
};
use tokio::time::sleep;

const ROUNDS: u64 = 50;

fn lesson(name: &str) -> Lesson {
    chapter::measured(Command::new(env!("CARGO_BIN_EXE_ch10-runtime")).arg(name))
}

fn number(variant: &Variant, what: &str) -> i64 {
    variant.count(what).whole()
}

fn numbers(variant: &Variant) -> [i64; 3] {
    ["accepted", "finished", "aborted"].map(|what| number(variant, what))
}

/// Starts a worker whose ticks last so many ms, and sends it a signal so long after its first line. Returns what it
/// noted after that.
async fn gets(
    signal: Signal,
    worker: &str,
    tick: u32,
    after: Duration,
) -> (Vec<String>, ExitStatus) {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_ch10-runtime"))
        .args(["worker-of-a-lesson", worker])
        .env("WORKSHOP_TICK_MS", tick.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let _alive = worker.stdin.take();
    let mut notes = BufReader::new(worker.stdout.take().unwrap());
    let mut first = String::new();
    notes.read_line(&mut first).unwrap();
    sleep(after).await;
    let id = Pid::from_raw(worker.id().cast_signed()).unwrap();
    kill_process(id, signal).unwrap();
    // Up to the end of the pipe: another process that had it open would keep this waiting.
    let mut rest = String::new();
    notes.read_to_string(&mut rest).unwrap();
    let notes = rest.lines().map(str::to_owned).collect();
    (notes, worker.wait().unwrap())
}

fn number_of(notes: &[String], what: &str) -> usize {
    notes.iter().filter(|note| note.starts_with(what)).count()
}

async fn at_random_moments(signal: Signal, code: i32) {
    let random = RandomState::new();
    let mut aborted_in_all = 0;
    for round in 0..ROUNDS {
        let us = random.hash_one(round) % 20_000;
        let (notes, status) = gets(signal, "signals::listens", 10, Duration::from_micros(us)).await;
        let [accepted, finished, aborted] =
            ["accepted", "finished", "aborted"].map(|what| number_of(&notes, what));
        assert_eq!(accepted, finished + aborted, "{us} µs: {notes:?}");
        assert_eq!(status.code(), Some(code), "{us} µs: {notes:?}");
        assert_eq!(number_of(&notes, "closing"), 1, "{us} µs: {notes:?}");
        aborted_in_all += aborted;
    }
    assert_ne!(aborted_in_all, 0, "no round reached the limit");
}

#[tokio::test]
async fn whenever_sigint_comes_every_accepted_job_is_accounted_for_and_the_code_is_130() {
    at_random_moments(Signal::INT, 130).await;
}

#[tokio::test]
async fn whenever_sigterm_comes_every_accepted_job_is_accounted_for_and_the_code_is_143() {
    at_random_moments(Signal::TERM, 143).await;
}

/// A shell that runs a program in the background has it ignore SIGINT, with all that it starts.
fn sigint_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|signals| u64::from_str_radix(signals.trim(), 16).ok());
    ignored.is_some_and(|signals| signals & 0b10 != 0)
}

#[tokio::test]
async fn without_a_listener_either_signal_ends_the_process_in_the_middle() {
    for signal in [Signal::INT, Signal::TERM] {
        if signal == Signal::INT && sigint_is_ignored() {
            let why = "skipped: SIGINT without a listener; this shell has it ignored\n";
            io::stderr().write_all(why.as_bytes()).unwrap();
            continue;
        }
        // The shortest job takes ten seconds.
        let after = Duration::from_millis(3);
        let (notes, status) = gets(signal, "signals::does_not_listen", 10_000, after).await;
        assert_eq!(status.signal(), Some(signal.as_raw()));
        assert_eq!(
            number_of(&notes, "finished") + number_of(&notes, "aborted"),
            0
        );
    }
}

#[test]
fn a_process_that_listens_ends_in_order_and_a_second_signal_does_not_hurry_it() {
    let lesson = lesson("signals");
    let [deaf, term, int, twice] = lesson.variants.as_slice() else {
        panic!("four processes")
    };
    assert_eq!(numbers(deaf), [6, 0, 0]);
    assert_eq!(*deaf.count("exit code"), "none");
    for (variant, signals, code) in [(term, 1, "143"), (int, 1, "130"), (twice, 2, "130")] {
        let [accepted, finished, aborted] = numbers(variant);
        assert_eq!(accepted, 6, "{}", variant.label);
        assert_eq!(accepted, finished + aborted, "{}", variant.label);
        assert_ne!(aborted, 0, "{}", variant.label);
        assert_eq!(*variant.count("signals"), signals, "{}", variant.label);
        assert_eq!(*variant.count("exit code"), code, "{}", variant.label);
        // It has used its time of grace.
        assert!(variant.elapsed >= variant.law.as_ref().unwrap().bound);
    }
}

#[test]
fn a_blocked_loop_never_hears_of_sigint_and_a_thread_ends_it() {
    let lesson = lesson("watchdog");
    let [task, thread, ..] = lesson.variants.as_slice() else {
        panic!("two that are blocked")
    };
    assert_eq!(*task.count("exit code"), "still there");
    assert_eq!(*thread.count("exit code"), "130");
    // Not before the loop has had its time to answer.
    assert!(thread.elapsed >= ticks(2));
    for variant in [task, thread] {
        assert_eq!(*variant.count("signals"), 1, "{}", variant.label);
    }
}

#[test]
fn a_loop_that_answers_the_thread_gets_its_grace_until_a_second_signal_comes() {
    let lesson = lesson("watchdog");
    let [.., once, twice] = lesson.variants.as_slice() else {
        panic!("two that are at work")
    };
    for (variant, signals) in [(once, 1), (twice, 2)] {
        assert_eq!(*variant.count("signals"), signals, "{}", variant.label);
        assert_eq!(*variant.count("exit code"), "130", "{}", variant.label);
    }
    assert!(once.elapsed >= once.law.as_ref().unwrap().bound);
    // The jobs that take too long are noted as aborted at the end of the grace. Here that doesn't come.
    assert!(number(once, "aborted") > 0);
    assert_eq!(number(twice, "aborted"), 0);
}
