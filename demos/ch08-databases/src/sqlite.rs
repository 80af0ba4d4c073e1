//! # SQLite: no server, a thread for each connection
//!
//! A shop keeps its orders in one file, and there is no server to ask. These lessons reach SQLite through sqlx. A
//! pool of its connections, which keeps them and lends them out, has 4 here. Each has a thread of its own that calls
//! SQLite, which blocks, and the event loop's thread is not one of the 4. A file that isn't there is refused unless
//! `create_if_missing` is set. The connections of a pool share a database in memory: 4 of 4 see the orders. With a URL
//! parsed for each connection it is 1 of 4, because each connection then has a database of its own.
//!
//! asyncio: aiosqlite.connect, aiosqlite, execute
//!
//! real clock: a real SQLite
//!
//! ```python
//! async with aiosqlite.connect("shop.db") as db:        # makes the file if there is none
//!     await db.execute("create table orders (id integer primary key, customer text)")
//!     await db.execute("insert into orders (customer) values (?)", ("Ann",))
//!     await db.commit()
//! ```
//!
//! Not the same: aiosqlite has a thread for each connection too, but no pool. It makes a missing file; sqlx doesn't
//! unless told to. Python begins a transaction before the first insert and needs a `commit`. Here each statement is
//! committed by itself, unless it comes after a `begin` (see `databases/begin-immediate`), so the other connections
//! see the orders at once. Every `connect(":memory:")` in Python is a database of its own. So is every
//! `sqlite::memory:` that is parsed, but all connections of a pool share one. It is gone with the last of them, and a
//! pool closes those that are idle for 10 minutes or 30 minutes old: set `idle_timeout` and `max_lifetime` to `None`.

use std::{
    cmp::Ordering,
    collections::HashSet,
    sync::{Arc, Mutex},
    thread::{self, ThreadId},
};

use anyhow::Result;
use chapter::Folder;
use futures_util::future::try_join_all;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use timing::{Timings, law::none};
use tracing::{info, instrument};

use crate::options::Options;

const CONNECTIONS: u32 = 4;
const CUSTOMERS: [&str; 3] = ["Cem", "Ann", "Bo"];

pub async fn run(t: &mut Timings, _: &Options) -> Result<()> {
    let folder = Folder::temporary()?;
    let file = SqliteConnectOptions::new().filename(folder.path().join("shop.db"));

    // The refusal is the subject here. Its text stands in the narration.
    let opened = t.time("missing file", none(), opens(&file));
    let opened = opened.await.iter().count();
    t.count("connections", opened);

    let file = file.create_if_missing(true); // <- the difference
    let memory: SqliteConnectOptions = "sqlite::memory:".parse()?;
    for (label, database) in [("create_if_missing", file), ("in memory, one pool", memory)] {
        let threads = Threads::default();
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_lazy_with(threads.watch(database));
        let seeing = t.time(label, none(), shares_a_shop(&pool)).await?;
        t.count("connections", pool.size());
        t.count("see the orders", seeing);
        threads.show(t);
        pool.close().await;
    }

    let shops = keeps_a_shop_each();
    let seeing = t.time("in memory, a URL each", none(), shops).await?;
    t.count("connections", CONNECTIONS);
    t.count("see the orders", seeing);
    Ok(())
}

#[instrument(ret, err, skip_all)]
async fn opens(database: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    database.connect().await?.close().await
}

#[instrument(ret, err, skip_all)]
async fn shares_a_shop(pool: &SqlitePool) -> Result<usize> {
    // All of them at once, or one connection would serve every query in turn, and the others would never be made.
    let taken = (0..CONNECTIONS).map(|_| pool.acquire());
    let mut connections = try_join_all(taken).await?;
    places_orders(&mut connections[0]).await?;
    let connections = connections.iter_mut().map(|connection| &mut **connection);
    how_many_see_them(connections).await
}

/// The same without a pool. Each parse of the URL makes up a new name for its database in memory.
#[instrument(ret, err, skip_all)]
async fn keeps_a_shop_each() -> Result<usize> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let database: SqliteConnectOptions = "sqlite::memory:".parse()?; // <- the difference
        let watched = Threads::default().watch(database); // the query sorts by it; nobody counts these threads
        connections.push(watched.connect().await?);
    }
    places_orders(&mut connections[0]).await?;
    how_many_see_them(&mut connections).await
}

async fn places_orders(shop: &mut SqliteConnection) -> Result<()> {
    let create = "create table orders (id integer primary key, customer text not null)";
    sqlx::query(create).execute(&mut *shop).await?;
    for customer in CUSTOMERS {
        // The value goes beside the statement, never into its text: no customer's name can become SQL (see
        // `databases/parameters`).
        let insert = sqlx::query("insert into orders (customer) values (?)").bind(customer);
        let placed = insert.execute(&mut *shop).await?;
        info!("order {}: {customer}", placed.last_insert_rowid());
    }
    Ok(())
}

/// To sort by a collation of ours, SQLite calls back into this program.
async fn how_many_see_them(
    shops: impl IntoIterator<Item = &mut SqliteConnection>,
) -> Result<usize> {
    let mut seeing = 0;
    for shop in shops {
        let select = "select customer from orders order by customer collate watched";
        let customers: Result<Vec<String>, _> = sqlx::query_scalar(select).fetch_all(shop).await;
        match customers {
            Ok(customers) => seeing += usize::from(customers == ["Ann", "Bo", "Cem"]),
            Err(error) if error.to_string().contains("no such table") => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(seeing)
}

/// The threads on which SQLite has compared two customers.
#[derive(Clone, Default)]
struct Threads(Arc<Mutex<HashSet<ThreadId>>>);

impl Threads {
    fn watch(&self, database: SqliteConnectOptions) -> SqliteConnectOptions {
        let threads = self.clone();
        database.collation("watched", move |a, b| threads.compare(a, b))
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        let mut threads = self.0.lock().expect("an insert doesn't panic");
        threads.insert(thread::current().id());
        a.cmp(b)
    }

    fn show(&self, t: &mut Timings) {
        let threads = self.0.lock().expect("an insert doesn't panic");
        t.count("threads", threads.len());
        let own = thread::current().id();
        let on_loop = if threads.contains(&own) { "yes" } else { "no" };
        t.count("on the loop", on_loop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    #[tokio::test]
    async fn a_file_that_is_not_there_is_refused_unless_it_may_be_made() {
        let t = Timings::of_default(run).await;
        let missing = &t["missing file"];
        assert_eq!(*missing.count("connections"), 0);
        assert_eq!(missing.lane("opens").ended, Ended::Failed);
        assert!(missing.said[0].text.contains("(code: 14) unable to open"));
        assert_eq!(*t["create_if_missing"].count("connections"), 4);
    }

    #[tokio::test]
    async fn every_connection_calls_sqlite_on_a_thread_of_its_own() {
        let t = Timings::of_default(run).await;
        for variant in ["create_if_missing", "in memory, one pool"] {
            assert_eq!(*t[variant].count("threads"), 4);
            assert_eq!(*t[variant].count("on the loop"), "no");
        }
    }

    #[tokio::test]
    async fn a_pool_shares_its_database_in_memory_and_a_second_url_makes_another() {
        let t = Timings::of_default(run).await;
        assert_eq!(*t["in memory, one pool"].count("see the orders"), 4);
        assert_eq!(*t["in memory, a URL each"].count("see the orders"), 1);
    }

    #[tokio::test]
    async fn a_bound_value_is_never_sql() {
        let mut shop = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        places_orders(&mut shop).await.unwrap();
        let name = "Ann'); drop table orders; --";
        let insert = sqlx::query("insert into orders (customer) values (?)").bind(name);
        insert.execute(&mut shop).await.unwrap();
        let last = "select customer from orders order by id desc limit 1";
        let kept: String = sqlx::query_scalar(last).fetch_one(&mut shop).await.unwrap();
        assert_eq!(kept, name);
    }

    #[tokio::test]
    async fn a_database_in_memory_is_gone_with_its_last_connection() {
        let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
        let mut only = pool.acquire().await.unwrap();
        places_orders(&mut only).await.unwrap();
        only.close().await.unwrap(); // as the pool does when it has been idle for long
        let orders = sqlx::query("select id from orders").fetch_all(&pool).await;
        let error = orders.unwrap_err().to_string();
        assert!(error.contains("no such table: orders"), "{error}");
    }
}
