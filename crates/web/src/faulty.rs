//! Addresses at which no request gets an answer.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};

/// A server too busy to accept: its queue of connections is full, so a client that connects waits for an answer.
#[derive(Debug)]
pub struct FullServer {
    url: String,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl FullServer {
    /// Fills the queue of a new socket. That takes a fifth of a second, which is how long the first connection that
    /// finds no room is waited for.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> anyhow::Result<()> {
    /// let server = web::FullServer::start().await?;
    /// let limit = std::time::Duration::from_millis(20);
    /// let client = reqwest::Client::builder().no_proxy().connect_timeout(limit).build()?;
    /// let error = client.get(server.url()).send().await.unwrap_err();
    /// assert!(error.is_connect() && error.is_timeout());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When no socket can be had.
    pub async fn start() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let listener = socket.listen(1)?;
        let address = listener.local_addr()?;
        // The system completes connections as long as there is room in the queue, accepted or not.
        let mut queue = Vec::new();
        let patience = Duration::from_millis(200);
        while let Ok(queued) = timeout(patience, TcpStream::connect(address)).await {
            queue.push(queued?);
        }
        Ok(Self {
            url: format!("http://{address}"),
            _listener: listener,
            _queue: queue,
        })
    }

    /// Where nobody answers.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The URL of a port at which nobody listens. No other program gets that port as long as the socket is kept.
///
/// # Errors
///
/// When no socket can be had.
pub fn nobody_listens() -> io::Result<(TcpSocket, String)> {
    let taken = TcpSocket::new_v4()?;
    taken.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let url = format!("http://{}", taken.local_addr()?);
    Ok((taken, url))
}

/// The URL of a server that answers one request as a server for mail does, to which it is no command; and its task.
///
/// # Errors
///
/// When no socket can be had.
pub async fn mail_server() -> io::Result<(String, JoinHandle<io::Result<()>>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let task = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await?;
        // A request ends with an empty line. If some of it were left unread, the connection would end with a reset.
        let mut lines = BufReader::new(&mut client).lines();
        while let Some(1..) = lines.next_line().await?.map(|line| line.len()) {}
        client.write_all(b"500 unknown command\r\n").await
    });
    Ok((url, task))
}
