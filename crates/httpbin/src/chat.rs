//! Chat rooms: what a member sends reaches every member, itself included, and all in the same order.
//!
//! A room is a bounded broadcast. Each member's own task takes messages out of it as fast as that member reads; nobody
//! waits for it. Who falls more than [`BEHIND`] messages behind has lost some for good, so it is told how many and
//! shown the door: a Close frame with code 1013 (try again later), after which it may come back.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{SinkExt, StreamExt};
use hyper::body::Bytes;
use tokio::{
    net::TcpStream,
    sync::broadcast::{self, Receiver, Sender, error::RecvError},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// How many messages a room keeps for members that are slow to read.
const BEHIND: usize = 256;
/// The largest message, in bytes: a member that sends a larger one is disconnected.
const LARGEST: usize = 64 << 10;
/// Small, since every member has its own: the library's 128 KiB would be a quarter of a gigabyte for a thousand.
const BUFFER: usize = 4 << 10;

/// The rooms that somebody is in.
#[derive(Debug, Default)]
pub(crate) struct Rooms(Mutex<HashMap<String, Sender<Message>>>);

impl Rooms {
    pub(crate) fn enter(self: Arc<Self>, room: &str) -> Seat {
        let mut rooms = self.lock();
        let said = match rooms.get(room) {
            Some(room) => room.clone(),
            None => {
                let new = broadcast::channel(BEHIND).0;
                rooms.insert(room.to_owned(), new.clone());
                new
            }
        };
        let heard = said.subscribe();
        drop(rooms);
        Seat {
            heard,
            said,
            room: room.to_owned(),
            rooms: self,
        }
    }

    /// Each change of the map is one call that leaves it whole, so a poisoned lock guards a sound one.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Sender<Message>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A member's place in its room; dropped, it is empty, and the last one to leave takes the room along.
#[derive(Debug)]
pub(crate) struct Seat {
    said: Sender<Message>,
    heard: Receiver<Message>,
    room: String,
    rooms: Arc<Rooms>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Under the lock, under which members enter too: nobody comes in between the count and the end.
        let mut rooms = self.rooms.lock();
        if self.said.receiver_count() == 1 {
            rooms.remove(&self.room);
        }
    }
}

/// A member, from the answer to its handshake until it leaves.
pub(crate) async fn take_part(stream: TcpStream, ahead: Bytes, mut seat: Seat) {
    let limits = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(BUFFER + 2 * LARGEST)
        .max_message_size(Some(LARGEST))
        .max_frame_size(Some(LARGEST));
    let ahead = ahead.to_vec();
    let socket =
        WebSocketStream::from_partially_read(stream, ahead, Role::Server, Some(limits)).await;
    let (mut write, mut read) = socket.split();
    let (said, heard) = (&seat.said, &mut seat.heard);

    // Side by side: who writes a lot before it reads the first answer must not wait for itself.
    let listen = async {
        while let Some(Ok(message)) = read.next().await {
            if message.is_text() || message.is_binary() {
                // Fails when there are no members, and here is one.
                let _ = said.send(message);
            }
        }
    };
    let speak = async {
        loop {
            match heard.recv().await {
                Ok(message) => write.send(message).await?,
                Err(RecvError::Lagged(missed)) => break write.send(farewell(missed)).await,
                Err(RecvError::Closed) => break Ok(()),
            }
        }
    };
    tokio::select! {
        () = listen => {}
        _ = speak => {}
    }
}

fn farewell(missed: u64) -> Message {
    Message::Close(Some(CloseFrame {
        code: CloseCode::Again,
        reason: format!("too slow: {missed} messages missed").into(),
    }))
}
