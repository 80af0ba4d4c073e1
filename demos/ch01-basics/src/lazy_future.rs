//! # A future is lazy: calling an `async fn` does nothing
//!
//! A call of `cook` runs no line of its body. It returns a future: a value that runs the body when it is awaited.
//! Without the `.await` nothing is cooked: 0 meals in 0 ticks instead of 1 meal in 1 tick. Nothing is said about it
//! while the program runs; the compiler warned when it was built.
//!
//! asyncio: coroutine
//!
//! ```python
//! async def cook(dish): ...
//!
//! cook("soup")          # RuntimeWarning: coroutine 'cook' was never awaited
//! await cook("soup")    # runs the body
//! ```
//!
//! Not the same: Python warns at run time, when the coroutine is freed, so only if that line was run. rustc warns at
//! compile time, about a future that isn't used at all. For `let soup = cook("soup")` without an `.await` it only
//! says "unused variable", and for a future that is stored in a `Vec` and never awaited it says nothing. All
//! coroutines share one class; every `async fn` has a future type of its own, whose size depends on what it holds
//! across its `.await`s: 1 024 bytes more with an array of 1 KiB. What else hides a forgotten `.await`:
//! `pitfalls/forgotten-await`.

use std::{any::type_name_of_val, cell::Cell, hint::black_box};

use anyhow::Result;
use timing::{Timings, law::exactly, ticks};
use tokio::time::sleep;
use tracing::{info, instrument};

pub async fn run(t: &mut Timings) -> Result<()> {
    let cooked = Cell::new(0);
    t.time("called and dropped", exactly(0), async {
        // Without `#[expect]` the compiler says here:
        // warning: unused implementer of `Future` that must be used
        //   = note: futures do nothing unless you `.await` or poll them
        #[expect(unused_must_use, reason = "the forgotten await is the lesson")]
        cook("soup", &cooked);
    })
    .await;
    t.count("meals cooked", cooked.get());

    let cooked = Cell::new(0);
    let kind = t
        .time("called and awaited", exactly(1), async {
            // Nothing is cooked by this line: the future is a value like any other, with a type and a size.
            let soup = cook("soup", &cooked);
            let kind = type_of(&soup);
            soup.await; // <- the difference: the body runs here
            kind
        })
        .await;
    t.count("meals cooked", cooked.get());
    t.count("type", kind);

    // A future holds the variables that its function needs again after an `.await`, and the future that it awaits: here
    // a `Sleep`, which is most of the smaller one. The size of `cook` is not shown beside these two: the span for its
    // lane is in its future and makes it larger. These two have no lane.
    let holds = holds_the_pot();
    let (kind, bytes) = (type_of(&holds), size_of_val(&holds));
    t.time("1 KiB held while waiting", exactly(1), holds).await;
    t.count("type", kind);
    t.count("bytes", bytes);

    let frees = frees_the_pot();
    let (kind, bytes) = (type_of(&frees), size_of_val(&frees));
    t.time("1 KiB freed beforehand", exactly(1), frees).await;
    t.count("type", kind);
    t.count("bytes", bytes);
    Ok(())
}

/// The call runs none of this, not even the first `info!`.
#[instrument(ret, skip(cooked))]
async fn cook(dish: &'static str, cooked: &Cell<u32>) {
    info!("on the stove");
    sleep(ticks(1)).await;
    cooked.update(|meals| meals + 1);
    info!("served");
}

async fn holds_the_pot() {
    let pot = [0_u8; 1024];
    sleep(ticks(1)).await;
    eat_from(&pot); // after the wait, so the future has to hold the pot while it waits
}

async fn frees_the_pot() {
    // A variable that was borrowed keeps its storage until its scope ends, even if it isn't used any more. Without
    // the inner block that would be after the wait, and this future would be as big as the one above.
    {
        let pot = [0_u8; 1024];
        eat_from(&pot);
    }
    sleep(ticks(1)).await;
}

/// The compiler turns the body of an `async fn` into a kind of closure, hence the `{{closure}}` in its type's name.
/// That name can be printed but not written in code, where the type is `impl Future`.
fn type_of<F: Future>(future: &F) -> &'static str {
    let path = type_name_of_val(future);
    path.split_once("lazy_future::")
        .map_or(path, |(_, name)| name)
}

/// `black_box` counts as a use of the array, so the optimiser doesn't remove it.
fn eat_from(pot: &[u8]) {
    black_box(pot);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_alone_does_nothing_and_says_nothing() {
        let t = Timings::of(run).await;
        let dropped = &t["called and dropped"];
        assert_eq!(dropped.elapsed, ticks(0));
        assert_eq!(*dropped.count("meals cooked"), 0);
        assert!(dropped.lanes.is_empty() && dropped.said.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn awaiting_it_runs_it() {
        let t = Timings::of(run).await;
        let awaited = &t["called and awaited"];
        assert_eq!(awaited.elapsed, ticks(1));
        assert_eq!(*awaited.count("meals cooked"), 1);
        assert_eq!(awaited.lanes.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn every_async_fn_has_a_type_of_its_own() {
        let t = Timings::of(run).await;
        assert_eq!(*t["called and awaited"].count("type"), "cook::{{closure}}");
        assert_ne!(
            t["1 KiB held while waiting"].count("type"),
            t["1 KiB freed beforehand"].count("type")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_holds_what_lives_across_its_await_and_no_more() {
        let t = Timings::of(run).await;
        let bytes = |variant| t[variant].count("bytes").whole();
        assert_eq!(
            bytes("1 KiB held while waiting") - bytes("1 KiB freed beforehand"),
            1024
        );
    }
}
