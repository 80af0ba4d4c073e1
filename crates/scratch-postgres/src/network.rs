//! The way to a server that is further away than this machine.

use std::{io, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_postgres::{Client, Config, Connection, NoTls, config::Host, tls::NoTlsStream};

/// As `tokio_postgres::connect`, through a network on which a round trip takes this long. It delays bytes and
/// nothing else: as many as are sent may be under way at once.
///
/// # Errors
///
/// As `tokio_postgres::connect`, of the first host in `url`.
pub async fn far_away(
    url: &str,
    round_trip: Duration,
) -> Result<(Client, Connection<DuplexStream, NoTlsStream>)> {
    let config: Config = url.parse()?;
    let port = *config.get_ports().first().unwrap_or(&5432);
    let (ours, theirs) = duplex(64 * 1024);
    match config.get_hosts().first().context("a URL names a host")? {
        Host::Tcp(name) => {
            let server = TcpStream::connect((&name[..], port)).await?;
            network(theirs, server, round_trip / 2);
        }
        #[cfg(unix)]
        Host::Unix(folder) => {
            let socket = folder.join(format!(".s.PGSQL.{port}"));
            let server = tokio::net::UnixStream::connect(socket).await?;
            network(theirs, server, round_trip / 2);
        }
    }
    Ok(config.connect_raw(ours, NoTls).await?)
}

fn network<S>(client: DuplexStream, server: S, delay: Duration)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let ((from_client, to_client), (from_server, to_server)) = (split(client), split(server));
    // An error of one of them closes its end, and the client is told of that by its connection.
    tokio::spawn(delays(from_client, to_server, delay));
    tokio::spawn(delays(from_server, to_client, delay));
}

/// Hands on what it reads, each piece so much later.
async fn delays<R, W>(mut from: R, mut to: W, delay: Duration) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (send, mut under_way) = mpsc::unbounded_channel();
    let takes = async move {
        let mut bytes = [0; 8 * 1024];
        loop {
            let count = from.read(&mut bytes).await?;
            let arrives = Instant::now() + delay;
            if count == 0 || send.send((arrives, bytes[..count].to_vec())).is_err() {
                return io::Result::Ok(());
            }
        }
    };
    let hands_on = async move {
        while let Some((arrives, bytes)) = under_way.recv().await {
            sleep_until(arrives).await;
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(takes, hands_on)?;
    Ok(())
}
