//! # A child that is dropped, and one that is kept too long
//!
//! Dropping a `Child` doesn't end its process: a tick later it is still running. With `kill_on_drop` it is not. When a
//! process has ended the system keeps its number and its exit status until its parent asks for them: a zombie. tokio
//! asks when a `Child` is awaited or dropped. For one that was dropped earlier it asks when the system reports the end
//! of a child. So there are 0 zombies, and 1 for a `Child` that is kept and never awaited.
//!
//! asyncio: child watcher, SIGCHLD, zombie, orphan
//!
//! real clock: real processes
//!
//! ```python
//! saw = await asyncio.create_subprocess_exec("saw", stdin=PIPE)
//! try: await saw.communicate(wood)
//! finally:
//!     if saw.returncode is None: saw.kill()   # or it works on
//! ```
//!
//! Not the same: asyncio asks for the end of every child by itself, as soon as it has ended, whatever becomes of the
//! `Process`. tokio does so only for a `Child` that is gone. std doesn't do it for any: a `std::process::Child` that is
//! dropped is a zombie until its parent ends.

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
use tracing::instrument;

pub async fn run(t: &mut Timings) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Err(chapter::skip("it looks into /proc: it needs Linux"));
    }
    let saw = Saw::start(false)?;
    let number = saw.number;
    let wood = t.time("dropped", at_least(1), is_dropped(saw)).await;
    count(t, number)?;

    // Nobody has the `Child` any more, so nobody can wait for it. tokio still asks for its end.
    let ends = runs_out_of(wood, number, State::Gone);
    t.time("dropped, ends later", none(), ends).await?;
    count(t, number)?;

    let saw = Saw::start(true)?; // <- the difference: `kill_on_drop`
    let number = saw.number;
    let killed = is_killed(saw);
    t.time("kill_on_drop", none(), killed).await?;
    count(t, number)?;

    let Saw {
        child,
        wood,
        number,
    } = Saw::start(false)?;
    let ends = runs_out_of(wood, number, State::Zombie);
    t.time("ends, and is kept", none(), ends).await?;
    count(t, number)?;

    t.time("ends, then dropped", none(), async { drop(child) })
        .await;
    count(t, number)?;
    Ok(())
}

/// Hands back the other end of its stdin: as long as that is open the saw goes on.
#[instrument(ret, skip_all)]
async fn is_dropped(saw: Saw) -> ChildStdin {
    drop(saw.child);
    sleep(ticks(1)).await;
    saw.wood
}

/// Its stdin is open until it is gone: nothing but the drop ends it.
#[instrument(ret, err, skip_all)]
async fn is_killed(saw: Saw) -> Result<()> {
    drop(saw.child);
    until(State::Gone, saw.number).await
}

#[instrument(ret, err, skip_all)]
async fn runs_out_of(wood: ChildStdin, number: u32, end: State) -> Result<()> {
    drop(wood);
    until(end, number).await
}

fn count(t: &mut Timings, number: u32) -> Result<()> {
    let state = State::of(number)?;
    t.count("running", u32::from(state == State::Running));
    t.count("zombies", u32::from(state == State::Zombie));
    Ok(())
}

/// A child that works until its stdin ends. So it ends with this process too, however that ends.
struct Saw {
    child: Child,
    wood: ChildStdin,
    number: u32,
}

impl Saw {
    fn start(kill_on_drop: bool) -> Result<Self> {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(kill_on_drop)
            .spawn()
            .context("cat can't be run")?;
        let wood = child.stdin.take().context("it is piped")?;
        let number = child.id().context("it wasn't waited for")?;
        Ok(Self {
            child,
            wood,
            number,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Zombie,
    Gone,
}

impl State {
    /// Reading it doesn't ask for the exit status, so it leaves a zombie what it is.
    fn of(number: u32) -> Result<Self> {
        let stat = match fs::read_to_string(format!("/proc/{number}/stat")) {
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

/// Only an awaited `Child` wakes a task, and these are dropped, or must not be awaited. So it looks again and again.
async fn until(state: State, number: u32) -> Result<()> {
    let looks = async {
        while State::of(number)? != state {
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    };
    let limit = Duration::from_secs(10);
    timeout(limit, looks).await.context("it has not ended so")?
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_counts(t: &Timings, label: &str, running: u32, zombies: u32) {
        assert_eq!(*t[label].count("running"), running, "{label}");
        assert_eq!(*t[label].count("zombies"), zombies, "{label}");
    }

    #[tokio::test]
    async fn a_dropped_child_goes_on_unless_it_has_kill_on_drop() {
        let t = Timings::of(run).await;
        assert_counts(&t, "dropped", 1, 0);
        assert_counts(&t, "kill_on_drop", 0, 0);
    }

    #[tokio::test]
    async fn a_child_that_ends_after_its_drop_is_no_zombie() {
        let t = Timings::of(run).await;
        assert_counts(&t, "dropped, ends later", 0, 0);
    }

    #[tokio::test]
    async fn a_child_that_is_kept_is_a_zombie_until_it_is_dropped() {
        let t = Timings::of(run).await;
        assert_counts(&t, "ends, and is kept", 0, 1);
        assert_counts(&t, "ends, then dropped", 0, 0);
    }

    #[tokio::test]
    async fn a_hundred_dropped_children_leave_no_zombie() {
        let saws: Vec<_> = (0..100).map(|_| Saw::start(true).unwrap()).collect();
        let numbers: Vec<_> = saws.iter().map(|saw| saw.number).collect();
        drop(saws);
        for number in numbers {
            until(State::Gone, number).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_child_of_std_is_a_zombie_after_its_drop() {
        let child = std::process::Command::new("true").spawn().unwrap();
        let number = child.id();
        drop(child);
        until(State::Zombie, number).await.unwrap();
        sleep(ticks(1)).await;
        assert_eq!(State::of(number).unwrap(), State::Zombie);
    }
}
