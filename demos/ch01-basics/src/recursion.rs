//! # Recursion: why the compiler asks for a box
//!
//! Lasagne needs a sauce, and the sauce needs a stock. A future holds whatever it is waiting for, so lasagne's holds
//! the sauce's, which holds the stock's: it grows with every level, here by some 40 bytes. Were each level the same
//! function, the future would hold itself, and no size is big enough for that: E0733, "recursion in an async fn
//! requires boxing". A box has one size whatever is in it, so with it the future is as big at depth 1 as at depth 3,
//! for one allocation a level.
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
//! Not the same: a coroutine object is on the heap from the start and only points at the next, so Python has nothing
//! to ask. It stops you at a depth of 1 000 by RecursionError. In Rust each poll goes down through all levels on the
//! thread's stack, and a recursion too deep for that ends the process.

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
    t.count("boxes", 0);
    Ok(())
}

/// First the parts, then the dish itself. Nothing overlaps: recursion is one wait after another.
async fn prepare(recipe: &Recipe, boxes: &Cell<u32>) {
    for part in recipe.parts {
        boxes.update(|made| made + 1);
        // `prepare(part, boxes).await` is E0733: this future would be a part of itself. Through the box it holds a
        // pointer, and the part lies elsewhere. `pin` promises that it stays where it lies, which every future asks
        // before it is polled, because it may point into itself.
        Box::pin(prepare(part, boxes)).await; // <- the difference
    }
    simmer(recipe.name, recipe.time).await;
}

// The same without a box: a function for every level, each of another type, and each as big as its own variables and
// the whole level below. The depth is now the program's and no longer the recipe's: what is deeper is left out.

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
    use timing::report::Value;

    async fn measured() -> Timings {
        let mut t = Timings::default();
        run(&mut t).await.unwrap();
        t
    }

    #[tokio::test(start_paused = true)]
    async fn a_walk_is_one_wait_after_another_parts_first() {
        let t = measured().await;
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
        let t = measured().await;
        let [one, two, three] = DEPTHS.map(|depth| t["boxed"].count(depth));
        assert_eq!((one, two), (two, three));
        assert_eq!(*t["boxed"].count("boxes"), 3, "one for each part");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_box_it_grows_with_every_level() {
        let t = measured().await;
        let [one, two, three] = DEPTHS.map(|depth| match t["written out"].count(depth) {
            Value::Whole(bytes) => *bytes,
            other => panic!("{other:?} is no number of bytes"),
        });
        assert!(one < two && two < three, "{one}, {two}, {three}");
        assert_eq!(*t["written out"].count("boxes"), 0);
    }
}
