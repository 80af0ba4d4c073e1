use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use crate::client::{get, request, send};

const PROGRAM: &str = env!("CARGO_BIN_EXE_httpbin");

/// Ends with the test, whatever the test finds.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(mut command: Command) -> (Self, SocketAddr) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        let addr = url
            .trim_end()
            .strip_prefix("http://")
            .unwrap()
            .parse()
            .unwrap();
        (Self(child), addr)
    }

    fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let sent = kill
            .args(["-s", name, &self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    fn code(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(args);
    command
}

/// The exit code and what was said on standard error.
fn run(args: &[&str]) -> (Option<i32>, String) {
    let output = program(args).output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[tokio::test]
async fn a_signal_ends_it_with_that_signals_code() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let (mut server, addr) = Running::start(program(&["--port", "0"]));
        assert_eq!(get(addr, "/get").await.status, 200);
        server.signal(name);
        assert_eq!(server.code(), Some(code));
        assert!(TcpStream::connect(addr).is_err());
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_in_the_middle_of_a_request() {
    let (mut server, addr) = Running::start(program(&["--port=0"]));
    let client = send(addr, &request("GET", "/drip?duration=1000", "\r\n")).await;
    client.readable().await.unwrap();
    server.signal("INT");
    // Refused connections tell that the first signal was heard.
    while TcpStream::connect(addr).is_ok() {
        tokio::task::yield_now().await;
    }
    server.signal("TERM");
    assert_eq!(server.code(), Some(130));
    let mut rest = Vec::new();
    let _ = client.into_std().map(|mut client| client.read(&mut rest));
}

#[test]
fn wrong_arguments_are_named() {
    for (args, named) in [
        (["--port", "tea"], "`tea`"),
        (["--port", "65536"], "`65536`"),
        (["--port", "-1"], "`-1`"),
        (["--port=", ""], "``"),
        (["--tea", ""], "`--tea`"),
        (["8080", ""], "`8080`"),
    ] {
        let (code, said) = run(&args);
        assert_eq!(code, Some(2), "{args:?}");
        assert!(said.contains(named) && said.contains("--help"), "{said}");
        assert_eq!(said.lines().count(), 1);
    }
    assert_eq!(run(&["--port"]).0, Some(2));
    let help = program(&["--help"]).output().unwrap();
    assert!(help.status.success());
    assert!(String::from_utf8(help.stdout).unwrap().contains("--port"));
}

#[test]
fn a_port_in_use_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, said) = run(&["--port", &port]);
    assert_eq!(code, Some(1));
    assert!(said.contains(&port) && said.lines().count() == 1, "{said}");
}

#[test]
fn as_a_program_it_listens_on_loopback_only() {
    let (_server, addr) = Running::start(program(&["--port", "0"]));
    assert!(TcpStream::connect(addr).is_ok());
    assert!(TcpStream::connect(("127.0.0.2", addr.port())).is_err());
}

#[tokio::test]
async fn out_of_file_descriptors_it_waits_for_some() {
    let mut limited = Command::new("sh");
    limited.args(["-c", r#"ulimit -n 24 && exec "$0" --port 0"#, PROGRAM]);
    let (server, addr) = Running::start(limited);
    // More than it may open. Those it can't accept stay in the kernel's queue, connected.
    let mut clients = Vec::new();
    for _ in 0..60 {
        clients.push(send(addr, &request("GET", "/delay/10", "\r\n")).await);
    }
    drop(clients);
    assert_eq!(get(addr, "/get").await.status, 200);
    drop(server);
}
