//! # A list of ids in a query: one parameter, or one for each id
//!
//! A shop looks up lists of 1 to 20 products. `= any($1)` takes the whole list as one value: 1 statement is prepared,
//! whatever the length, and an empty list finds 0 rows. `in ($1, $2, …)` has a parameter for each id, so each length
//! is a text of its own: 20 statements for 20 lengths, an error for the empty list and another one for 70 000 ids.
//! Without an `order by` rows come in no promised order: these lists run against the order of the table, and in both
//! ways only the list of a single id comes back in its order. `unnest(…) with ordinality` makes a table of the list.
//! A join with it can order by the place in the list, and returns all 20 in their order.
//!
//! asyncio: IN, aiomysql.DictCursor
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! marks = ", ".join(["%s"] * len(ids))                                        # aiomysql
//! await cursor.execute(f"select * from products where id in ({marks})", ids)  # no ids: error 1064
//! names = [product["name"] for product in await cursor.fetchall()]           # a DictCursor's rows are dicts
//! products = await shop.fetch("select * from products where id = any($1)", ids)   # asyncpg
//! ```
//!
//! Not the same: MySQL has no arrays, so there the text depends on the length, unless the list is sent as JSON (see
//! `databases/mysql-in-list`), and aiomysql writes the values into it, too. sqlx builds such a text with a
//! `QueryBuilder`, which numbers the parameters and binds them. Like asyncpg it keeps 100 prepared statements on each
//! connection, and lists of 100 lengths push out all others. A row of sqlx is read by the name of a column, as from a
//! DictCursor, and the column's type is checked.

use anyhow::Result;
use scratch_postgres::Postgres;
use sqlx::{
    PgPool, QueryBuilder, Row,
    postgres::{PgPoolOptions, PgRow},
};
use timing::{Timings, law::none};
use tracing::info;

use crate::options::Options;

const LONGEST: i32 = 20;
/// More than the 65 535 parameters that a statement of PostgreSQL may have.
const TOO_LONG: i32 = 70_000;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    fill_the_shop(postgres.url()).await?;

    look_up(t, "= any($1)", postgres.url(), any).await?;
    look_up(t, "in ($1, …)", postgres.url(), each_of).await?;
    look_up(t, "unnest($1)", postgres.url(), any_in_order).await
}

async fn any(shop: &PgPool, ids: &[i32]) -> Result<Vec<i32>> {
    let query = sqlx::query("select id, name from products where id = any($1)");
    read(query.bind(ids).fetch_all(shop).await?)
}

async fn each_of(shop: &PgPool, ids: &[i32]) -> Result<Vec<i32>> {
    let mut query = QueryBuilder::new("select id, name from products where id in (");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(id); // writes `$1`, `$2` and so on; the id itself is bound
    }
    // Of no ids this makes `in ()`, which isn't SQL (see `databases/mysql-in-list` for the way out).
    query.push(")"); // <- the difference: the text depends on the length
    read(query.build().fetch_all(shop).await?)
}

/// The array becomes a table, with the place of each id beside it. An id that is named twice is found twice; `any`
/// and `in` find it once.
async fn any_in_order(shop: &PgPool, ids: &[i32]) -> Result<Vec<i32>> {
    let list = "select id, name from unnest($1::int4[]) with ordinality as list (id, place)
        join products using (id) order by place";
    let query = sqlx::query(list);
    read(query.bind(ids).fetch_all(shop).await?)
}

/// By name, so a query may name its columns in any order.
fn read(products: Vec<PgRow>) -> Result<Vec<i32>> {
    let ids = products.iter().map(|product| product.try_get("id"));
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Times the lists of 1 to 20 ids, on one connection. The empty list and a very long one come afterwards: where they
/// fail they take no time.
async fn look_up(
    t: &mut Timings,
    label: &str,
    url: &str,
    find: impl AsyncFn(&PgPool, &[i32]) -> Result<Vec<i32>>,
) -> Result<()> {
    // A statement is prepared for a connection, and so it is counted on one.
    let shop = PgPoolOptions::new().max_connections(1).connect(url).await?;
    let lists = t.time(label, none(), all_lengths(&shop, &find)).await?;
    t.count("prepared", prepared(&shop).await?);
    t.count("rows found", lists.found);
    t.count("in their order", lists.in_order);
    let many: Vec<_> = (1..=TOO_LONG).collect();
    for (list, ids) in [("empty list", &[][..]), ("70 000 ids", &many)] {
        match find(&shop, ids).await {
            Ok(products) => t.count(list, products.len().to_string()),
            Err(error) => {
                info!("{list}: {error}");
                t.count(list, "error");
            }
        }
    }
    shop.close().await;
    Ok(())
}

/// The rows that lists of 1 to 20 ids have found, and how many lists came back in their order.
#[derive(Default)]
struct Lists {
    found: usize,
    in_order: usize,
}

async fn all_lengths(
    shop: &PgPool,
    find: impl AsyncFn(&PgPool, &[i32]) -> Result<Vec<i32>>,
) -> Result<Lists> {
    let mut lists = Lists::default();
    for length in 1..=LONGEST {
        // From the last one down: the table has them the other way round.
        let ids: Vec<_> = (1..=length).rev().collect();
        let products = find(shop, &ids).await?;
        lists.found += products.len();
        lists.in_order += usize::from(products == ids);
    }
    Ok(lists)
}

/// The statements that are prepared on the connection of `shop`. This one isn't kept there, so it isn't counted.
async fn prepared(shop: &PgPool) -> Result<i64> {
    let prepared = sqlx::query_scalar("select count(*) from pg_prepared_statements");
    Ok(prepared.persistent(false).fetch_one(shop).await?)
}

async fn fill_the_shop(url: &str) -> Result<()> {
    let shop = PgPoolOptions::new().max_connections(1).connect(url).await?;
    let products = "create table products (id int4, name text);
        insert into products select id, 'tea ' || id from generate_series(1, 20) as id";
    sqlx::raw_sql(products).execute(&shop).await?;
    shop.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;
    use std::collections::BTreeSet;

    #[tokio::test]
    async fn an_array_is_one_statement_and_a_list_of_parameters_one_for_each_length() {
        let Some(t) = measured(run).await else { return };
        for (label, prepared) in [("= any($1)", 1), ("in ($1, …)", 20), ("unnest($1)", 1)] {
            assert_eq!(*t[label].count("prepared"), prepared, "{label}");
            assert_eq!(*t[label].count("rows found"), 210, "{label}");
        }
    }

    #[tokio::test]
    async fn an_empty_array_finds_nothing_and_an_empty_list_is_no_sql() {
        let Some(t) = measured(run).await else { return };
        assert_eq!(*t["= any($1)"].count("empty list"), "0");
        assert_eq!(*t["in ($1, …)"].count("empty list"), "error");
        assert_eq!(*t["unnest($1)"].count("empty list"), "0");
    }

    #[tokio::test]
    async fn an_array_may_be_longer_than_a_statement_has_parameters() {
        let Some(t) = measured(run).await else { return };
        assert_eq!(*t["= any($1)"].count("70 000 ids"), "20");
        assert_eq!(*t["in ($1, …)"].count("70 000 ids"), "error");
    }

    #[tokio::test]
    async fn only_the_join_keeps_the_order_of_the_list() {
        let Some(t) = measured(run).await else { return };
        assert_eq!(*t["unnest($1)"].count("in their order"), 20);
        for label in ["= any($1)", "in ($1, …)"] {
            assert_eq!(*t[label].count("in their order"), 1, "{label}");
        }
    }

    #[tokio::test]
    async fn the_join_finds_an_id_twice_that_is_named_twice() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        fill_the_shop(postgres.url()).await.unwrap();
        let shop = PgPool::connect(postgres.url()).await.unwrap();
        assert_eq!(any_in_order(&shop, &[7, 3, 7]).await.unwrap(), [7, 3, 7]);
        for ids in [
            any(&shop, &[7, 3, 7]).await,
            each_of(&shop, &[7, 3, 7]).await,
        ] {
            assert_eq!(BTreeSet::from_iter(ids.unwrap()), BTreeSet::from([3, 7]));
        }
    }

    #[tokio::test]
    async fn a_connection_keeps_a_hundred_statements_and_forgets_those_used_longest_ago() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        fill_the_shop(postgres.url()).await.unwrap();
        let shop = PgPoolOptions::new().max_connections(1);
        let shop = shop.connect(postgres.url()).await.unwrap();
        any(&shop, &[1]).await.unwrap();
        for length in 1..=100 {
            each_of(&shop, &vec![1; length]).await.unwrap();
        }
        assert_eq!(prepared(&shop).await.unwrap(), 100);
        let others = "select count(*) from pg_prepared_statements where statement like '% any(%'";
        let others = sqlx::query_scalar(others).persistent(false);
        let others: i64 = others.fetch_one(&shop).await.unwrap();
        assert_eq!(others, 0);
    }
}
