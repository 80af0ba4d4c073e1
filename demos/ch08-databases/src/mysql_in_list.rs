//! # A list of ids in MySQL, and the list that is empty
//!
//! MySQL has no arrays, so a list of ids is most often a parameter for each of them (see `databases/in-list`).
//! `QueryBuilder` writes them: 1 000 rows go in with 1 insert, 3 ids find 3 rows. For an empty list the same code
//! writes `in ()`, which isn't SQL: error 1064, and no test with one id shows it. Here the empty list needs an answer
//! of its own, without a query: 0 rows. (Since MySQL 8 and MariaDB 10.6 the list can be one parameter, as JSON:
//! `in (select id from json_table(?, '$[*]' columns (id int path '$')) as list)`. An empty one finds 0 rows.)
//!
//! asyncio: aiomysql.DictCursor, IN, executemany
//!
//! real clock: a real MySQL or MariaDB
//!
//! ```python
//! async with pool.acquire() as connection, connection.cursor(aiomysql.DictCursor) as cursor:
//!     await cursor.executemany("insert into products values (%s, %s)", products)
//!     marks = ", ".join(["%s"] * len(ids))                                    # "" for no ids: error 1064
//!     await cursor.execute(f"select name from products where id in ({marks})", ids)
//!     names = [product["name"] for product in await cursor.fetchall()]
//! ```
//!
//! Not the same: `executemany` of aiomysql makes one statement of an insert too (one for each megabyte), by looking at
//! its text; in sqlx the code says so, with `push_values`. A row is read by the name of a column, as from a DictCursor,
//! and the type is checked. What a `QueryBuilder` has written needs no `AssertSqlSafe` around it (see
//! `databases/parameters`), and so nothing guards its `push`: it writes any text, SQL included. A value is for
//! `push_bind`.

use anyhow::Result;
use sqlx::{MySql, MySqlConnection, QueryBuilder, Row, mysql::MySqlDatabaseError};
use timing::{Timings, law::none};
use tracing::{info, instrument};

use crate::options::Options;

const PRODUCTS: u32 = 1_000;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = options.mysql_or_skip(t)?;
    info!("{}", server.answers().await?);
    let mut shop = server.connect().await?;
    // Nobody else sees a temporary table, and it is gone with its connection.
    let create = "create temporary table products (id int primary key, name varchar(40) not null)";
    sqlx::query(create).execute(&mut shop).await?;

    let rows = t.time("push_values", none(), fills(&mut shop)).await?;
    t.count("rows", rows);
    t.count("inserts", inserts_of(&mut shop).await?);

    for (label, ids) in [("in (?, ?, ?)", vec![3, 5, 7]), ("in ()", vec![])] {
        let found = t.time(label, none(), finds(&mut shop, &ids)).await;
        match found {
            Ok(names) => t.count("rows", names.len()),
            Err(error) => t.count("rows", format!("error {}", number(error)?)),
        }
    }
    let found = t.time("in () left out", none(), finds_or_leaves(&mut shop, &[]));
    let names = found.await?;
    t.count("rows", names.len());
    Ok(())
}

/// A statement of MySQL has 65 535 parameters at most: with two for each row, 32 767 rows.
#[instrument(ret, err, skip_all)]
async fn fills(shop: &mut MySqlConnection) -> sqlx::Result<u64> {
    let mut insert = QueryBuilder::<MySql>::new("insert into products (id, name) ");
    insert.push_values(1..=PRODUCTS, |mut row, id| {
        row.push_bind(id).push_bind(format!("product {id}"));
    });
    Ok(insert.build().execute(shop).await?.rows_affected())
}

#[instrument(ret, err, skip(shop))]
async fn finds(shop: &mut MySqlConnection, ids: &[u32]) -> sqlx::Result<Vec<String>> {
    let mut select = QueryBuilder::<MySql>::new("select name from products where id in (");
    let mut list = select.separated(", ");
    for id in ids {
        list.push_bind(id); // writes `?`; the id itself goes beside the text
    }
    select.push(") order by id");
    let rows = select.build().fetch_all(shop).await?;
    rows.iter().map(|row| row.try_get("name")).collect()
}

#[instrument(ret, err, skip(shop))]
async fn finds_or_leaves(shop: &mut MySqlConnection, ids: &[u32]) -> sqlx::Result<Vec<String>> {
    if ids.is_empty() {
        return Ok(Vec::new()); // <- the difference: nothing is in an empty list
    }
    finds(shop, ids).await
}

/// How many insert statements the server has run in this session.
async fn inserts_of(shop: &mut MySqlConnection) -> Result<u32> {
    let status = sqlx::query_as("show session status like 'Com_insert'");
    let (_name, number): (String, String) = status.fetch_one(shop).await?;
    Ok(number.parse()?)
}

/// The server's number for an error; any other error is handed on.
fn number(error: sqlx::Error) -> sqlx::Result<u16> {
    let of_server = error.as_database_error();
    let of_mysql = of_server.and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
    of_mysql.map(MySqlDatabaseError::number).ok_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_server_it_says_what_to_set() {
        let skipped = run(&mut Timings::default(), &Options::default()).await;
        let why = skipped.unwrap_err().to_string();
        assert!(why.contains("MYSQL_URL") && !why.contains('\n'), "{why}");
    }
}
