//! # `read_line` in a `select!` loop: half a line is dropped
//!
//! Eight orders arrive over a wire, a line each, in pieces that don't end where a line ends. A loop reads them, and
//! reports every 1.3 ticks how many it has. A report drops the future of `read_line`, with what it has of a line: 10
//! of 58 bytes in all. There is no error: "1 stew" becomes "tew", and "1 salad" an empty line. Of 8 orders 6 are
//! right. With `next_line` no byte is lost, and 8 are right.
//!
//! asyncio: StreamReader.readline, wait_for
//!
//! How to see it: neither rustc nor clippy warns, and no error and no lane tells of it; only the data is wrong.
//! Whether a future is cancel-safe (`tasks/select`) stands in its documentation, under "Cancel safety": those of
//! `read_line` and `read_exact` aren't, those of `next_line` and of a channel's `recv` are.
//!
//! Cured in: `tasks/select`, `queues/reserve`
//!
//! ```python
//! async def read_orders():
//!     while line := await reader.readline(): orders.append(line)
//! while not reader.at_eof():
//!     with suppress(TimeoutError): await asyncio.wait_for(read_orders(), 1.3)    # loses nothing
//!     print(len(orders), "orders")
//! ```
//!
//! Not the same: when `wait_for` cancels `readline`, the bytes of half a line stay in the StreamReader. `read_line`
//! takes them off the wire into its future, and they are dropped with it. `Lines` keeps them in itself.

use std::{io, time::Duration};

use anyhow::Result;
use timing::{Timings, law::sum, ticks};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex},
    select,
    time::{Interval, interval, sleep},
};
use tracing::{info, instrument};

const ORDERS: [&str; 8] = [
    "2 soup", "1 bread", "3 tea", "1 stew", "4 rice", "2 pie", "1 salad", "5 coffee",
];

pub async fn run(t: &mut Timings) -> Result<()> {
    let pieces = Pieces {
        size: 12,
        pause: ticks(0.6),
        reports: ticks(1.3),
    };
    // 58 bytes are 5 pieces, each after a pause.
    let law = || sum([0.6; 5]);
    let orders = t
        .time("read_line", law(), drops_half_a_line(pieces))
        .await?;
    count(t, &orders);
    let orders = t
        .time("next_line", law(), keeps_half_a_line(pieces))
        .await?;
    count(t, &orders);
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn drops_half_a_line(pieces: Pieces) -> io::Result<Vec<String>> {
    let (wire, mut reports) = pieces.arrive();
    let mut wire = BufReader::new(wire);
    let (mut orders, mut line) = (Vec::new(), String::new());
    loop {
        select! {
            _ = reports.tick() => info!("{} orders", orders.len()),
            // <- the difference: half a line is held by this future. `line` gets it when it is whole.
            read = wire.read_line(&mut line) => {
                if read? == 0 {
                    return Ok(orders);
                }
                orders.push(line.trim_end().to_owned());
                line.clear();
            }
        }
    }
}

#[instrument(ret, err, skip_all)]
async fn keeps_half_a_line(pieces: Pieces) -> io::Result<Vec<String>> {
    let (wire, mut reports) = pieces.arrive();
    let mut lines = BufReader::new(wire).lines();
    let mut orders = Vec::new();
    loop {
        select! {
            _ = reports.tick() => info!("{} orders", orders.len()),
            // <- the difference: half a line is held by `lines`, and the next call goes on with it.
            line = lines.next_line() => match line? {
                Some(order) => orders.push(order),
                None => return Ok(orders),
            },
        }
    }
}

fn count(t: &mut Timings, orders: &[String]) {
    let (right, wrong): (Vec<&str>, Vec<&str>) = orders
        .iter()
        .map(String::as_str)
        .partition(|order| ORDERS.contains(order));
    t.count("orders right", right.len());
    t.count("wrong", format!("{wrong:?}"));
    t.count("bytes lost", bytes_of(&ORDERS) - bytes_of(orders));
}

/// With the line breaks.
fn bytes_of(orders: &[impl AsRef<str>]) -> usize {
    orders.iter().map(|order| order.as_ref().len() + 1).sum()
}

/// How the bytes arrive, and how often the loop says how many orders it has.
#[derive(Clone, Copy, Debug)]
struct Pieces {
    size: usize,
    pause: Duration,
    reports: Duration,
}

impl Pieces {
    fn arrive(self) -> (DuplexStream, Interval) {
        let (near, far) = duplex(64);
        tokio::spawn(sends_orders(far, self));
        (near, interval(self.reports)) // the first tick comes at once
    }
}

#[instrument(ret, err, skip_all)]
async fn sends_orders(mut wire: DuplexStream, pieces: Pieces) -> io::Result<()> {
    let text = ORDERS.join("\n") + "\n";
    for piece in text.as_bytes().chunks(pieces.size) {
        sleep(pieces.pause).await;
        wire.write_all(piece).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        prop_assert, prop_assert_eq,
        test_runner::{Config, TestRunner},
    };
    use std::cell::Cell;
    use timing::on_virtual_clock;

    #[tokio::test(start_paused = true)]
    async fn read_line_loses_a_counted_number_of_bytes_and_next_line_none() {
        let t = Timings::of(run).await;
        assert_eq!(*t["read_line"].count("bytes lost"), 10);
        assert_eq!(*t["read_line"].count("wrong"), r#"["tew", ""]"#);
        assert_eq!(*t["read_line"].count("orders right"), 6);
        assert_eq!(*t["next_line"].count("bytes lost"), 0);
        assert_eq!(*t["next_line"].count("orders right"), 8);
        assert_eq!(*t["next_line"].count("wrong"), "[]");
        for label in ["read_line", "next_line"] {
            assert_eq!(t[label].elapsed, ticks(3), "{label}");
        }
    }

    #[test]
    fn next_line_loses_nothing_in_512_cases_and_read_line_in_many_without_an_error() {
        let lost = Cell::new(0);
        let cases = (1_usize..30, 1_u64..151, 1_u64..201);
        let mut runner = TestRunner::new(Config::with_cases(512));
        let held = runner.run(&cases, |(size, pause, reports)| {
            let pieces = Pieces {
                size,
                pause: Duration::from_millis(pause),
                reports: Duration::from_millis(reports),
            };
            on_virtual_clock(async {
                prop_assert_eq!(keeps_half_a_line(pieces).await.unwrap(), ORDERS);
                let orders = drops_half_a_line(pieces).await.unwrap();
                prop_assert!(bytes_of(&orders) <= bytes_of(&ORDERS));
                lost.update(|lost| lost + usize::from(orders != ORDERS));
                Ok(())
            })
        });
        held.unwrap();
        assert!(lost.get() > 100, "read_line lost bytes in {}", lost.get());
    }
}
