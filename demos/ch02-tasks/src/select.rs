//! # `select!`: whichever comes first, and what becomes of the others
//!
//! Orders of 4 bytes arrive over a wire in pieces of 3, and a clock strikes every 1.5 ticks. A loop waits for both, and
//! each stroke drops the branch that reads. If that is `read_exact`, the bytes it has taken off the wire are lost: 4 of
//! 32 here, and from there on every order is nonsense: 2 of 8 are right. Two forms lose none. One keeps the read across
//! the rounds; the other waits for a `recv`, which takes a whole message or nothing.
//!
//! asyncio: wait
//!
//! ```python
//! reading = asyncio.create_task(wire.readexactly(4))
//! done, pending = await asyncio.wait({reading, clock}, return_when=asyncio.FIRST_COMPLETED)
//! # what is pending is still a task: it goes on, and can be waited for again
//! ```
//!
//! Not the same: `asyncio.wait` leaves the losers alone. `select!` owns its branches and drops the losers, so a
//! future may stand in it only if it can be dropped between two polls without losing anything. That is called
//! cancel-safe, it is a line in the documentation of a method, and no compiler checks it. When several branches are
//! ready, `select!` takes one at random, so that none is starved; `biased` takes the first.

use std::{pin::pin, time::Duration};

use anyhow::Result;
use timing::{Timings, law::exactly, ticks};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    select,
    sync::mpsc::{self, Receiver, Sender},
    time::{Interval, interval, sleep},
};
use tracing::{info, instrument};

const ORDERS: u32 = 8;

pub async fn run(t: &mut Timings) -> Result<()> {
    let pieces = Pieces {
        size: 3,
        pause: ticks(0.4),
        clock: ticks(1.5),
    };
    // 32 bytes are 11 pieces.
    let law = || exactly(4.4);
    let orders = t
        .time("read_exact in select!", law(), reads_in_the_branch(pieces))
        .await;
    count(t, &orders);
    let orders = t
        .time("a read kept by pin!", law(), keeps_the_read(pieces))
        .await;
    count(t, &orders);
    let orders = t
        .time("recv in select!", law(), receives_in_the_branch(pieces))
        .await?;
    count(t, &orders);

    let left = t.time("two are ready", exactly(0), takes_at_random()).await;
    t.count("first branch, of 100", left);
    let left = t
        .time("two are ready, biased", exactly(0), takes_the_first())
        .await;
    t.count("first branch, of 100", left);
    Ok(())
}

async fn reads_in_the_branch(pieces: Pieces) -> Vec<u32> {
    let (mut wire, mut clock) = pieces.arrive();
    let mut orders = Vec::new();
    let mut bytes = [0; 4];
    loop {
        select! {
            _ = clock.tick() => {}
            // Between its polls the future keeps how much of `bytes` is filled. A stroke of the clock drops it, and
            // the next round begins at the first byte again.
            read = wire.read_exact(&mut bytes) => match read {
                Ok(_) => orders.push(u32::from_be_bytes(bytes)),
                Err(_closed) => return orders,
            },
        }
    }
}

async fn keeps_the_read(pieces: Pieces) -> Vec<u32> {
    let (mut wire, mut clock) = pieces.arrive();
    let mut orders = Vec::new();
    loop {
        // <- the difference: the future lives outside of the rounds, and `select!` gets a `&mut` of it.
        let mut next = pin!(read_order(&mut wire));
        let order = loop {
            select! {
                _ = clock.tick() => {}
                order = &mut next => break order,
            }
        };
        match order {
            Some(order) => orders.push(order),
            None => return orders,
        }
    }
}

async fn receives_in_the_branch(pieces: Pieces) -> Result<Vec<u32>> {
    let (wire, mut clock) = pieces.arrive();
    let (sender, mut receiver) = mpsc::channel(1);
    // The read that must not be dropped is in a task of its own, where nobody drops it.
    let reader = tokio::spawn(reads_into(sender, wire));
    let (mut orders, mut strokes) = (Vec::new(), 0);
    loop {
        select! {
            // A precondition takes a branch out of the round: from the third stroke on the clock isn't asked.
            _ = clock.tick(), if strokes < 3 => strokes += 1,
            // So does a pattern that doesn't match: `recv` gives `None` when the last sender is gone.
            Some(order) = receiver.recv() => orders.push(order),
            // No branch is left to wait for.
            else => break,
        }
    }
    reader.await?;
    Ok(orders)
}

async fn reads_into(sender: Sender<u32>, mut wire: DuplexStream) {
    while let Some(order) = read_order(&mut wire).await {
        if sender.send(order).await.is_err() {
            return;
        }
    }
}

async fn takes_at_random() -> u32 {
    let (mut left, mut right) = (full_channel(), full_channel());
    let mut from_left = 0;
    for _ in 0..100 {
        select! {
            _ = left.recv() => from_left += 1,
            _ = right.recv() => {}
        }
    }
    from_left
}

async fn takes_the_first() -> u32 {
    let (mut left, mut right) = (full_channel(), full_channel());
    let mut from_left = 0;
    for _ in 0..100 {
        select! {
            biased; // <- the difference: the right one is starved as long as the left one is ready
            _ = left.recv() => from_left += 1,
            _ = right.recv() => {}
        }
    }
    from_left
}

/// `None` when the wire is closed, be it in the middle of an order.
async fn read_order(wire: &mut DuplexStream) -> Option<u32> {
    wire.read_u32().await.ok()
}

fn count(t: &mut Timings, orders: &[u32]) {
    let right = orders
        .iter()
        .zip(1..)
        .take_while(|(order, sent)| *order == sent)
        .count();
    t.count("orders right", right);
    t.count("bytes lost", 4 * (ORDERS as usize - orders.len()));
}

/// How the bytes arrive, and how often the clock strikes.
#[derive(Clone, Copy, Debug)]
struct Pieces {
    size: usize,
    pause: Duration,
    clock: Duration,
}

impl Pieces {
    fn arrive(self) -> (DuplexStream, Interval) {
        let (near, far) = duplex(64);
        tokio::spawn(send_orders(far, self));
        (near, interval(self.clock))
    }
}

/// Orders 1, 2, 3 …, in pieces that don't end where an order ends.
#[instrument(ret, skip_all)]
async fn send_orders(mut wire: DuplexStream, pieces: Pieces) {
    let bytes: Vec<u8> = (1..=ORDERS).flat_map(u32::to_be_bytes).collect();
    for piece in bytes.chunks(pieces.size) {
        sleep(pieces.pause).await;
        if wire.write_all(piece).await.is_err() {
            return;
        }
    }
    info!("{} bytes sent", bytes.len());
}

fn full_channel() -> Receiver<()> {
    let (sender, receiver) = mpsc::channel(100);
    while sender.try_send(()).is_ok() {}
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Value;

    #[tokio::test(start_paused = true)]
    async fn read_exact_loses_a_counted_number_of_bytes_and_the_others_none() {
        let t = Timings::of(run).await;
        let unsafe_form = &t["read_exact in select!"];
        assert_eq!(*unsafe_form.count("bytes lost"), 4);
        assert_eq!(*unsafe_form.count("orders right"), 2);
        for label in ["a read kept by pin!", "recv in select!"] {
            assert_eq!(*t[label].count("bytes lost"), 0, "{label}");
            assert_eq!(*t[label].count("orders right"), 8, "{label}");
            assert_eq!(t[label].elapsed, ticks(4.4), "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_safe_forms_lose_nothing_however_the_bytes_and_the_strokes_fall() {
        let sent: Vec<u32> = (1..=ORDERS).collect();
        // A generator of its own keeps the cases the same in every run.
        let mut seed = 1_u64;
        let mut below = |most: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % most + 1
        };
        let mut lost = 0;
        for _ in 0..512 {
            let pieces = Pieces {
                size: below(9) as usize,
                pause: Duration::from_millis(below(150)),
                clock: Duration::from_millis(below(200)),
            };
            assert_eq!(keeps_the_read(pieces).await, sent, "{pieces:?}");
            assert_eq!(
                receives_in_the_branch(pieces).await.unwrap(),
                sent,
                "{pieces:?}"
            );
            lost += usize::from(reads_in_the_branch(pieces).await != sent);
        }
        assert!(
            lost > 100,
            "the cases are hard enough: the unsafe form failed in {lost}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn branches_that_are_ready_take_turns_at_random_unless_biased() {
        let t = Timings::of(run).await;
        assert_eq!(
            *t["two are ready, biased"].count("first branch, of 100"),
            100
        );
        let Value::Whole(first) = *t["two are ready"].count("first branch, of 100") else {
            panic!("a count is a whole number");
        };
        assert!((10..=90).contains(&first), "{first} of 100");
    }
}
