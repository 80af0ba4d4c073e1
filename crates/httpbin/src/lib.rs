//! A local stand-in for httpbin.org, so that no lesson needs the internet.
//!
//! It answers with httpbin's own paths, status codes and JSON shapes, so a client written for httpbin.org works
//! unchanged against [`Server::url`]. What httpbin has no path for stands under `/stand-in/`: users to fetch, a path
//! that fails the first times it is asked, a download to cut and resume, answers that break HTTP's rules or hold the wrong
//! thing, chat rooms over WebSockets (with the feature `websocket`), and the server's own count of connections and requests ([`Stats`]).
//!
//! ```
//! # async fn get(url: &str) -> std::io::Result<String> {
//! #     use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! #     let host = url.trim_start_matches("http://").split('/').next().unwrap();
//! #     let mut stream = tokio::net::TcpStream::connect(host).await?;
//! #     let path = url.trim_start_matches("http://").trim_start_matches(host);
//! #     stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
//! #     let mut answer = String::new();
//! #     stream.read_to_string(&mut answer).await?;
//! #     Ok(answer)
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = httpbin::Server::start().await?;
//! let answer = get(&format!("{}/get?dish=tea", server.url())).await?;
//! assert!(answer.contains(r#""dish": "tea""#));
//! assert_eq!(server.stats().requests, 1);
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Why hyper and no framework
//!
//! reqwest brings hyper anyway, so the server costs the build next to nothing; and one `match` on the parts of the
//! path is a routing table that reads well: `["delay", seconds] => …`. The accept loop is the crate's own: it is
//! where connections are counted, bounded in time at shutdown and cut when the server is dropped.
//!
//! # Where it differs from httpbin.org
//!
//! * A `/delay` of more than 10 s is answered 400; httpbin.org waits 10 s then, and doesn't say so.
//! * What makes httpbin.org answer 500 (a delay that is no number, a redirect zero times, a malformed
//!   `%`-sequence) is answered 400 with a sentence that says what is wrong.
//! * A seed gives `/bytes` the same bytes every time, though not the bytes Python's generator would give.
//! * Text outside ASCII stands in the JSON as itself, not as `\u` escapes.
//! * `multipart/form-data` is read as far as HTTP clients write it: quoted names without semicolons, no nested parts.
//! * A request body may have 16 MiB; a larger one is answered 413. The head of a request may have
//!   64 KiB and a hundred headers; a larger one is answered 431.
//! * On a thread of its own, and as a program, a server closes a connection when the head of a request isn't complete
//!   10 s after its first byte ([`Server::set_head_timeout`]).
//! * The answers of `/stand-in/broken`, and a download that is cut, don't come from hyper: they have no Date header and
//!   end their connection. A shutdown doesn't wait for them.
//! * A member of a chat room counts as a request in flight until it leaves. A message may have 64 KiB; who is more than
//!   256 messages behind is disconnected with code 1013.
//! * Only the paths named on the start page (`/`) exist. HTTP/1 only, no TLS, no compression.

mod body;
#[cfg(feature = "websocket")]
mod chat;
mod connection;
mod json;
mod listen;
mod pairs;
mod random;
mod raw;
mod routes;
mod server;
mod shared;
mod slow_head;
mod stats;

pub use server::Server;
pub use stats::Stats;
