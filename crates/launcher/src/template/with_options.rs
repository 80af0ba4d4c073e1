//! # <blank: title>
//!
//! <blank: claim, with its number, and why it matters>
//!
//! asyncio: <blank: names of asyncio>
//!
//! ```python
//! # <blank: the idiom, six lines at most>
//! await asyncio.gather(wait("short", 1), wait("long", 2))
//! ```
//!
//! Not the same: <blank: what somebody who knows asyncio would get wrong>

use anyhow::Result;
use timing::{
    Timings,
    law::{max, sum},
    ticks,
};
use tokio::time::sleep;
use tracing::{info, instrument};

use crate::options::Options;

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    // <blank: why these variants, and which is the reference>
    t.time("one after another", sum([1, 2]), async {
        wait("short", 1).await;
        wait("long", 2).await;
    })
    .await;

    t.time("together", max([1, 2]), async {
        tokio::join!(wait("short", 1), wait("long", 2))
    })
    .await;
    Ok(())
}

#[instrument(ret)]
async fn wait(name: &'static str, time: u32) {
    info!("begins");
    sleep(ticks(time)).await;
    info!("ends");
}

#[cfg(test)]
mod tests {
    use super::*;

    // <blank: a test for each claim, named after it>
    #[tokio::test(start_paused = true)]
    async fn together_takes_as_long_as_the_longest() {
        let t = Timings::of_default(run).await;
        assert_eq!(t["one after another"].elapsed, ticks(3));
        assert_eq!(t["together"].elapsed, ticks(2));
    }
}
