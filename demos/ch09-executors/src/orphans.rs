//! # A child that is dropped, and one that is kept too long
//!
//! Dropping a `Child` doesn't end its process: a tick later it is still running. With `kill_on_drop` it is gone. When
//! a process has ended the system keeps its ID and its exit status until its parent collects them; until then it is a
//! zombie. tokio collects them when a `Child` is awaited or dropped. A process whose `Child` is dropped before it
//! ends is an orphan to tokio, which collects it afterwards, while a runtime is running. So the dropped ones are gone
//! in the end, and the one whose `Child` is kept and never awaited is a zombie.
//!
//! asyncio: child watcher, SIGCHLD, zombie, orphan
//!
//! real clock: real processes
//!
//! ```python
//! cat = await asyncio.create_subprocess_exec("cat", stdin=PIPE)
//! try: await asyncio.sleep(1)             # whatever may be cancelled
//! finally:
//!     if cat.returncode is None: cat.kill()   # or it goes on
//!     await cat.wait()
//! ```
//!
//! Not the same: asyncio collects every child as soon as it has ended, also one whose `Process` is kept and never
//! awaited; its `returncode` is there. tokio does so only for a `Child` that was dropped. std does it for none: the
//! process of a dropped `std::process::Child` becomes a zombie and stays one as long as its parent runs.

use std::{fs, io::ErrorKind, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use timing::{
    Timings,
    law::{at_least, none},
    ticks,
};
use tokio::{
    process::{Child, ChildStdin, Command},
    time::{sleep, timeout},
};

pub async fn run(t: &mut Timings) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Err(chapter::skip("it looks into /proc: it needs Linux"));
    }
    let (child, stdin, id) = start_cat(false)?;
    let dropped = async {
        drop(child);
        sleep(ticks(1)).await;
    };
    t.time("dropped", at_least(1), dropped).await;
    count(t, id)?;

    // Nobody has the `Child` any more, so nobody can wait for it.
    let ends = ends_and_is(State::Gone, stdin, id);
    t.time("dropped, ends later", none(), ends).await?;
    count(t, id)?;

    let (child, _stdin, id) = start_cat(true)?; // <- the difference: `kill_on_drop`
    let killed = async {
        drop(child);
        until(State::Gone, id).await
    };
    t.time("kill_on_drop", none(), killed).await?;
    count(t, id)?;

    let (child, stdin, id) = start_cat(false)?;
    let ends = ends_and_is(State::Zombie, stdin, id);
    t.time("ends, and is kept", none(), ends).await?;
    count(t, id)?;

    let dropped = async { drop(child) };
    t.time("ends, then dropped", none(), dropped).await;
    count(t, id)?;
    Ok(())
}

fn count(t: &mut Timings, id: u32) -> Result<()> {
    t.count("its process", format!("{:?}", State::of(id)?));
    Ok(())
}

/// A child that runs until its stdin ends. So it ends with this process too, however that ends.
fn start_cat(kill_on_drop: bool) -> Result<(Child, ChildStdin, u32)> {
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(kill_on_drop)
        .spawn()
        .context("cat can't be run")?;
    let stdin = child.stdin.take().context("it is piped")?;
    let id = child.id().context("it wasn't waited for")?;
    Ok((child, stdin, id))
}

async fn ends_and_is(state: State, stdin: ChildStdin, id: u32) -> Result<()> {
    drop(stdin);
    until(state, id).await
}

/// Awaiting the `Child` would collect it, and the dropped ones can't be awaited. So /proc is read again and again.
async fn until(state: State, id: u32) -> Result<()> {
    let looks = async {
        while State::of(id)? != state {
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    };
    let limit = Duration::from_secs(10);
    let so = timeout(limit, looks).await;
    so.with_context(|| format!("process {id} is not {state:?} within {limit:?}"))?
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Zombie,
    Gone,
}

impl State {
    /// Reading it doesn't ask for the exit status, so it leaves a zombie what it is.
    fn of(id: u32) -> Result<Self> {
        let stat = match fs::read_to_string(format!("/proc/{id}/stat")) {
            Ok(stat) => stat,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::Gone),
            // It has gone between opening the file and reading it: ESRCH, "no such process".
            Err(error) if error.raw_os_error() == Some(3) => return Ok(Self::Gone),
            Err(error) => return Err(error.into()),
        };
        // The letter stands behind the program's name, which is in parentheses and may hold any character.
        let (_, state) = stat.rsplit_once(") ").context("a name in parentheses")?;
        Ok(match state.as_bytes()[0] {
            b'Z' => Self::Zombie,
            b'X' => Self::Gone,
            _ => Self::Running,
        })
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    async fn assert_states(expected: &[(&str, &str)]) {
        let t = Timings::of(run).await;
        for (label, state) in expected {
            assert_eq!(*t[*label].count("its process"), *state, "{label}");
        }
    }

    #[tokio::test]
    async fn a_dropped_child_goes_on_unless_it_has_kill_on_drop() {
        assert_states(&[("dropped", "Running"), ("kill_on_drop", "Gone")]).await;
    }

    #[tokio::test]
    async fn a_child_that_ends_after_its_drop_is_no_zombie() {
        assert_states(&[("dropped, ends later", "Gone")]).await;
    }

    #[tokio::test]
    async fn a_child_that_is_kept_is_a_zombie_until_it_is_dropped() {
        let expected = [
            ("ends, and is kept", "Zombie"),
            ("ends, then dropped", "Gone"),
        ];
        assert_states(&expected).await;
    }

    #[tokio::test]
    async fn a_hundred_dropped_children_leave_no_zombie() {
        let cats: Vec<_> = (0..100).map(|_| start_cat(true).unwrap()).collect();
        let ids: Vec<_> = cats.iter().map(|(_, _, id)| *id).collect();
        drop(cats);
        for id in ids {
            until(State::Gone, id).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_child_of_std_is_a_zombie_although_tokio_collects_its_own() {
        let child = std::process::Command::new("true").spawn().unwrap();
        let id = child.id();
        drop(child);
        until(State::Zombie, id).await.unwrap();
        let (child, _stdin, of_tokio) = start_cat(true).unwrap();
        drop(child);
        until(State::Gone, of_tokio).await.unwrap();
        assert_eq!(State::of(id).unwrap(), State::Zombie);
    }
}
