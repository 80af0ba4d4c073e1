//! # `.await` suspends: what else runs while a function waits
//!
//! `cook` puts the stew on and awaits 2 ticks. At that `.await` it stops, keeps its variables and gives the thread
//! back to the loop. Meanwhile `wash_up`, another task, has the thread 5 times: 5 turns. When the 2 ticks are over,
//! `cook` continues after its `.await`. So it needed the thread for two short turns only: one before the wait, one
//! after it.
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
//! Not the same: Rust's `.await` is written after what it waits for, so the steps of a chain stand from left to right
//! in the order in which they run. Each of them can be followed by `?`: when a step fails, the steps to its right
//! never begin. Python's chain has to be read from the inside out. Both refuse `await` in a function that isn't
//! `async`, since only an `async` function can be suspended: Python with SyntaxError, Rust with E0728.

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
            // `spawn` only queues the second task (`tasks/spawn`). Its first turn comes when this function waits.
            let dishwasher = tokio::spawn(wash_up(4));
            Order("stew").cook().await;
            dishwasher.await
        })
        .await?;
    t.count("plates washed", plates);

    let dish = t.time("a chain", sum([1, 2]), serve(7)).await?;
    t.count("on the table", dish);

    // There is no table 13: the first step fails after 1 tick, and `?` ends the chain before anything is cooked.
    let nothing = t.time("a chain that breaks", exactly(1), serve(13)).await;
    t.count("on the table", nothing.unwrap_or("nothing"));
    Ok(())
}

async fn serve(table: u32) -> Result<&'static str> {
    // Only the first step can fail, so only the first has a `?`.
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
        // The name of the dish is needed after the wait. Meanwhile it can't be on the thread's stack, which `wash_up`
        // uses now: it is stored in this future.
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

/// 4 waits of 0.4 ticks make 5 turns, and all of them fit into the 2 ticks of the stew.
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
    async fn another_task_runs_while_this_one_waits() {
        let t = Timings::of(run).await;
        let variant = &t["while the stew cooks"];
        assert_eq!(variant.elapsed, ticks(2));
        assert_eq!(*variant.count("plates washed"), 4);

        let [before, after] = variant.lane("cook").polls[..] else {
            panic!("one turn before the wait, one after it");
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
        let t = Timings::of(run).await;
        let chain = &t["a chain"];
        assert_eq!(chain.elapsed, ticks(3));
        assert_eq!(*chain.count("on the table"), "stew");
        assert_eq!(chain.lane("take_order").end, chain.lane("cook").start);
    }

    #[tokio::test(start_paused = true)]
    async fn the_steps_after_a_failed_one_never_begin() {
        let t = Timings::of(run).await;
        let broken = &t["a chain that breaks"];
        assert_eq!(broken.elapsed, ticks(1));
        assert_eq!(*broken.count("on the table"), "nothing");
        assert_eq!(broken.lane("take_order").ended, Ended::Failed);
        assert_eq!(broken.lanes.len(), 1, "nothing was cooked");
    }
}
