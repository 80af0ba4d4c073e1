//! As little of an HTTP client as shows what is on the wire.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = fields.find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head: {}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut answer = Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: bytes[end + 4..].to_vec(),
            head,
        };
        if answer.header("transfer-encoding") == "chunked" {
            answer.body = unchunk(&answer.body).concat();
        }
        answer
    }
}

/// The chunks of a chunked body, which has to be complete.
pub fn unchunk(mut body: &[u8]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        let (chunk, rest) = body[end + 2..].split_at(size);
        if size == 0 {
            return chunks;
        }
        chunks.push(chunk.to_vec());
        body = rest.strip_prefix(b"\r\n").unwrap();
    }
}

/// A request as text. `more` is what stands after the first line and Host: headers, each with its line break, an empty
/// line, a body.
pub fn request(method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: kitchen.test\r\n{more}")
}

/// Sends and leaves the connection open.
pub async fn send(addr: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the server closes.
pub async fn read_to_end(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    Answer::parse(&bytes)
}

/// A request on a connection of its own.
pub async fn ask(addr: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    let more = format!("Connection: close\r\n{headers}\r\n");
    read_to_end(send(addr, &request(method, path, &more)).await).await
}

pub async fn get(addr: SocketAddr, path: &str) -> Answer {
    ask(addr, "GET", path, "").await
}

pub async fn post(addr: SocketAddr, path: &str, content_type: &str, body: &[u8]) -> Answer {
    let length = body.len();
    let more = format!(
        "Connection: close\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    let mut stream = send(addr, &request("POST", path, &more)).await;
    stream.write_all(body).await.unwrap();
    read_to_end(stream).await
}

/// One more request on an open connection, to a path that answers with a Content-Length.
pub async fn again(stream: &mut TcpStream, path: &str) -> Answer {
    stream
        .write_all(request("GET", path, "\r\n").as_bytes())
        .await
        .unwrap();
    let mut bytes = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "closed");
        if bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            let answer = Answer::parse(&bytes);
            if answer.body.len() == answer.header("content-length").parse::<usize>().unwrap() {
                return answer;
            }
        }
    }
}

/// A thousand, or as many connections as this process may have both ends of.
pub fn a_thousand() -> usize {
    let limit = rlimit::increase_nofile_limit(4000).unwrap_or(1024);
    // The other tests, which run at the same time, need some too.
    let connections = (limit.saturating_sub(1500) / 2).clamp(50, 1000) as usize;
    if connections < 1000 {
        let text = format!("only {connections} connections: this process may open {limit} files\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    }
    connections
}

/// Waits until `holds`, which it has to within a time that only a hang can reach.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(60), wait)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}
