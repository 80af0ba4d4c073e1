//! # Recursion: why the compiler asks for a box
//!
//! Lasagne needs a sauce, and the sauce needs a stock. A future contains the future that it awaits. So the one for
//! the lasagne contains the one for the sauce, with the one for the stock in it, and each level adds some 40 bytes.
//! If all levels were the same function, the future would contain itself, and no size would be big enough: E0733,
//! "recursion in an async fn requires boxing". A box is a pointer, so its size doesn't depend on what is in it. With
//! a box the future is as big at depth 1 as at depth 3, and each of the 3 parts costs one allocation of that size: it
//! isn't counted in the column, which shows the outermost future alone.
//!
//! asyncio: recursive coroutine
//!
//! ```python
//! async def prepare(recipe):
//!     for part in recipe.parts:
//!         await prepare(part)
//!     await simmer(recipe.name, recipe.time)
//! ```
//!
//! Not the same: a Python coroutine object is always on the heap and only refers to the one it awaits, so Python
//! needs no box. It stops a recursion that is too deep, by default at 1 000 levels, with RecursionError. In Rust each
//! poll goes down through all levels on the thread's stack, and a recursion too deep for that stack ends the whole
//! process.

use std::cell::Cell;

use anyhow::Result;
use timing::{Timings, law::sum, ticks};
use tokio::time::sleep;
use tracing::{info, instrument};

const DEPTHS: [&str; 3] = ["bytes, 1 deep", "2 deep", "3 deep"];

pub async fn run(t: &mut Timings) -> Result<()> {
    let boxes = Cell::new(0);
    // Measured before anything runs: a future has its full size from the start.
    let bytes = [&STOCK, &SAUCE, &LASAGNE].map(|recipe| size_of_val(&prepare(recipe, &boxes)));
    let boxed = prepare(&LASAGNE, &boxes);
    t.time("boxed", sum([1, 1, 1, 2]), boxed).await;
    for (what, bytes) in DEPTHS.into_iter().zip(bytes) {
        t.count(what, bytes);
    }
    t.count("boxes", boxes.get());

    let bytes = [
        size_of_val(&one_deep(&STOCK)),
        size_of_val(&two_deep(&SAUCE)),
        size_of_val(&three_deep(&LASAGNE)),
    ];
    let written_out = three_deep(&LASAGNE);
    t.time("written out", sum([1, 1, 1, 2]), written_out).await;
    for (what, bytes) in DEPTHS.into_iter().zip(bytes) {
        t.count(what, bytes);
    }
    Ok(())
}

/// First the parts, then the dish itself. Nothing overlaps: each `.await` ends before the next one begins.
async fn prepare(recipe: &Recipe, boxes: &Cell<u32>) {
    for part in recipe.parts {
        boxes.update(|made| made + 1);
        // `prepare(part, boxes).await` is E0733: this future would contain itself. With the box it contains a
        // pointer, and the part's future is on the heap. `pin` guarantees that this future stays at its address: it
        // must not move once it has been polled, because it may hold references to its own variables (`runtime/pin`).
        Box::pin(prepare(part, boxes)).await; // <- the difference
    }
    simmer(recipe.name, recipe.time).await;
}

// The same without a box: one function for each level. Each has a future type of its own, which is as big as its own
// variables and the whole future below it. The depth is fixed by the program now: deeper parts would be left out.

async fn three_deep(recipe: &Recipe) {
    for part in recipe.parts {
        two_deep(part).await;
    }
    simmer(recipe.name, recipe.time).await;
}

async fn two_deep(recipe: &Recipe) {
    for part in recipe.parts {
        one_deep(part).await;
    }
    simmer(recipe.name, recipe.time).await;
}

async fn one_deep(recipe: &Recipe) {
    simmer(recipe.name, recipe.time).await;
}

#[instrument(ret)]
async fn simmer(name: &'static str, time: u32) {
    sleep(ticks(time)).await;
    info!("ready");
}

struct Recipe {
    name: &'static str,
    time: u32,
    parts: &'static [Self],
}

static LASAGNE: Recipe = recipe("lasagne", 2, &[SAUCE, recipe("dough", 1, &[])]);
const SAUCE: Recipe = recipe("sauce", 1, &[STOCK]);
const STOCK: Recipe = recipe("stock", 1, &[]);

const fn recipe(name: &'static str, time: u32, parts: &'static [Recipe]) -> Recipe {
    Recipe { name, time, parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn parts_come_first_and_nothing_overlaps() {
        let t = Timings::of(run).await;
        for variant in ["boxed", "written out"] {
            assert_eq!(t[variant].elapsed, ticks(5));
            let lanes = t[variant].lanes.iter();
            let order: Vec<_> = lanes.map(|lane| lane.label.as_str()).collect();
            assert_eq!(
                order,
                [
                    "simmer(\"stock\", 1)",
                    "simmer(\"sauce\", 1)",
                    "simmer(\"dough\", 1)",
                    "simmer(\"lasagne\", 2)",
                ]
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_box_the_size_is_the_same_at_every_depth() {
        let t = Timings::of(run).await;
        let [one, two, three] = DEPTHS.map(|depth| t["boxed"].count(depth));
        assert_eq!((one, two), (two, three));
        assert_eq!(*t["boxed"].count("boxes"), 3, "one for each part");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_box_it_grows_with_every_level() {
        let t = Timings::of(run).await;
        let [one, two, three] = DEPTHS.map(|depth| t["written out"].count(depth).whole());
        assert!(one < two && two < three, "{one}, {two}, {three}");
    }
}
