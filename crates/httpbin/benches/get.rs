//! What the stand-in's work on a `/get` costs: its requests a second beside those of the least a hyper server can do,
//! which is to send a fixed body of the same size.
//!
//! `cargo bench -p httpbin --bench get`
//!
//! Both servers run on a thread of their own; the client keeps one connection open and doesn't parse what it gets, so
//! it costs little. The two sides take turns, since a machine's speed drifts, and each turn is compared with the one
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

const PAIRS: usize = 9;
const TURN: Duration = Duration::from_millis(700);

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
            drop(started.send(listener.local_addr()?));
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
    stream: TcpStream,
    request: String,
    answer: Vec<u8>,
}

impl Client {
    fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        let headers = "accept: */*\r\nuser-agent: bench/1";
        Ok(Self {
            stream,
            // The name and not the port, so that both servers have the same to say.
            request: format!("GET /get?dish=tea HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n\r\n"),
            answer: vec![0; 16 << 10],
        })
    }

    /// One request, its answer read until a head and the body's closing brace have come. Returns its length.
    fn ask(&mut self) -> io::Result<usize> {
        self.stream.write_all(self.request.as_bytes())?;
        let mut length = 0;
        loop {
            match self.stream.read(&mut self.answer[length..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => length += read,
            }
            if self.answer[..length].ends_with(b"\n}\n") {
                return Ok(length);
            }
        }
    }

    fn body(&mut self) -> io::Result<Vec<u8>> {
        let length = self.ask()?;
        let answer = String::from_utf8_lossy(&self.answer[..length]);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::InvalidData)?;
        Ok(body.into())
    }

    fn requests_a_second(&mut self) -> io::Result<f64> {
        let start = Instant::now();
        let mut requests = 0_u32;
        while start.elapsed() < TURN {
            self.ask()?;
            requests += 1;
        }
        Ok(f64::from(requests) / start.elapsed().as_secs_f64())
    }
}
