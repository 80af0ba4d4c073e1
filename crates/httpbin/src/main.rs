//! The stand-in as a program: `cargo run -p httpbin -- --port 8080`.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use httpbin::Server;

const HELP: &str = "\
A local stand-in for httpbin.org

Usage: httpbin [--port <PORT>]

      --port <PORT>  the port on 127.0.0.1; 0 lets the system choose one [default: 8080]
  -h, --help         print this

The start page of the server lists its paths. Ctrl-C and SIGTERM let requests in flight finish, 10 s at most; a second
one ends at once.
";

const FAILED: u8 = 1;
const USAGE: u8 = 2;

enum Command {
    Help,
    Serve { port: u16 },
}

fn main() -> ExitCode {
    match parse(
        std::env::args_os()
            .skip(1)
            .map(|arg| arg.to_string_lossy().into_owned()),
    ) {
        Ok(Command::Help) => {
            say(HELP);
            ExitCode::SUCCESS
        }
        Ok(Command::Serve { port }) => match serve(port) {
            Ok(signal) => ExitCode::from(128 + signal),
            Err(error) => {
                complain(&format!("can't serve on 127.0.0.1:{port}: {error}"));
                ExitCode::from(FAILED)
            }
        },
        Err(wrong) => {
            complain(&format!("{wrong}; `--help` says what there is"));
            ExitCode::from(USAGE)
        }
    }
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut port = 8080;
    while let Some(arg) = args.next() {
        let value = match arg.as_str() {
            "-h" | "--help" => return Ok(Command::Help),
            "--port" => args.next().ok_or("`--port` without a number")?,
            other => match other.strip_prefix("--port=") {
                Some(value) => value.to_owned(),
                None => return Err(format!("unknown argument `{other}`")),
            },
        };
        port = value
            .parse()
            .map_err(|_| format!("`{value}` is no port from 0 to 65535"))?;
    }
    Ok(Command::Serve { port })
}

/// Serves until a signal comes, and returns its number.
#[tokio::main(flavor = "current_thread")]
async fn serve(port: u16) -> io::Result<u8> {
    let mut signals = Signals::new()?;
    let server = Server::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    server.set_head_timeout(Some(Server::HEAD_TIMEOUT));
    say(&format!("{}\n", server.url()));
    let signal = signals.next().await;
    tokio::select! {
        () = server.shutdown() => {}
        _ = signals.next() => {}
    }
    Ok(signal)
}

/// Nobody has to read what a server prints: a closed pipe or a full disk is no reason to stop serving.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "httpbin: {text}");
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}

/// Elsewhere there is Ctrl-C alone, reported by the number it has on Unix.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler the system ends the process by itself.
            std::future::pending::<()>().await;
        }
        2
    }
}
