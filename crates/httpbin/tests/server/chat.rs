use httpbin::Server;

use crate::client::{ask, get};

const HANDSHAKE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";

#[cfg(not(feature = "websocket"))]
#[tokio::test]
async fn without_its_feature_a_chat_room_says_so() {
    let server = Server::start().await.unwrap();
    let answer = get(server.addr(), "/stand-in/chat/kitchen").await;
    assert_eq!(answer.status, 501);
    assert!(answer.text().contains("`websocket`"));
    assert_eq!(
        ask(server.addr(), "POST", "/stand-in/chat/a", HANDSHAKE)
            .await
            .status,
        405
    );
}

#[cfg(feature = "websocket")]
mod with_websockets {
    use std::time::Duration;

    use futures_util::{SinkExt, StreamExt};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpSocket, TcpStream},
        task::JoinSet,
        time::Instant,
    };
    use tokio_tungstenite::{
        WebSocketStream, client_async,
        tungstenite::{Message, Utf8Bytes, protocol::frame::coding::CloseCode},
    };

    use super::*;
    use crate::client::{a_thousand, request, send, until};

    type Member = WebSocketStream<TcpStream>;

    async fn enter(server: &Server, room: &str) -> Member {
        let stream = TcpStream::connect(server.addr()).await.unwrap();
        seat(stream, room).await
    }

    async fn seat(stream: TcpStream, room: &str) -> Member {
        let url = format!("ws://kitchen.test/stand-in/chat/{room}");
        client_async(url, stream).await.unwrap().0
    }

    async fn say(member: &mut Member, text: impl Into<Utf8Bytes>) {
        member.send(Message::text(text)).await.unwrap();
    }

    async fn hear(member: &mut Member) -> String {
        member
            .next()
            .await
            .unwrap()
            .unwrap()
            .into_text()
            .unwrap()
            .to_string()
    }

    #[tokio::test]
    async fn what_one_says_all_hear_in_one_order() {
        let server = Server::start().await.unwrap();
        let mut members = Vec::new();
        for _ in 0..5 {
            members.push(enter(&server, "kitchen").await);
        }
        for (i, member) in members.iter_mut().enumerate() {
            say(member, format!("I am {i}")).await;
        }
        members[0].send(Message::binary(vec![0xff])).await.unwrap();
        let mut heard = Vec::new();
        for member in &mut members {
            let mut all = Vec::new();
            for _ in 0..6 {
                all.push(member.next().await.unwrap().unwrap());
            }
            heard.push(all);
        }
        assert!(heard.iter().all(|all| *all == heard[0]));
        assert_eq!(heard[0].iter().filter(|one| one.is_binary()).count(), 1);
    }

    #[tokio::test]
    async fn one_room_does_not_hear_another() {
        let server = Server::start().await.unwrap();
        let mut kitchen = enter(&server, "kitchen").await;
        let mut bar = enter(&server, "bar").await;
        say(&mut bar, "in the bar").await;
        say(&mut kitchen, "in the kitchen").await;
        assert_eq!(hear(&mut kitchen).await, "in the kitchen");
        assert_eq!(hear(&mut bar).await, "in the bar");
    }

    #[tokio::test]
    async fn joining_and_leaving_disturb_nobody() {
        let server = Server::start().await.unwrap();
        let mut stays = enter(&server, "kitchen").await;
        for i in 0..20 {
            let mut guest = enter(&server, "kitchen").await;
            say(&mut guest, format!("{i}")).await;
            assert_eq!(hear(&mut guest).await, format!("{i}"));
            assert_eq!(hear(&mut stays).await, format!("{i}"));
            if i % 2 == 0 {
                guest.close(None).await.unwrap();
                while let Some(Ok(_)) = guest.next().await {}
            }
            // The others leave without a word.
        }
        until("one left", || server.stats().in_flight == 1).await;
        say(&mut stays, "alone").await;
        assert_eq!(hear(&mut stays).await, "alone");
    }

    #[tokio::test]
    async fn a_thousand_members_hear_one() {
        let server = Server::on_thread().unwrap();
        let mut members = Vec::new();
        for _ in 0..a_thousand() {
            members.push(enter(&server, "kitchen").await);
        }
        say(&mut members[0], "dinner").await;
        let mut hearing: JoinSet<String> = members
            .into_iter()
            .map(|mut member| async move { hear(&mut member).await })
            .collect();
        while let Some(heard) = hearing.join_next().await {
            assert_eq!(heard.unwrap(), "dinner");
        }
    }

    #[tokio::test]
    async fn who_does_not_read_holds_nobody_up_and_is_sent_away() {
        let server = Server::start().await.unwrap();
        // With small buffers the server can't write much to it.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut deaf = seat(socket.connect(server.addr()).await.unwrap(), "kitchen").await;
        let mut cook = enter(&server, "kitchen").await;
        // 64 MiB in all: more than any buffer on the way takes.
        let (messages, text) = (2000, "x".repeat(32 << 10));
        for _ in 0..messages {
            say(&mut cook, text.as_str()).await;
            assert_eq!(hear(&mut cook).await.len(), text.len());
        }

        let mut heard = 0;
        let farewell = loop {
            match deaf.next().await.unwrap().unwrap() {
                Message::Close(farewell) => break farewell.unwrap(),
                _ => heard += 1,
            }
        };
        assert!(heard < messages, "{heard}");
        assert_eq!(farewell.code, CloseCode::Again);
        assert!(farewell.reason.contains("messages missed"));
        say(&mut cook, "and on").await;
        assert_eq!(hear(&mut cook).await, "and on");
    }

    #[tokio::test]
    async fn who_writes_before_it_reads_does_not_wait_for_itself() {
        let server = Server::start().await.unwrap();
        let mut member = enter(&server, "kitchen").await;
        for i in 0..200 {
            say(&mut member, format!("{i}")).await;
        }
        for i in 0..200 {
            assert_eq!(hear(&mut member).await, format!("{i}"));
        }
    }

    #[tokio::test]
    async fn a_ping_is_answered() {
        let server = Server::start().await.unwrap();
        let mut member = enter(&server, "kitchen").await;
        member.send(Message::Ping("tea".into())).await.unwrap();
        assert_eq!(
            member.next().await.unwrap().unwrap(),
            Message::Pong("tea".into())
        );
    }

    #[tokio::test]
    async fn a_message_beyond_64_kib_costs_the_seat() {
        let server = Server::start().await.unwrap();
        let mut member = enter(&server, "kitchen").await;
        say(&mut member, "x".repeat(64 << 10)).await;
        assert_eq!(hear(&mut member).await.len(), 64 << 10);
        let mut other = enter(&server, "kitchen").await;
        // It may be cut while it is still being written.
        let _ = member.send(Message::text("x".repeat((64 << 10) + 1))).await;
        assert!(!matches!(member.next().await, Some(Ok(Message::Text(_)))));
        say(&mut other, "still here").await;
        assert_eq!(hear(&mut other).await, "still here");
    }

    #[tokio::test]
    async fn a_handshake_that_is_none_is_refused() {
        let server = Server::start().await.unwrap();
        let addr = server.addr();
        let path = "/stand-in/chat/kitchen";
        let plain = get(addr, path).await;
        assert_eq!((plain.status, plain.header("upgrade")), (426, "websocket"));
        for (more, word) in [
            ("", "Version"),
            ("Sec-WebSocket-Version: 8\r\n", "13"),
            ("Sec-WebSocket-Version: 13\r\n", "Key"),
            (
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: tea\r\n",
                "tea",
            ),
        ] {
            let asked = request("GET", path, &format!("{HANDSHAKE}{more}\r\n"));
            let mut answer = vec![0; 2000];
            let mut stream = send(addr, &asked).await;
            let length = stream.read(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
            assert!(answer.contains(word), "{answer}");
        }
        assert_eq!(ask(addr, "POST", path, "").await.status, 405);
    }

    #[tokio::test]
    async fn what_is_sent_along_with_the_handshake_is_not_lost() {
        let server = Server::start().await.unwrap();
        let mut cook = enter(&server, "kitchen").await;
        let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let asked = request(
            "GET",
            "/stand-in/chat/kitchen",
            &format!("{HANDSHAKE}{key}\r\n"),
        );
        // Behind it a frame of text, masked with zeros.
        let both = [asked.as_bytes(), b"\x81\x83\0\0\0\0tea"].concat();
        let mut early = TcpStream::connect(server.addr()).await.unwrap();
        early.write_all(&both).await.unwrap();
        assert_eq!(hear(&mut cook).await, "tea");
        let mut answer = vec![0; 2000];
        let length = early.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(
            answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
            "{answer}"
        );
        // The key and its answer are those of RFC 6455.
        assert!(answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    }

    #[tokio::test]
    async fn shutdown_does_not_wait_for_members() {
        let server = Server::start().await.unwrap();
        let mut member = enter(&server, "kitchen").await;
        let begun = Instant::now();
        server.shutdown().await;
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(!matches!(member.next().await, Some(Ok(_))));
    }
}
