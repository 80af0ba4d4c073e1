//! A chapter's program, started once more to do a part of a lesson apart: where a thread would be stuck for ever, or
//! memory must not be shared.

use std::{
    io::Read,
    path::Path,
    process::{ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

/// The argument that makes a chapter's program a worker. Nobody types it, so it is in no help.
const WORKER: &str = "worker-of-a-lesson";

/// What a chapter's program can do apart. Made by [`lessons!`](crate::lessons).
pub struct Worker {
    /// The path of its function, as the list of lessons names it.
    pub name: &'static str,
    /// What it does.
    pub run: fn() -> Result<()>,
    /// Who sees that its parent is gone.
    pub watch: Watch,
}

/// Who reads a worker's stdin, and so sees that the parent is gone: however a parent ends, the system then closes its
/// end of the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// A thread that [`lessons!`](crate::lessons) provides. It ends the worker, whatever that is doing.
    ForTheParent,
    /// The worker: its parent talks to it over that pipe. It has to end when the pipe ends, also in the middle of its
    /// work, and so reads it on a thread that does nothing else.
    ByItself,
}

/// What became of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart {
    /// The lines it printed.
    pub said: Vec<String>,
    /// Whether it was still running at its limit, and was killed.
    pub killed: bool,
}

/// Runs a worker of this chapter in a process of its own, for no longer than `limit`: what is not over by then hangs,
/// and is killed. `name` is its path as the list of lessons has it ([`lessons!`](crate::lessons)). The process ends
/// with this one, however this one ends.
///
/// ```text
/// let apart = chapter::apart("mutex::deadlocks", Duration::from_secs(2)).await?;
/// t.count("killed", if apart.killed { "yes" } else { "no" });
/// ```
///
/// # Errors
///
/// When the process can't be started, ends with a failure of its own, or prints what isn't UTF-8.
pub async fn apart(name: &str, limit: Duration) -> Result<Apart> {
    apart_in(Path::new("."), name, limit).await
}

/// The same with `folder` as the worker's current one: that is how it is told where to work.
///
/// # Errors
///
/// As [`apart`].
pub async fn apart_in(folder: &Path, name: &str, limit: Duration) -> Result<Apart> {
    let mut worker = worker(name)?
        .current_dir(folder)
        .spawn()
        .with_context(|| format!("no process can be started for {name}"))?;
    // Taken out, since waiting for a child closes its stdin: it lives as long as this end of the pipe.
    let _alive = worker.stdin.take();
    let mut lines = BufReader::new(worker.stdout.take().expect("it is piped")).lines();

    let mut said = Vec::new();
    let to_its_end = async {
        while let Some(line) = lines.next_line().await? {
            said.push(line);
        }
        worker.wait().await
    };
    let ended = timeout(limit, to_its_end).await;
    let killed = ended.is_err();
    match ended {
        Ok(status) => {
            let status = status.with_context(|| format!("{name} can't be read"))?;
            ensure!(status.success(), "{name} failed: {status}");
        }
        Err(_elapsed) => worker.kill().await.context("the worker can't be killed")?,
    }
    Ok(Apart { said, killed })
}

/// A worker of this chapter, ready to be started: a process of its own, with its stdin and stdout as pipes and its
/// stderr this process's. It is killed when its `Child` is dropped, and ends when the other end of its stdin is closed:
/// so whoever starts it keeps that end. `name` is its path as the list of lessons has it
/// ([`lessons!`](crate::lessons)).
///
/// What it needs to know beforehand can be an environment variable. What is said while it works goes through stdin, if
/// it is a reader there ([`Watch::ByItself`]).
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let mut clerk = chapter::worker("job_queue::takes_jobs")?;
/// clerk.env("CLERK", "3");
/// # assert_eq!(clerk.as_std().get_args().last().unwrap(), "job_queue::takes_jobs");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When the file of this program isn't known.
pub fn worker(name: &str) -> Result<Command> {
    let program = std::env::current_exe().context("this program's own file isn't known")?;
    let mut command = Command::new(program);
    command
        .args([WORKER, name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    Ok(command)
}

/// Works, when that is what this process was started for.
pub fn dispatch(workers: &[Worker]) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != WORKER {
        return None;
    }
    let name = arguments.next().unwrap_or_default();
    let Some(worker) = workers.iter().find(|worker| name == worker.name) else {
        let known: Vec<_> = workers.iter().map(|worker| worker.name).collect();
        eprintln!(
            "no worker is called {}; there are {known:?}",
            name.display()
        );
        return Some(ExitCode::from(2));
    };
    if worker.watch == Watch::ForTheParent {
        end_with_parent();
    }
    Some(match (worker.run)() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error:#}", worker.name);
            ExitCode::FAILURE
        }
    })
}

/// The parent holds the other end of stdin. The system closes it when the parent is gone, also after a SIGKILL.
fn end_with_parent() {
    std::thread::spawn(|| {
        let mut stdin = std::io::stdin().lock();
        while stdin.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
        std::process::exit(1);
    });
}
