//! # `.await` suspends: who runs while one waits
//!
//! The cook puts the stew on and comes to an `.await`, with 2 ticks to go. There the function stops, in the middle of
//! a line, keeps its place and gives the thread away. The dishwasher gets 5 turns on that same thread, and then the
//! cook goes on where it stood. Of the 2 ticks it had the thread twice, for a moment: before the wait and after it.
//!
//! asyncio: await
//!
//! ```python
//! async def cook(dish):
//!     await asyncio.sleep(2)      # others run here
//!     return Dish(dish)
//!
//! plate = (await (await take_order(7)).cook()).plate()
//! ```
//!
//! Not the same: Rust's `.await` stands behind what it waits for, so a chain reads in the order in which it happens,
//! with `?` in between: a step that fails ends the chain, and what stands to its right is never begun. Python has to
//! read the same chain from the inside out. Both refuse `await` in a function that isn't `async`, since only what can
//! stop and go on may wait like this: Python with SyntaxError, Rust with E0728.

use anyhow::{Result, ensure};
use timing::{
    Timings,
    law::{exactly, sum},
    ticks,
};
use tokio::time::sleep;
use tracing::{info, instrument};

pub async fn run(t: &mut Timings) -> Result<()> {
    let plates = t
        .time("while the stew cooks", exactly(2), async {
            // A second job for the same thread. It is queued here and gets its first turn when this function waits.
            let dishwasher = tokio::spawn(wash_up(4));
            Order("stew").cook().await;
            dishwasher.await
        })
        .await?;
    t.count("plates washed", plates);

    let dish = t.time("a chain", sum([1, 2]), serve(7)).await?;
    t.count("on the table", dish);

    // There is no table 13. The chain ends at its `?`, after 1 tick, and the stove stays cold.
    let nothing = t.time("a chain that breaks", exactly(1), serve(13)).await;
    t.count("on the table", nothing.unwrap_or("nothing"));
    Ok(())
}

async fn serve(table: u32) -> Result<&'static str> {
    // `?` where a step can fail. Without it there would be three statements and two names here, or two brackets.
    Ok(take_order(table).await?.cook().await.plate())
}

#[instrument(ret, err)]
async fn take_order(table: u32) -> Result<Order> {
    sleep(ticks(1)).await;
    ensure!(table <= 12, "there is no table {table}");
    Ok(Order("stew"))
}

#[derive(Debug)]
struct Order(&'static str);

impl Order {
    #[instrument(ret)]
    async fn cook(self) -> Dish {
        info!("on the stove");
        // The name of the dish is needed after the wait. It isn't on the thread's stack meanwhile, where the
        // dishwasher works: it is kept inside this future.
        sleep(ticks(2)).await;
        info!("ready");
        Dish(self.0)
    }
}

#[derive(Debug)]
struct Dish(&'static str);

impl Dish {
    fn plate(self) -> &'static str {
        self.0
    }
}

/// Done well before the stew is: 4 waits of 0.4 ticks, so 5 turns.
#[instrument(ret)]
async fn wash_up(plates: u32) -> u32 {
    for plate in 1..=plates {
        info!("plate {plate}");
        sleep(ticks(0.4)).await;
    }
    plates
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test(start_paused = true)]
    async fn the_other_one_runs_while_this_one_waits() {
        let mut t = Timings::default();
        run(&mut t).await.unwrap();
        let variant = &t["while the stew cooks"];
        assert_eq!(variant.elapsed, ticks(2));
        assert_eq!(*variant.count("plates washed"), 4);

        let [before, after] = variant.lane("cook").polls[..] else {
            panic!("the cook has the thread before the wait and after it");
        };
        let meanwhile = &variant.lane("wash_up").polls;
        assert_eq!(meanwhile.len(), 5);
        assert!(
            meanwhile
                .iter()
                .all(|poll| before.turn < poll.turn && poll.turn < after.turn)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_chain_runs_from_left_to_right() {
        let mut t = Timings::default();
        run(&mut t).await.unwrap();
        let chain = &t["a chain"];
        assert_eq!(chain.elapsed, ticks(3));
        assert_eq!(*chain.count("on the table"), "stew");
        assert_eq!(chain.lane("take_order").end, chain.lane("cook").start);
    }

    #[tokio::test(start_paused = true)]
    async fn what_stands_behind_a_failed_step_is_never_begun() {
        let mut t = Timings::default();
        run(&mut t).await.unwrap();
        let broken = &t["a chain that breaks"];
        assert_eq!(broken.elapsed, ticks(1));
        assert_eq!(*broken.count("on the table"), "nothing");
        assert_eq!(broken.lane("take_order").ended, Ended::Failed);
        assert_eq!(broken.lanes.len(), 1, "the stew was never put on");
    }
}
