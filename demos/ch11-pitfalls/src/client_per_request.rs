//! # One client per request, hidden in a helper
//!
//! A shop asks a carrier for the state of 20 parcels, one after another. If the helper that asks makes a client of
//! its own, the carrier counts 20 connections; if it is given a client, 1. The answers are the same.
//! `http/reuse-client` tells what a connection costs, on one machine and across a network.
//!
//! asyncio: aiohttp.ClientSession, aiohttp.request
//!
//! real clock: real HTTP over real sockets
//!
//! How to see it: neither rustc nor clippy warns, and the lanes of both variants look alike. The server's count of
//! connections shows it.
//!
//! Cured in: `http/reuse-client`
//!
//! ```python
//! async def state(parcel):
//!     async with aiohttp.ClientSession() as session:          # a pool for one request
//!         async with session.get(f"{CARRIER}/{parcel}") as response:
//!             return await response.text()
//! ```
//!
//! Not the same: in Python the `async with` shows that a session is opened and closed. In Rust the end of the helper
//! closes the client, and no line shows it.

use anyhow::Result;
use reqwest::Client;
use timing::{Timings, law::sum, ticks};
use tracing::instrument;
use web::Server;

const PARCELS: u32 = 20;
/// How long the carrier takes to answer, in ticks.
const ANSWER: f64 = 0.1;

pub async fn run(t: &mut Timings) -> Result<()> {
    let carrier = &Server::stand_in(None)?;
    let law = || sum([ANSWER; PARCELS as usize]);

    let states = asks_for_all(async |parcel| state(parcel, carrier).await);
    let states = t.time("a client in the helper", law(), states).await?;
    t.count("states read", states);
    carrier.count(t);

    let client = &client(carrier)?; // <- the difference: made once, outside of the helper
    let states = asks_for_all(async |parcel| state_by(client, parcel, carrier).await);
    let states = t.time("a client as an argument", law(), states).await?;
    t.count("states read", states);
    carrier.count(t);
    Ok(())
}

async fn asks_for_all(state: impl AsyncFn(u32) -> Result<String>) -> Result<usize> {
    let mut states = Vec::new();
    for parcel in 1..=PARCELS {
        states.push(state(parcel).await?);
    }
    Ok(states.len())
}

/// Complete in itself: a caller needs a number and nothing else. But the connections belong to the client, and the
/// client is dropped with its variables, so the next call finds none.
#[instrument(ret, err, skip(carrier))]
async fn state(parcel: u32, carrier: &Server) -> Result<String> {
    let client = client(carrier)?; // <- the difference
    ask(&client, parcel, carrier).await
}

/// One more argument, or a field where the helper is a method. The caller decides how long the connections live.
#[instrument(ret, err, skip(client, carrier))]
async fn state_by(client: &Client, parcel: u32, carrier: &Server) -> Result<String> {
    ask(client, parcel, carrier).await
}

/// A time limit of their own is one reason why helpers make a client. `RequestBuilder::timeout` sets one for a single
/// request, with the client that is there.
fn client(carrier: &Server) -> Result<Client> {
    Ok(carrier.builder().timeout(ticks(100)).build()?)
}

async fn ask(client: &Client, parcel: u32, carrier: &Server) -> Result<String> {
    let url = format!("{}?parcel={parcel}", carrier.slow_page(ANSWER));
    let answer = client.get(url).send().await?.error_for_status()?;
    // Read to its end, or the connection could not carry another request.
    Ok(answer.text().await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::report::Value;

    #[tokio::test]
    async fn a_client_in_the_helper_opens_a_connection_for_each_request() {
        let t = Timings::of(run).await;
        let hidden = &t["a client in the helper"];
        assert_eq!(*hidden.count("connections opened"), 20);
        assert_eq!(*hidden.count("requests"), 20);
        assert_eq!(*hidden.count("states read"), 20);
    }

    #[tokio::test]
    async fn a_client_as_an_argument_uses_its_connection_again() {
        let t = Timings::of(run).await;
        let shared = &t["a client as an argument"];
        // A page is read a moment before its connection is free again: on a busy machine there may be a second one.
        let few = matches!(shared.count("connections opened"), Value::Whole(1..5));
        assert!(few, "{:?}", shared.count("connections opened"));
        assert_eq!(*shared.count("requests"), 20);
        assert_eq!(*shared.count("states read"), 20);
    }
}
