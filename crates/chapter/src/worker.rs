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
    let program = std::env::current_exe().context("this program's own file isn't known")?;
    let mut worker = Command::new(program)
        .args([WORKER, name])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
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
    end_with_parent();
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
