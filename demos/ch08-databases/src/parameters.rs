//! # `$1`: a text arrives as it was sent, whatever is in it
//!
//! Seven customers have awkward names, with quotes, comments and pieces of SQL in them. Each is looked for, and the
//! right answer is that one customer. With the name bound to `$1` all 7 answers are right: the server gets the text
//! beside the statement and never reads it as SQL. With the name formatted into the statement 4 are right, 1 is wrong
//! and finds everybody, and 2 are refused, O'Brien among them. Sent as a batch, which may hold several statements,
//! the last name also drops the table: 0 tables are left.
//!
//! asyncio: $1, arguments of fetch, SQL injection
//!
//! real clock: a real PostgreSQL
//!
//! ```python
//! await shop.fetch("select name from customers where name = $1", name)
//! await shop.fetch(f"select name from customers where name = '{name}'")     # never: it may find everybody
//! await shop.execute(f"delete from customers where name = '{name}'")        # never: without arguments it's a batch
//! ```
//!
//! Not the same: asyncpg takes any `str` as a statement, tokio-postgres any `&str`. sqlx takes a `&'static str`, a
//! text that stands in the program. What `format!` has made doesn't compile until `AssertSqlSafe` stands around it, a
//! word that a review can search for. It searches for `QueryBuilder` as well: its `new` and `push` take any text, and
//! want no `AssertSqlSafe`. The same in all: PostgreSQL's `text` can't hold a NUL, so the server refuses a text with
//! one in it even when it is bound.

use anyhow::Result;
use scratch_postgres::Postgres;
use sqlx::{
    AssertSqlSafe, PgPool, Row,
    postgres::{PgPoolOptions, PgRow},
};
use timing::{Timings, law::none};
use tracing::{info, instrument};

use crate::options::Options;

const NAMES: [&str; 7] = [
    "Ann Lee",
    "Bo -- the second",
    "back\\slash, \"quoted\", $1",
    "two\nlines and a \u{1FAD6}",
    "O'Brien",
    "x' or 'a' = 'a",
    "x'; drop table customers; --", // last, because one of the variants runs it
];

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let postgres = Postgres::choose(options.postgres.as_ref(), t).await?;
    info!("{postgres}");
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(postgres.url()).await?;
    enter_customers(&pool).await?;

    let answers = Answers::to(&NAMES, async |name| bound(&pool, name).await);
    let answers = t.time("bound to $1", none(), answers).await;
    count(t, answers, &pool).await?;

    let answers = Answers::to(&["Ann\0Lee"], async |name| bound(&pool, name).await);
    let answers = t.time("bound, with a NUL", none(), answers).await;
    count(t, answers, &pool).await?;

    let answers = Answers::to(&NAMES, async |name| formatted(&pool, name).await);
    let answers = t.time("formatted", none(), answers).await;
    count(t, answers, &pool).await?;

    let answers = Answers::to(&NAMES, async |name| formatted_batch(&pool, name).await);
    let answers = t.time("formatted, as a batch", none(), answers).await;
    count(t, answers, &pool).await?;
    pool.close().await;
    Ok(())
}

/// The statement is parsed once, with `$1` as a place for a value. The value comes afterwards, in a message of its
/// own.
#[instrument(ret, err, skip(pool))]
async fn bound(pool: &PgPool, name: &str) -> Result<Vec<String>> {
    let query = sqlx::query("select name from customers where name = $1").bind(name);
    names(query.fetch_all(pool).await?)
}

/// A prepared statement is one statement, so the server refuses the name that brings a second one.
#[instrument(ret, err, skip(pool))]
async fn formatted(pool: &PgPool, name: &str) -> Result<Vec<String>> {
    let text = format!("select name from customers where name = '{name}'"); // <- the difference
    // The wrapper says that the text was checked. It wasn't.
    names(sqlx::query(AssertSqlSafe(text)).fetch_all(pool).await?)
}

/// `raw_sql` prepares nothing and runs every statement in the text, as migrations need it.
#[instrument(ret, err, skip(pool))]
async fn formatted_batch(pool: &PgPool, name: &str) -> Result<Vec<String>> {
    let text = format!("select name from customers where name = '{name}'");
    names(sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(pool).await?)
}

fn names(rows: Vec<PgRow>) -> Result<Vec<String>> {
    let names = rows.iter().map(|row| row.try_get("name"));
    Ok(names.collect::<Result<_, _>>()?)
}

async fn enter_customers(pool: &PgPool) -> Result<()> {
    sqlx::query("create table customers (name text)")
        .execute(pool)
        .await?;
    for name in NAMES {
        let insert = sqlx::query("insert into customers values ($1)").bind(name);
        insert.execute(pool).await?;
    }
    Ok(())
}

/// How the searches for some names went. Right is the one customer of that name, wrong are any others.
#[derive(Default)]
struct Answers {
    right: u32,
    wrong: u32,
    refused: u32,
}

impl Answers {
    async fn to(searched: &[&str], find: impl AsyncFn(&str) -> Result<Vec<String>>) -> Self {
        let mut answers = Self::default();
        for name in searched {
            match find(name).await {
                Ok(found) if found == [*name] => answers.right += 1,
                Ok(_) => answers.wrong += 1,
                Err(_) => answers.refused += 1, // its text is in the lane
            }
        }
        answers
    }
}

async fn count(t: &mut Timings, answers: Answers, pool: &PgPool) -> Result<()> {
    t.count("right", answers.right);
    t.count("wrong", answers.wrong);
    t.count("refused", answers.refused);
    let tables = "select count(*) from pg_tables where schemaname = current_schema()";
    let tables: i64 = sqlx::query_scalar(tables).fetch_one(pool).await?;
    t.count("tables left", tables);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use scratch_postgres::measured;
    use timing::report::{Ended, Variant};

    #[track_caller]
    fn assert_answers(variant: &Variant, answers: [u32; 3], tables: u32) {
        for (what, answers) in ["right", "wrong", "refused"].into_iter().zip(answers) {
            assert_eq!(*variant.count(what), answers, "{what}");
        }
        assert_eq!(*variant.count("tables left"), tables);
    }

    #[tokio::test]
    async fn bound_every_text_is_found_as_it_was_written() {
        let Some(t) = measured(run).await else { return };
        assert_answers(&t["bound to $1"], [7, 0, 0], 1);
    }

    #[tokio::test]
    async fn formatted_a_name_can_find_everybody_and_a_harmless_one_is_refused() {
        let Some(t) = measured(run).await else { return };
        let formatted = &t["formatted"];
        assert_answers(formatted, [4, 1, 2], 1);
        assert_eq!(formatted.lane("O'Brien").ended, Ended::Failed);
        assert_eq!(formatted.lane("drop table").ended, Ended::Failed);
    }

    #[tokio::test]
    async fn in_a_batch_a_name_can_drop_the_table() {
        let Some(t) = measured(run).await else { return };
        assert_answers(&t["formatted, as a batch"], [4, 2, 1], 0);
    }

    #[tokio::test]
    async fn a_nul_is_refused_by_the_server() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let pool = PgPool::connect(postgres.url()).await.unwrap();
        enter_customers(&pool).await.unwrap();
        let error = bound(&pool, "a\0b").await.unwrap_err();
        let error = error.downcast_ref::<sqlx::Error>().unwrap();
        let code = error.as_database_error().and_then(|error| error.code());
        assert_eq!(code.as_deref(), Some("22021"));

        let t = measured(run).await.unwrap();
        assert_answers(&t["bound, with a NUL"], [0, 0, 1], 1);
    }

    #[tokio::test]
    async fn a_query_builder_takes_a_formatted_text_without_a_word() {
        let Some(postgres) = scratch_postgres::for_test().await else {
            return;
        };
        let pool = PgPool::connect(postgres.url()).await.unwrap();
        enter_customers(&pool).await.unwrap();
        let mut select = sqlx::QueryBuilder::new("select name from customers where name = '");
        select.push("x' or 'a' = 'a").push("'");
        let found = select.build().fetch_all(&pool).await.unwrap();
        assert_eq!(found.len(), NAMES.len());
    }
}
