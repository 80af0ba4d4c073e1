//! # A batch with a bad row in it: what is left
//!
//! A shop enters 1 000 sales, and the price of the 501st is refused. Entered row by row, each in a transaction of its
//! own, the 500 before it are there: 500 rows, and an error that doesn't say how many. Every other way of
//! `databases/batch-insert` leaves 0. A `COPY` whose writer is dropped before `finish` leaves 0 as well, and there is
//! no error.
//!
//! asyncio: executemany, rollback
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! for sale in sales: await shop.execute(insert, *sale)     # asyncpg: the rows before the bad one stay
//! await shop.executemany(insert, sales)                    # all or nothing
//! await cursor.executemany(insert, sales)                  # aiomysql: of a large batch some rows are in,
//! await connection.commit()                                # and a commit would store them: `rollback`
//! ```
//!
//! Not the same: `executemany` of asyncpg is atomic by itself (since 0.22). In Rust a statement is atomic, and
//! several are if you write a transaction around them. aiomysql opens a transaction with the first statement, so
//! there a forgotten `commit` loses the batch; both drivers here commit each statement that is in no transaction.

use std::pin::pin;

use anyhow::{Result, anyhow};
use scratch_postgres::Postgres;
use timing::{Timings, law::none};
use tokio_postgres::{binary_copy::BinaryCopyInWriter, types::Type};
use tracing::{info, instrument};

use crate::{
    batch_insert::{Sale, Shop, WAYS, enter},
    options::Options,
};

const BAD: usize = 500;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let mut shop = Shop::open(&postgres).await?;
    let mut sales: Vec<_> = (0..1_000).map(Sale::new).collect();
    sales[BAD].cents = -1; // breaks the `check` of the table

    for way in WAYS {
        shop.clear().await?;
        let entered = t.time(way, none(), enters(way, &mut shop, &sales)).await;
        count(t, entered, &shop).await?;
    }

    sales.truncate(BAD); // only good ones from here on
    shop.clear().await?;
    let entered = t.time("COPY without finish", none(), copies(&mut shop, &sales));
    let entered = entered.await;
    count(t, entered, &shop).await
}

/// One of the ways that `databases/batch-insert` compares, with all rows.
#[instrument(ret, err, skip_all)]
async fn enters(way: &str, shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    enter(way, shop, sales).await.map_err(|error| {
        // A lane shows an error without its causes. The last of them is what the server has said, in both drivers.
        anyhow!(error.root_cause().to_string().replace('\n', "; "))
    })
}

/// A dropped writer tells the server that the copy has failed. The program isn't told.
#[instrument(ret, err, skip_all)]
async fn copies(shop: &mut Shop, sales: &[Sale]) -> Result<()> {
    let sink = shop.client.copy_in("copy sales from stdin binary").await?;
    let types = [Type::INT4, Type::TEXT, Type::INT4];
    let mut rows = pin!(BinaryCopyInWriter::new(sink, &types));
    for sale in sales {
        rows.as_mut().write(&sale.values()).await?;
    }
    Ok(()) // <- the difference: no `rows.finish()`
}

async fn count(t: &mut Timings, entered: Result<()>, shop: &Shop) -> Result<()> {
    t.count("errors", u32::from(entered.is_err()));
    t.count("rows left", shop.stored().await?.rows);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;

    #[tokio::test]
    async fn by_row_the_rows_before_the_bad_one_stay() {
        let Some(t) = measured(run).await else { return };
        assert_eq!(*t["row by row"].count("errors"), 1);
        assert!(t["row by row"].said[0].text.contains("sales_cents_check"));
        assert_eq!(*t["row by row"].count("rows left"), BAD);
    }

    #[tokio::test]
    async fn every_other_way_leaves_nothing() {
        let Some(t) = measured(run).await else { return };
        for way in &WAYS[1..] {
            assert_eq!(*t[*way].count("errors"), 1, "{way}");
            assert_eq!(*t[*way].count("rows left"), 0, "{way}");
        }
    }

    #[tokio::test]
    async fn a_copy_without_finish_leaves_nothing_and_is_no_error() {
        let Some(t) = measured(run).await else { return };
        let copy = &t["COPY without finish"];
        assert_eq!(*copy.count("errors"), 0);
        assert_eq!(*copy.count("rows left"), 0);
    }
}
