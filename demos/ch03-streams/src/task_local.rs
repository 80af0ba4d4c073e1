//! # Task-local values: what a task sees without being told
//!
//! Each line that a desk writes should carry the number of the reader it is for, without an argument for it in every
//! call. `task_local!` holds the number while a scope is polled. What is called in the scope sees it, 2 calls deep
//! and in both halves of a `join!`: 2 of 2 look-ups. A task that is spawned in the scope doesn't: 0 of 2. A task with
//! a scope of its own sees it again: 2 of 2.
//!
//! asyncio: contextvars, ContextVar, copy_context
//!
//! ```python
//! reader = contextvars.ContextVar("reader")
//! reader.set(7)
//! await look_up()                        # sees 7
//! await asyncio.create_task(look_up())   # sees 7: a task copies the context it is made in
//! ```
//!
//! Not the same: `create_task` copies the context, so every task inherits every variable. tokio copies nothing. A
//! value is there in the future that `scope` makes and nowhere else, and it can't be set, only shadowed by a scope
//! inside. For a number on every log line a `tracing` span will do (see `tasks/names`, and `runtime/span-in-task` for
//! a task).

use anyhow::Result;
use timing::{Timings, law::exactly, ticks};
use tokio::{task_local, time::sleep};
use tracing::{info, instrument};

const READER: u32 = 7;

task_local! {
    /// For whom the desk is working.
    static SERVED: u32;
}

pub async fn run(t: &mut Timings) -> Result<()> {
    let inside = SERVED.scope(READER, both_called());
    let seen = t.time("called", exactly(1), inside).await;
    t.count("look-ups that saw it", seen);

    let inside = SERVED.scope(READER, both_spawned());
    let seen = t.time("spawned", exactly(1), inside).await?;
    t.count("look-ups that saw it", seen);

    let inside = SERVED.scope(READER, both_spawned_with_it());
    let seen = t.time("spawned with a scope", exactly(1), inside).await?;
    t.count("look-ups that saw it", seen);
    Ok(())
}

/// The two futures are parts of this one, so they are polled inside its scope.
async fn both_called() -> usize {
    let (one, other) = tokio::join!(looks_up("Emma"), looks_up("Dune"));
    usize::from(one) + usize::from(other)
}

/// The tasks are polled by the runtime, when this future is not being polled: the scope isn't around them.
async fn both_spawned() -> Result<usize> {
    let one = tokio::spawn(looks_up("Emma"));
    let other = tokio::spawn(looks_up("Dune"));
    Ok(usize::from(one.await?) + usize::from(other.await?))
}

async fn both_spawned_with_it() -> Result<usize> {
    let reader = SERVED.get();
    let one = tokio::spawn(SERVED.scope(reader, looks_up("Emma"))); // <- the difference
    let other = tokio::spawn(SERVED.scope(reader, looks_up("Dune")));
    Ok(usize::from(one.await?) + usize::from(other.await?))
}

#[instrument(ret)]
async fn looks_up(book: &'static str) -> bool {
    sleep(ticks(1)).await;
    notes_down()
}

/// Two calls below the scope, and nothing was handed to it. Outside of a scope `get` would panic; `try_with`
/// returns an error.
fn notes_down() -> bool {
    let reader = SERVED.try_with(|reader| *reader);
    match reader {
        Ok(reader) => info!("for reader {reader}"),
        Err(_) => info!("for nobody known"),
    }
    reader.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_called_in_a_scope_sees_the_value() {
        let t = Timings::of(run).await;
        assert_eq!(*t["called"].count("look-ups that saw it"), 2);
        assert_eq!(t["called"].elapsed, ticks(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_spawned_task_does_not_inherit_it() {
        let t = Timings::of(run).await;
        assert_eq!(*t["spawned"].count("look-ups that saw it"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_scope_of_its_own_carries_it_along() {
        let t = Timings::of(run).await;
        assert_eq!(*t["spawned with a scope"].count("look-ups that saw it"), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_inner_scope_shadows_the_outer_one_and_ends() {
        let seen = SERVED
            .scope(1, async {
                let inner = SERVED.scope(2, async { SERVED.get() }).await;
                (inner, SERVED.get())
            })
            .await;
        assert_eq!(seen, (2, 1));
    }
}
