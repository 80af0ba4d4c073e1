//! # A list of ids in a query: one parameter, or one for each id
//!
//! A shop looks up lists of 1 to 20 products. `= any($1)` takes the whole list as one value: 1 statement is prepared,
//! whatever the length, and an empty list finds 0 rows. `in ($1, $2, …)` has a parameter for each id, so each length
//! is a text of its own: 20 statements for 20 lengths, an error for the empty list and another one for more than 65
//! 535 ids. Neither keeps the order of a list, except of the one with a single id; a join with `unnest(…) with
//! ordinality` does, for all 20 lists.
//!
//! asyncio: IN, aiomysql.DictCursor
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! marks = ", ".join(["%s"] * len(ids))                                        # aiomysql
//! await cursor.execute(f"select * from products where id in ({marks})", ids)  # no ids: error 1064
//! products = await cursor.fetchall()                                          # dicts, from a DictCursor
//! products = await shop.fetch("select * from products where id = any($1)", ids)   # asyncpg
//! ```
//!
//! Not the same: MySQL has no arrays, so there a list is always one parameter for each id. sqlx builds such a text
//! with a `QueryBuilder`, which numbers the parameters and binds them; like asyncpg it keeps 100 prepared statements
//! on each connection, and lists of 100 lengths push out all others. A column of a row is read by its name in both,
//! as from a DictCursor; here its type is checked as well.

use anyhow::Result;
use scratch_postgres::Postgres;
use sqlx::{
    PgPool, QueryBuilder, Row,
    postgres::{PgPoolOptions, PgRow},
};
use timing::{Timings, law::none};
use tracing::{info, instrument};

use crate::options::Options;

const LONGEST: i32 = 20;
/// A statement of PostgreSQL has 65 535 parameters at most.
const TOO_LONG: i32 = 70_000;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    fill_the_shop(postgres.url()).await?;

    let looked_up = look_up(postgres.url(), any);
    let looked_up = t.time("= any($1)", none(), looked_up).await?;
    count(t, looked_up);

    let looked_up = look_up(postgres.url(), each_of);
    let looked_up = t.time("in ($1, …)", none(), looked_up).await?;
    count(t, looked_up);

    let looked_up = look_up(postgres.url(), any_in_order);
    let looked_up = t.time("unnest($1)", none(), looked_up).await?;
    count(t, looked_up);
    Ok(())
}

#[instrument(ret, err, skip_all, fields(ids = ids.len()))]
async fn any(shop: &PgPool, ids: &[i32]) -> Result<Vec<i32>> {
    let query = sqlx::query("select id, name from products where id = any($1)");
    read(query.bind(ids).fetch_all(shop).await?)
}

#[instrument(ret, err, skip_all, fields(ids = ids.len()))]
async fn each_of(shop: &PgPool, ids: &[i32]) -> Result<Vec<i32>> {
    let mut query = QueryBuilder::new("select id, name from products where id in (");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(id); // writes `$1`, `$2` and so on; the id itself is bound
    }
    // Of no ids this makes `in ()`, which isn't SQL. Whoever builds such a text has to leave it out for an empty
    // list.
    query.push(")"); // <- the difference: the text depends on the length
    read(query.build().fetch_all(shop).await?)
}

/// The array becomes a table, with the place of each id beside it. An id that is named twice is found twice; `any`
/// and `in` find it once.
#[instrument(ret, err, skip_all, fields(ids = ids.len()))]
async fn any_in_order(shop: &PgPool, ids: &[i32]) -> Result<Vec<i32>> {
    let query = sqlx::query(
        "select id, name from unnest($1::int4[]) with ordinality as list (id, place)
         join products using (id) order by place",
    );
    read(query.bind(ids).fetch_all(shop).await?)
}

/// By name, so a query may name its columns in any order.
fn read(products: Vec<PgRow>) -> Result<Vec<i32>> {
    let ids = products.iter().map(|product| product.try_get("id"));
    Ok(ids.collect::<Result<_, _>>()?)
}

/// What became of lists of 1 to 20 ids on one connection, of an empty list, and of one that is very long.
struct LookedUp {
    found: usize,
    in_order: usize,
    prepared: i64,
    of_none: Result<Vec<i32>>,
    of_too_many: Result<Vec<i32>>,
}

async fn look_up(
    url: &str,
    find: impl AsyncFn(&PgPool, &[i32]) -> Result<Vec<i32>>,
) -> Result<LookedUp> {
    // A statement is prepared for a connection, and so it is counted on one.
    let shop = PgPoolOptions::new().max_connections(1).connect(url).await?;
    let (mut found, mut in_order) = (0, 0);
    for length in 1..=LONGEST {
        // From the last one down: the table has them the other way round.
        let ids: Vec<_> = (1..=length).rev().collect();
        let products = find(&shop, &ids).await?;
        found += products.len();
        in_order += usize::from(products == ids);
    }
    // Not kept on the connection itself, so it isn't among those that it counts.
    let prepared = sqlx::query_scalar("select count(*) from pg_prepared_statements");
    let prepared = prepared.persistent(false).fetch_one(&shop).await?;
    let of_none = find(&shop, &[]).await;
    let many: Vec<_> = (1..=TOO_LONG).collect();
    let of_too_many = find(&shop, &many).await;
    shop.close().await;
    Ok(LookedUp {
        found,
        in_order,
        prepared,
        of_none,
        of_too_many,
    })
}

fn count(t: &mut Timings, lists: LookedUp) {
    let rows = |found: Result<Vec<i32>>| match found {
        Ok(products) => products.len().to_string(),
        Err(_) => "error".into(), // its text is in the lane
    };
    t.count("prepared", lists.prepared);
    t.count("rows of 1 to 20 ids", lists.found);
    t.count("lists in their order", lists.in_order);
    t.count("of no id", rows(lists.of_none));
    t.count("of 70 000", rows(lists.of_too_many));
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

    async fn measured() -> Option<Timings> {
        scratch_postgres::for_test().await?;
        Some(Timings::of(async |t| run(t, &Options::default()).await).await)
    }

    #[tokio::test]
    async fn an_array_is_one_statement_and_a_list_of_parameters_one_for_each_length() {
        let Some(t) = measured().await else { return };
        for (label, prepared) in [("= any($1)", 1), ("in ($1, …)", 20), ("unnest($1)", 1)] {
            assert_eq!(*t[label].count("prepared"), prepared, "{label}");
            assert_eq!(*t[label].count("rows of 1 to 20 ids"), 210, "{label}");
        }
    }

    #[tokio::test]
    async fn an_empty_array_finds_nothing_and_an_empty_list_is_no_sql() {
        let Some(t) = measured().await else { return };
        assert_eq!(*t["= any($1)"].count("of no id"), "0");
        assert_eq!(*t["in ($1, …)"].count("of no id"), "error");
        assert_eq!(*t["unnest($1)"].count("of no id"), "0");
    }

    #[tokio::test]
    async fn an_array_may_be_longer_than_a_statement_has_parameters() {
        let Some(t) = measured().await else { return };
        assert_eq!(*t["= any($1)"].count("of 70 000"), "20");
        assert_eq!(*t["in ($1, …)"].count("of 70 000"), "error");
    }

    #[tokio::test]
    async fn only_the_join_keeps_the_order_of_the_list() {
        let Some(t) = measured().await else { return };
        assert_eq!(*t["unnest($1)"].count("lists in their order"), 20);
        for label in ["= any($1)", "in ($1, …)"] {
            assert_eq!(*t[label].count("lists in their order"), 1, "{label}");
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
        assert_eq!(any(&shop, &[7, 3, 7]).await.unwrap(), [3, 7]);
        assert_eq!(each_of(&shop, &[7, 3, 7]).await.unwrap(), [3, 7]);
    }

    #[tokio::test]
    async fn a_connection_keeps_a_hundred_statements() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        fill_the_shop(postgres.url()).await.unwrap();
        let shop = PgPoolOptions::new().max_connections(1);
        let shop = shop.connect(postgres.url()).await.unwrap();
        for length in 1..=110 {
            each_of(&shop, &vec![1; length]).await.unwrap();
        }
        let kept = sqlx::query_scalar("select count(*) from pg_prepared_statements");
        let kept: i64 = kept.persistent(false).fetch_one(&shop).await.unwrap();
        assert_eq!(kept, 100);
    }
}
