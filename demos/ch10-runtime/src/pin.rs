//! # `Pin`: what stays where it is, and what may still move
//!
//! The variables of an `async fn` are part of its future, and one of them may be a reference to another. If such a
//! future were moved, that reference would dangle. So it has to be pinned before its first poll, and may be moved
//! only until then: here it is seen in 2 places on its way. Afterwards it, and a board in it, stay in 1 place. `pin!`
//! keeps the future in this function, `Box::pin` on the heap, where its box may still move: 2 places of the box, 1 of
//! the future. A task's handle holds no reference into itself (it is `Unpin`), so it moves after a poll, too. What is
//! pinned can be polled by reference, and so kept across the rounds of a loop around `select!` (`tasks/select`): a
//! closing time at tick 5 comes after 2 boards. Made anew in each round it never comes, and all 4 are sawn in 8
//! ticks.
//!
//! asyncio: coroutine
//!
//! ```python
//! measuring = measure()              # a reference to an object, which never moves
//! kept = measuring                   # the same object
//! bench = [measuring, saw()]         # two references
//! ```
//!
//! Not the same: a Python variable holds a reference, so nothing like `Pin` is needed. In Rust a variable holds the
//! future itself, and a move copies its bytes to another place. `.await` and `spawn` take the future and pin it
//! themselves; `pin!` and `Box::pin` are for a future that is polled by reference, returned after it has begun, or
//! put into a list with others. Safe code that moves a pinned future doesn't compile.

use std::{pin::pin, ptr};

use anyhow::Result;
use futures_util::{
    future::{LocalBoxFuture, join_all, ready},
    poll,
};
use timing::{Timings, law::exactly, ticks};
use tokio::{select, time::sleep};
use tracing::instrument;

const ORDERED: u32 = 4;

pub async fn run(t: &mut Timings) -> Result<()> {
    let measuring = moved_before_it_begins();
    let [future, board] = t.time("moved, then begun", exactly(1), measuring).await;
    t.count("places: future", future);
    t.count("places: board", board);

    let measuring = pinned_here();
    let [future, board] = t.time("begun, under pin!", exactly(1), measuring).await;
    t.count("places: future", future);
    t.count("places: board", board);

    let measuring = pinned_on_the_heap();
    let [the_box, future, board] = t.time("begun, box moved", exactly(1), measuring).await;
    t.count("places: future", future);
    t.count("places: board", board);
    t.count("places: box, handle", the_box);

    let measuring = not_pinned();
    let handle = t.time("begun, handle moved", exactly(1), measuring).await?;
    t.count("places: box, handle", handle);

    let sawing = saws_until_closing();
    let boards = t.time("a deadline kept", exactly(5), sawing).await;
    t.count("boards", boards);

    let sawing = saws_with_a_new_clock();
    let boards = t.time("created each round", exactly(8), sawing).await;
    t.count("boards", boards);
    Ok(())
}

async fn moved_before_it_begins() -> [usize; 2] {
    let measuring = measures();
    let first = address(&measuring);
    let bench = vec![measuring];
    let future = places([first, address(&bench[0])]);
    // Nothing of it has run, so it has no board yet. `.await` takes it, and pins it.
    let mut board = 0;
    for measuring in bench {
        board = measuring.await;
    }
    [future, board]
}

/// `pin!` puts the future into a variable without a name. What has a name, and can be moved, is a `Pin<&mut _>`: a
/// reference that doesn't let the future be moved. Returned from here, it would outlive the variable (E0515).
async fn pinned_here() -> [usize; 2] {
    let mut measuring = pin!(measures());
    let first = address(&*measuring);
    let _pending = poll!(&mut measuring);
    let kept = measuring;
    let future = places([first, address(&*kept)]);
    [future, kept.await]
}

/// A box is a pointer. It can be returned, kept in a struct, or put into a `Vec` when its future has begun, and
/// beside futures of other types: each `async fn` has a type of its own, and behind `dyn` they are one.
async fn pinned_on_the_heap() -> [usize; 3] {
    let mut measuring: LocalBoxFuture<'_, usize> = Box::pin(measures());
    let first = [address(&measuring), address(&*measuring)];
    let _pending = poll!(&mut measuring);
    let bench = vec![measuring, Box::pin(ready(1))];
    let the_box = places([first[0], address(&bench[0])]);
    let future = places([first[1], address(&*bench[0])]);
    let boards = join_all(bench).await;
    [the_box, future, boards[0]]
}

/// A `JoinHandle` has no reference into itself. Such a type is `Unpin`: it may be moved at any time, and `&mut task`
/// can be polled without `pin!`. With the future of an `async fn` that is E0277, "cannot be unpinned".
async fn not_pinned() -> Result<usize> {
    let mut task = tokio::spawn(measures());
    let first = address(&task);
    let _pending = poll!(&mut task);
    let bench = vec![task];
    let handle = places([first, address(&bench[0])]);
    for measured in join_all(bench).await {
        measured?;
    }
    Ok(handle)
}

#[instrument(ret)]
async fn saws_until_closing() -> u32 {
    let mut boards = 0;
    let mut closing = pin!(sleep(ticks(5)));
    while boards < ORDERED {
        select! {
            // Without the `&mut` this moves `closing` in the first round, and doesn't compile (E0382).
            () = &mut closing => break,
            () = sleep(ticks(2)) => boards += 1,
        }
    }
    boards
}

#[instrument(ret)]
async fn saws_with_a_new_clock() -> u32 {
    let mut boards = 0;
    while boards < ORDERED {
        select! {
            () = sleep(ticks(5)) => break, // <- the difference: each round drops it, and creates another
            () = sleep(ticks(2)) => boards += 1,
        }
    }
    boards
}

/// In how many places its board has been: by its address before the wait, its address after it, and where the
/// reference points then.
#[instrument(ret)]
async fn measures() -> usize {
    let board = [0_u8; 64];
    let edge = &board[0]; // the future holds the board, and this reference to it
    let before = address(&board);
    sleep(ticks(1)).await;
    places([before, address(&board), address(edge)])
}

fn address<T: ?Sized>(value: &T) -> usize {
    ptr::from_ref(value).addr()
}

/// How many different ones there are.
fn places<const N: usize>(mut addresses: [usize; N]) -> usize {
    addresses.sort_unstable();
    addresses.chunk_by(|one, next| one == next).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn before_its_first_poll_a_future_can_be_moved() {
        let t = Timings::of(run).await;
        let moved = &t["moved, then begun"];
        assert_eq!(*moved.count("places: future"), 2);
        assert_eq!(*moved.count("places: board"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pinned_future_and_what_it_holds_stay_where_they_are() {
        let t = Timings::of(run).await;
        for label in ["begun, under pin!", "begun, box moved"] {
            assert_eq!(*t[label].count("places: future"), 1, "{label}");
            assert_eq!(*t[label].count("places: board"), 1, "{label}");
            // It had begun before it was put into the `Vec`, and was awaited there.
            assert!(t[label].lane("measures").polls.len() >= 2, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_box_moves_and_its_future_does_not() {
        let t = Timings::of(run).await;
        assert_eq!(*t["begun, box moved"].count("places: box, handle"), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unpin_moves_also_after_it_was_polled() {
        let t = Timings::of(run).await;
        assert_eq!(*t["begun, handle moved"].count("places: box, handle"), 2);
        fn needs_unpin<F: Future + Unpin>(_: F) {}
        needs_unpin(std::future::ready("a board"));
        needs_unpin(Box::pin(measures()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_deadline_comes_and_one_made_each_round_never_does() {
        let t = Timings::of(run).await;
        assert_eq!(t["a deadline kept"].elapsed, ticks(5));
        assert_eq!(*t["a deadline kept"].count("boards"), 2);
        assert_eq!(t["created each round"].elapsed, ticks(8));
        assert_eq!(*t["created each round"].count("boards"), ORDERED);
    }
}
