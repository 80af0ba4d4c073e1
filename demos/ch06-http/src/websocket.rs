//! # A chat room: a thousand WebSockets, one thread
//!
//! A thousand members are in a room, and each message reaches all of them: 10 messages are heard 10 000 times. All
//! their sockets are waited for on one thread, and each connection takes some 22 000 bytes, both ends together. In a
//! second room one of 4 members doesn't read. The other 3 hear all 500 messages, 1 500 times in all, because the room
//! waits for nobody. It keeps a bounded number of messages, and a member that has missed one is sent away: when the
//! fourth reads at last, it hears what was on its way, and then its connection is closed with the code 1013.
//!
//! asyncio: aiohttp.ClientSession.ws_connect, ws_connect, websockets, websockets.broadcast
//!
//! real clock: real WebSockets over real sockets
//!
//! ```python
//! async with session.ws_connect(f"{server}/stand-in/chat/kitchen") as member:
//!     await member.send_str("dinner")
//!     async for message in member:
//!         print(message.data)
//! ```
//!
//! Not the same: a room in asyncio is often a loop over `await member.send_str(text)`, and then all wait for the
//! slowest. `websockets.broadcast` doesn't wait, and what a slow member hasn't read piles up in memory. The room here
//! is a `broadcast` channel for 256 messages (see `queues/broadcast`), and each member has a task that reads from it.
//! A socket is a `Stream` of messages and a `Sink`, which takes messages; its buffer for reading has 128 KiB by
//! default.

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt, future::try_join_all};
use timing::{Timings, law::none, memory::Usage};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use tracing::instrument;
use web::Server;

use crate::{connections::allowed, options::Options};

const FEW: usize = 10;
const MANY: usize = 500;

type Member = WebSocketStream<TcpStream>;

pub async fn run(t: &mut Timings, options: &Options) -> Result<()> {
    let server = &Server::stand_in(options.server.as_ref())?;
    let many = allowed()?;

    let before = Usage::now();
    let mut members = Vec::new();
    for _ in 0..many {
        members.push(enters("kitchen", TcpSocket::new_v4()?, server).await?);
    }
    // The server is a thread of this process, so this counts its end of each connection too.
    let bytes = before.growth().asked / members.len();
    let heard = t
        .time("all read", none(), talk(&mut members, FEW, 80))
        .await?;
    t.count("members", members.len());
    t.count("said", FEW);
    t.count("heard", heard);
    t.count("bytes each", bytes);

    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?; // with a larger one the system would read much on its behalf
    let slow = enters("bar", socket, server).await?;
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(enters("bar", TcpSocket::new_v4()?, server).await?);
    }
    // 30 MB in all: more than the room and the buffers of the systems keep for one member.
    let heard = t
        .time("one doesn't read", none(), talk(&mut members, MANY, 60_000))
        .await?;
    t.count("members", members.len() + 1);
    t.count("said", MANY);
    t.count("heard", heard);
    let (heard, farewell) = reads_too_late(slow).await?;
    t.count("slow one heard", heard);
    t.count("closed with", farewell);
    Ok(())
}

/// A WebSocket begins as a request over HTTP. After the answer both sides send messages over the same connection,
/// whenever they like.
async fn enters(room: &str, socket: TcpSocket, server: &Server) -> Result<Member> {
    let url = server
        .url(&format!("/stand-in/chat/{room}"))
        .replace("http:", "ws:");
    let address = server.url("").replace("http://", "").parse()?;
    let stream = socket.connect(address).await?;
    // The default of 128 KiB would be 128 MiB for a thousand members.
    let small = WebSocketConfig::default().read_buffer_size(4 << 10);
    let (member, _answer) = client_async_with_config(url, stream, Some(small)).await?;
    Ok(member)
}

/// One member after another says something, which all of them hear before the next one is said. Returns how often
/// something was heard as it was said.
#[instrument(ret, err, skip(members))]
async fn talk(members: &mut [Member], messages: usize, bytes: usize) -> Result<usize> {
    let mut heard = 0;
    for message in 0..messages {
        let said = format!("{message:>bytes$}");
        let speaker = message % members.len();
        members[speaker].send(Message::text(said.as_str())).await?;
        // Each is waited for until it has heard this; the slow one isn't among them.
        let texts = try_join_all(members.iter_mut().map(hears)).await?;
        heard += texts.iter().filter(|&text| *text == said).count();
    }
    Ok(heard)
}

/// The speaker hears itself too.
async fn hears(member: &mut Member) -> Result<String> {
    let message = member.next().await.context("the room has closed")??;
    Ok(message.into_text()?.to_string())
}

/// Begins when the others have heard everything. What is still on the way to this member comes first, then the end.
async fn reads_too_late(mut member: Member) -> Result<(usize, String)> {
    let mut heard = 0;
    while let Some(message) = member.next().await {
        match message? {
            Message::Close(Some(farewell)) => return Ok((heard, farewell.code.to_string())),
            _ => heard += 1,
        }
    }
    bail!("the room has closed without a word")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use timing::report::{Ended::Returned, Variant};
    use tokio::time::timeout;

    async fn measured() -> Timings {
        let done = timeout(Duration::from_secs(60), Timings::of_default(run));
        done.await.unwrap()
    }

    #[track_caller]
    fn number(variant: &Variant, what: &str) -> i64 {
        variant.count(what).whole()
    }

    #[tokio::test]
    async fn every_message_reaches_every_member() {
        let t = measured().await;
        let all = &t["all read"];
        assert_eq!(number(all, "members"), i64::from(allowed().unwrap()));
        assert_eq!(number(all, "heard"), 10 * number(all, "members"));
        let polls = &all.lane("talk").polls;
        assert!(polls.iter().all(|poll| poll.on_loop), "one thread");
    }

    /// It begins to read when the others have heard everything. Had they waited for it, that would never be.
    #[tokio::test]
    async fn a_member_that_does_not_read_holds_up_none_and_is_sent_away() {
        let t = measured().await;
        let slow = &t["one doesn't read"];
        assert_eq!(number(slow, "heard"), 3 * 500);
        assert_eq!(slow.lane("talk").ended, Returned);
        assert!(number(slow, "slow one heard") < 500);
        assert_eq!(*slow.count("closed with"), "1013", "try again later");
    }
}
