//! # A future is lazy: calling an `async fn` does nothing
//!
//! The call takes no time and cooks nothing, because its body has not begun: it returns a recipe card, a value that
//! can cook when somebody awaits it. Forget the `.await` and the meal is missing: 0 cooked instead of 1, in 0 ticks
//! instead of 1. Nothing is said about it while the program runs. The compiler has said it before, with a warning.
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
//! Not the same: Python finds a forgotten coroutine when it is freed, so only on a path that was taken; rustc finds
//! such a line wherever it stands. A coroutine is an object of the one class for all. Every `async fn` makes a type
//! of its own, whose values live where you put them and are as big as what they hold across their `.await`s: 1 024
//! bytes bigger with a pot of 1 KiB.

use std::{any::type_name_of_val, cell::Cell, hint::black_box};

use anyhow::Result;
use timing::{Timings, law::exactly, ticks};
use tokio::time::sleep;
use tracing::{info, instrument};

pub async fn run(t: &mut Timings) -> Result<()> {
    let cooked = Cell::new(0);
    t.time("called and dropped", exactly(0), async {
        #[expect(unused_must_use, reason = "the forgotten await is the lesson")]
        cook("soup", &cooked); // <- the difference: no .await
    })
    .await;
    t.count("meals cooked", cooked.take());

    // The same call, kept in a variable. It is a value like any other: it has a type and a size, and until it is
    // awaited it has nothing else.
    let soup = cook("soup", &cooked);
    let (bytes, kind) = measures(&soup);
    t.time("called and awaited", exactly(1), soup).await;
    t.count("meals cooked", cooked.take());
    t.count("bytes", bytes);
    t.count("type", kind);

    // A future is all that its function needs in order to go on after a wait, and as big as that. (These two have no
    // lane: `#[instrument]` would wrap them, and what it adds would be measured along, as it is in `cook`.)
    let holds = holds_the_pot();
    let (bytes, kind) = measures(&holds);
    t.time("1 KiB held while waiting", exactly(1), holds).await;
    t.count("bytes", bytes);
    t.count("type", kind);

    let clears = clears_the_pot();
    let (bytes, kind) = measures(&clears);
    t.time("1 KiB put back before", exactly(1), clears).await;
    t.count("bytes", bytes);
    t.count("type", kind);
    Ok(())
}

/// Not a line of this runs at the call, the narration included.
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
    eat_from(&pot); // after the wait, so the future has to hold the pot through it
}

async fn clears_the_pot() {
    // It takes the block as well as the order: a variable that was lent out is held until its scope ends.
    {
        let pot = [0_u8; 1024];
        eat_from(&pot);
    }
    sleep(ticks(1)).await;
}

/// A future is compiled like a closure that can be left and entered again, hence the `{{closure}}` in its type. That
/// name can be printed and not written: code says `impl Future`.
fn measures<F: Future>(future: &F) -> (usize, &'static str) {
    let path = type_name_of_val(future);
    let kind = path
        .split_once("lazy_future::")
        .map_or(path, |(_, kind)| kind);
    (size_of_val(future), kind)
}

/// The optimiser may not find out that nobody is hungry.
fn eat_from(pot: &[u8]) {
    black_box(pot);
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Value;

    async fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t).await.unwrap();
        t
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_alone_does_nothing_and_says_nothing() {
        let t = measured().await;
        let dropped = &t["called and dropped"];
        assert_eq!(dropped.elapsed, ticks(0));
        assert_eq!(*dropped.count("meals cooked"), 0);
        assert!(dropped.lanes.is_empty() && dropped.said.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn awaiting_it_runs_it() {
        let t = measured().await;
        let awaited = &t["called and awaited"];
        assert_eq!(awaited.elapsed, ticks(1));
        assert_eq!(*awaited.count("meals cooked"), 1);
        assert_eq!(awaited.lanes.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn every_async_fn_has_a_type_of_its_own() {
        let t = measured().await;
        assert_eq!(*t["called and awaited"].count("type"), "cook::{{closure}}");
        assert_ne!(
            t["1 KiB held while waiting"].count("type"),
            t["1 KiB put back before"].count("type")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_holds_what_lives_across_its_await_and_no_more() {
        let t = measured().await;
        let bytes = |variant| match t[variant].count("bytes") {
            Value::Whole(bytes) => *bytes,
            other => panic!("{other:?} is no number of bytes"),
        };
        assert_eq!(
            bytes("1 KiB held while waiting") - bytes("1 KiB put back before"),
            1024
        );
    }
}
