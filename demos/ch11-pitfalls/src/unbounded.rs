//! # More connections at once than the server takes
//!
//! A shop asks a server for its stock of 1 000 articles. The server serves 100 clients at once, each for a tick, and
//! closes any other connection unanswered. `join_all` opens 1 000 at once: 100 are answered, more on a busy machine,
//! and the others fail. `buffer_unordered(50)` opens 50 at once: 1 000 are answered, in 20 ticks.
//!
//! asyncio: gather, Semaphore, BoundedSemaphore
//!
//! real clock: real sockets
//!
//! How to see it: neither rustc nor clippy warns, and a short list, as in a test, goes well. With a long one the log
//! is full of connections that end before their answer; in the timeline most lanes end in an error.
//!
//! Cured in: `http/limit`, `streams/unordered`
//!
//! ```python
//! answers = await asyncio.gather(*map(ask, articles))                # all at once
//! slots = asyncio.Semaphore(50)
//! async def ask_in_a_slot(article):
//!     async with slots: return await ask(article)
//! answers = await asyncio.gather(*map(ask_in_a_slot, articles))      # 50 at once
//! ```
//!
//! Not the same: aiohttp has a bound of its own, 100 connections per session, so a `gather` over its requests opens
//! no more (`experiment/fifty-urls`). reqwest and `TcpStream::connect` have none, like `asyncio.open_connection`.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use futures_util::{StreamExt, TryStreamExt, future::join_all, stream};
use timing::{
    AtOnce, Timings,
    law::{at_least, waves},
    ticks,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    task::unconstrained,
    time::{sleep, timeout},
};
use tracing::{info, instrument};

const ARTICLES: u32 = 1_000;
const AT_ONCE: u32 = 50;
/// How many clients the server serves at once.
const SERVED: usize = 100;
/// How long a client waits for its answer, in ticks.
const PATIENCE: u32 = 20;

pub async fn run(t: &mut Timings) -> Result<()> {
    // Both ends of a connection are file descriptors of this process.
    let articles = ARTICLES.min(web::room_for_connections());
    if articles < ARTICLES {
        info!("{articles} articles, not {ARTICLES}: see ulimit -n");
    }
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse()?)?;
    // All of them may wait to be accepted. A shorter queue would lose some of them unseen.
    let listener = socket.listen(ARTICLES)?;
    let address = listener.local_addr()?;
    // `unconstrained` lifts tokio's budget, which would interrupt the server between two connections. So it looks at
    // all that stand in the queue before the first place is free again.
    let server = tokio::spawn(unconstrained(serves(listener)));

    let sockets = AtOnce::default();
    let asking = (1..=articles).map(|article| asks(article, address, &sockets));
    let answers = join_all(asking); // <- the difference
    let answers = t.time("join_all", at_least(1), answers).await;
    count(t, &answers, &sockets);

    let sockets = AtOnce::default();
    let asking = (1..=articles).map(|article| asks(article, address, &sockets));
    let answers = stream::iter(asking).buffer_unordered(AT_ONCE as usize); // <- the difference
    let law = waves(articles, AT_ONCE, 1);
    let answers: Vec<_> = t.time("buffer_unordered(50)", law, answers.collect()).await;
    count(t, &answers, &sockets);

    ensure!(!server.is_finished(), "the server has failed");
    server.abort();
    Ok(())
}

/// Nothing in it tells how often it is called at the same time.
#[instrument(ret, err, skip(server, sockets))]
async fn asks(article: u32, server: SocketAddr, sockets: &AtOnce) -> Result<String> {
    let _socket = sockets.enter(); // the first poll of `connect` opens it
    let mut server = TcpStream::connect(server).await?;
    let mut answer = String::new();
    timeout(ticks(PATIENCE), server.read_to_string(&mut answer)).await??;
    ensure!(!answer.is_empty(), "closed without an answer");
    Ok(answer)
}

/// Each client for a tick. A server that is full can let the others wait, or close their connection at once, as the
/// end of the closure does here.
async fn serves(listener: TcpListener) -> Result<()> {
    let places = Semaphore::new(SERVED);
    let clients = stream::poll_fn(|cx| listener.poll_accept(cx).map(Some));
    let serve = async |(mut client, _): (TcpStream, SocketAddr)| {
        let Ok(_place) = places.try_acquire() else {
            return Ok(());
        };
        sleep(ticks(1)).await;
        client.write_all(b"3 left").await
    };
    Ok(clients.try_for_each_concurrent(None, serve).await?)
}

fn count(t: &mut Timings, answers: &[Result<String>], sockets: &AtOnce) {
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    t.count("sockets at once", sockets.most());
    t.count("answered", answered);
    t.count("failed", answers.len() - answered);
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Ended;

    fn whole(t: &Timings, label: &str, what: &str) -> i64 {
        t[label].count(what).whole()
    }

    #[tokio::test]
    async fn all_at_once_is_more_than_the_server_takes_and_most_fail() {
        let t = Timings::of(run).await;
        let [answered, failed] = ["answered", "failed"].map(|what| whole(&t, "join_all", what));
        assert_eq!(answered + failed, i64::from(ARTICLES));
        assert_eq!(
            whole(&t, "join_all", "sockets at once"),
            i64::from(ARTICLES)
        );
        // On a busy machine the last ones may come so late that the first have left.
        assert!(answered >= 100, "{answered}");
        assert!(failed >= 500, "{failed}");
        let lanes = t["join_all"].lanes.iter();
        let in_error = lanes.filter(|lane| lane.ended == Ended::Failed).count();
        assert_eq!(i64::try_from(in_error).unwrap(), failed);
    }

    #[tokio::test]
    async fn of_a_short_list_none_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serves(listener));
        let sockets = AtOnce::default();
        let asking = (1..=50).map(|article| asks(article, address, &sockets));
        let answers = join_all(asking).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(sockets.most(), 50);
        server.abort();
    }

    #[tokio::test]
    async fn fifty_at_once_are_all_answered() {
        let t = Timings::of(run).await;
        let bounded = &t["buffer_unordered(50)"];
        assert_eq!(*bounded.count("sockets at once"), 50);
        assert_eq!(*bounded.count("answered"), 1_000);
        assert_eq!(*bounded.count("failed"), 0);
        assert!(bounded.elapsed >= ticks(20));
    }
}
