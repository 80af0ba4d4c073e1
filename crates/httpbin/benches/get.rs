//! What the stand-in's work on a `/get` costs: its requests a second beside those of the least a hyper server can do,
//! which is to send a fixed body of the same size with hyper as it comes.
//!
//! `cargo bench -p httpbin --bench get`
//!
//! Both servers run on a thread of their own; the client keeps its connections open and doesn't parse what it gets,
//! so it costs little. The two sides take turns, since a machine's speed drifts, and each turn is compared with the one
//! beside it.

use std::{
    convert::Infallible,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use httpbin::Server;
use hyper::{
    Response, body::Bytes, header::CONTENT_TYPE, header::HeaderValue, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime, time::Instant};

const PAIRS: usize = 31;
/// So many that the server finds the next request when it is done with one: with a single connection it would be the
/// way from thread to thread that is measured.
const CONNECTIONS: usize = 32;
const TURN: Duration = Duration::from_millis(200);

fn main() -> io::Result<()> {
    let stand_in = Server::on_thread()?;
    let mut client = Client::connect(stand_in.addr())?;
    let body = client.body()?;
    let mut beside = Client::connect(fixed(body.clone())?)?;
    assert_eq!(body.len(), beside.body()?.len());

    let (mut get, mut least, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        get.push(client.requests_a_second()?);
        least.push(beside.requests_a_second()?);
        ratios.push(get[get.len() - 1] / least[least.len() - 1]);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "body of {} bytes, {PAIRS} pairs, medians", body.len())?;
    writeln!(out, "httpbin /get     {:>8.0} requests/s", median(get))?;
    writeln!(out, "hyper, the least {:>8.0} requests/s", median(least))?;
    writeln!(out, "ratio of a pair  {:>8.2}", median(ratios))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A server with nothing to do, on a thread of its own.
fn fixed(body: Vec<u8>) -> io::Result<SocketAddr> {
    let (started, start) = mpsc::channel();
    thread::spawn(move || -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            started
                .send(listener.local_addr()?)
                .map_err(io::Error::other)?;
            let body = Bytes::from(body);
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let body = body.clone();
                let service = service_fn(move |_| {
                    let mut response = Response::new(Whole(body.clone()));
                    let json = HeaderValue::from_static("application/json");
                    response.headers_mut().insert(CONTENT_TYPE, json);
                    async { Ok::<_, Infallible>(response) }
                });
                let connection = http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        })
    });
    start.recv().map_err(io::Error::other)
}

/// The shortest body there is.
struct Whole(Bytes);

impl hyper::body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.0);
        std::task::Poll::Ready((!bytes.is_empty()).then(|| Ok(hyper::body::Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0.len() as u64)
    }
}

struct Client {
    streams: Vec<TcpStream>,
    request: String,
    answer: Vec<u8>,
}

impl Client {
    fn connect(addr: SocketAddr) -> io::Result<Self> {
        let connect = |_| {
            let stream = TcpStream::connect(addr)?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let headers = "accept: */*\r\nuser-agent: bench/1";
        Ok(Self {
            streams: (0..CONNECTIONS).map(connect).collect::<io::Result<_>>()?,
            // The name and not the port, so that both servers have the same to say.
            request: format!("GET /get?dish=tea HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n\r\n"),
            answer: vec![0; 16 << 10],
        })
    }

    /// One request on every connection, then every answer.
    fn ask_all(&mut self) -> io::Result<()> {
        for stream in &mut self.streams {
            stream.write_all(self.request.as_bytes())?;
        }
        for stream in &mut self.streams {
            read(stream, &mut self.answer)?;
        }
        Ok(())
    }

    fn body(&mut self) -> io::Result<Vec<u8>> {
        let stream = &mut self.streams[0];
        stream.write_all(self.request.as_bytes())?;
        let length = read(stream, &mut self.answer)?;
        let answer = String::from_utf8_lossy(&self.answer[..length]);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.into());
        body.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn requests_a_second(&mut self) -> io::Result<f64> {
        let start = Instant::now();
        let mut requests = 0;
        while start.elapsed() < TURN {
            self.ask_all()?;
            requests += CONNECTIONS;
        }
        Ok(requests as f64 / start.elapsed().as_secs_f64())
    }
}

/// Reads one answer, which ends with the closing brace of its body, and tells its length.
fn read(stream: &mut TcpStream, answer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while !answer[..length].ends_with(b"\n}\n") {
        match stream.read(&mut answer[length..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => length += read,
        }
    }
    Ok(length)
}
