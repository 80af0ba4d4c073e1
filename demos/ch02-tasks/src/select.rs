//! # `select!` in a loop: what is dropped, and what that loses
//!
//! Eight orders of 4 bytes arrive over a wire in pieces of 7, and a clock strikes every 1.3 ticks. A loop waits for
//! both with `select!`, and a stroke ends the round: the other branch is dropped. If that is `read_exact`, in the
//! middle of an order, the bytes it has taken off the wire are lost: 2 at each of two strokes (`╳`), of 32. That is one
//! order less, and 3 more are wrong: 262144 is one half of order 4 and one of order 5. Two forms lose none. One keeps
//! a read, with `pin!`, until its order is whole. The other waits for the `recv` of a channel, which takes a whole
//! message or nothing.
//!
//! asyncio: wait
//!
//! ```python
//! reading = asyncio.create_task(wire.readexactly(4))
//! done, pending = await asyncio.wait({reading, clock}, return_when=asyncio.FIRST_COMPLETED)
//! # what is pending is still a task: it goes on, and can be waited for again
//! ```
//!
//! Not the same: `asyncio.wait` leaves the losers alone, and a StreamReader keeps what it has read. `select!` drops
//! what stands in the branches that lose. A future that is written there has to be cancel-safe: one that can be
//! dropped between two polls without losing anything. The documentation of a method says whether its future is, and
//! no compiler checks it: see `pitfalls/cancel-unsafe`. Of a `&mut` only the reference is dropped: see `runtime/pin`.

use std::{pin::pin, time::Duration};

use anyhow::Result;
use timing::{Timings, law::exactly, ticks};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    select,
    sync::mpsc::{self, Sender},
    time::{Instant, Interval, interval_at, sleep},
};
use tracing::instrument;

const ORDERS: u32 = 8;

pub async fn run(t: &mut Timings) -> Result<()> {
    let delivery = Delivery {
        size: 7,
        pause: ticks(0.6),
        clock: ticks(1.3),
    };
    // 32 bytes are 5 pieces, each after a pause.
    let law = || exactly(3);
    let orders = t
        .time(
            "read_exact in select!",
            law(),
            reads_in_the_branch(delivery),
        )
        .await;
    count(t, &orders);
    let orders = t
        .time("a read kept by pin!", law(), keeps_the_read(delivery))
        .await;
    count(t, &orders);
    let orders = t
        .time("recv in select!", law(), receives_in_the_branch(delivery))
        .await?;
    count(t, &orders);
    Ok(())
}

#[instrument(ret, skip_all)]
async fn reads_in_the_branch(delivery: Delivery) -> Vec<u32> {
    let (mut wire, mut clock) = delivery.start();
    let mut orders = Vec::new();
    loop {
        select! {
            _ = clock.tick() => {}
            // A stroke of the clock drops this future, with the bytes that it holds. The next round makes a new one,
            // which waits for four bytes again.
            order = read_order(&mut wire) => match order {
                Some(order) => orders.push(order),
                None => return orders,
            },
        }
    }
}

#[instrument(ret, skip_all)]
async fn keeps_the_read(delivery: Delivery) -> Vec<u32> {
    let (mut wire, mut clock) = delivery.start();
    let mut orders = Vec::new();
    loop {
        // <- the difference: the future lives until its order is whole, across strokes. `select!` gets a `&mut` of it.
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

#[instrument(ret, err, skip_all)]
async fn receives_in_the_branch(delivery: Delivery) -> Result<Vec<u32>> {
    let (wire, mut clock) = delivery.start();
    let (sender, mut receiver) = mpsc::channel(1);
    // The read that must not be dropped is in a task of its own, where nobody drops it.
    let reader = tokio::spawn(reads_into(sender, wire));
    let mut orders = Vec::new();
    loop {
        select! {
            _ = clock.tick() => {}
            order = receiver.recv() => match order {
                Some(order) => orders.push(order),
                None => break, // the task that reads has ended, and its sender with it
            },
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

/// `None` when the wire is closed, even in the middle of an order.
#[instrument(ret, skip_all)]
async fn read_order(wire: &mut DuplexStream) -> Option<u32> {
    let mut bytes = [0; 4];
    wire.read_exact(&mut bytes).await.ok()?;
    Some(u32::from_be_bytes(bytes))
}

fn count(t: &mut Timings, orders: &[u32]) {
    let sent = 1..=ORDERS;
    let right = orders.iter().filter(|order| sent.contains(order)).count();
    t.count("right", right);
    t.count("wrong", orders.len() - right);
    // Those that are in no order.
    t.count("bytes lost", 4 * (ORDERS as usize - orders.len()));
    let orders: Vec<_> = orders.iter().map(u32::to_string).collect();
    t.count("orders", orders.join(" "));
}

/// How the bytes arrive, and how often the clock strikes.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    size: usize,
    pause: Duration,
    clock: Duration,
}

impl Delivery {
    /// `duplex` makes both ends of a connection inside the program. The interval's first tick comes after one period.
    fn start(self) -> (DuplexStream, Interval) {
        let (near, far) = duplex(64);
        tokio::spawn(send_orders(far, self));
        (near, interval_at(Instant::now() + self.clock, self.clock))
    }
}

/// Orders 1, 2, 3 …, in pieces that don't end where an order ends.
#[instrument(ret, skip_all)]
async fn send_orders(mut wire: DuplexStream, delivery: Delivery) {
    let bytes: Vec<u8> = (1..=ORDERS).flat_map(u32::to_be_bytes).collect();
    for piece in bytes.chunks(delivery.size) {
        sleep(delivery.pause).await;
        if wire.write_all(piece).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use std::cell::Cell;
    use timing::{
        on_virtual_clock,
        report::{Ended, Variant},
    };

    /// When a read was dropped.
    fn dropped(variant: &Variant) -> Vec<Duration> {
        let reads = variant
            .lanes
            .iter()
            .filter(|lane| lane.label.starts_with("read_order"));
        let dropped = reads.filter(|read| read.ended == Ended::Cancelled);
        dropped.map(|read| read.end).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn read_exact_loses_a_counted_number_of_bytes_and_the_others_none() {
        let t = Timings::of(run).await;
        let lossy = &t["read_exact in select!"];
        assert_eq!(*lossy.count("bytes lost"), 4);
        assert_eq!(*lossy.count("right"), 4);
        assert_eq!(*lossy.count("wrong"), 3);
        // The first half of 0 0 0 4 is gone. So 0 4 0 0, 0 5 0 0 and 0 6 0 0 are read, and 0 7 is lost.
        assert_eq!(*lossy.count("orders"), "1 2 3 262144 327680 393216 8");
        // At 1.3 and 2.6 ticks, the two strokes before the end.
        assert_eq!(dropped(lossy), [ticks(1.3), ticks(2.6)]);
        for label in ["a read kept by pin!", "recv in select!"] {
            assert_eq!(*t[label].count("bytes lost"), 0, "{label}");
            assert_eq!(*t[label].count("right"), 8, "{label}");
            assert_eq!(t[label].elapsed, ticks(3), "{label}");
            assert_eq!(dropped(&t[label]), [], "{label}");
        }
    }

    #[test]
    fn the_safe_forms_lose_nothing_in_512_cases() {
        let sent: Vec<u32> = (1..=ORDERS).collect();
        let lost = Cell::new(0);
        let cases = (1_usize..10, 1_u64..151, 1_u64..201);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&cases, |(size, pause, clock)| {
            let delivery = Delivery {
                size,
                pause: Duration::from_millis(pause),
                clock: Duration::from_millis(clock),
            };
            on_virtual_clock(async {
                prop_assert_eq!(&keeps_the_read(delivery).await, &sent);
                prop_assert_eq!(&receives_in_the_branch(delivery).await.unwrap(), &sent);
                let lossy = reads_in_the_branch(delivery).await;
                lost.update(|lost| lost + usize::from(lossy != sent));
                Ok(())
            })
        });
        held.unwrap();
        assert!(
            lost.get() > 100,
            "the cases are hard enough: the lossy form failed in {}",
            lost.get()
        );
    }
}
