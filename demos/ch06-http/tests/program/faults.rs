//! What servers can do to a client, one fault after another, through the chapter's own program: `outcomes` fetches the
//! page alone and in its batch. Each becomes the outcome named here, ends nothing else, and ends in time.

#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::{
    io::{BufRead, BufReader, Write},
    iter,
    net::{TcpListener, TcpStream},
    process::{Command, Output},
    thread,
    time::Duration,
};

use httpbin::Server;
use timing::report::{Ended, Outcome, Variant};

/// Longer than that of the lesson, so that a busy machine answers before the timeout, too.
const TICK: &str = "200ms";

/// The timeout of the lesson's requests, 5 ticks.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Far above what any of these takes, and far below what they would without a timeout and a longest body.
const IN_TIME: Duration = Duration::from_secs(20);

fn program(pages: &[String]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ch06-http"));
    program.args(["outcomes", "--tick", TICK, "--json", "-"]);
    program.args(pages.iter().flat_map(|page| ["--page", page]));
    program
}

fn lesson(output: &Output) -> Vec<Variant> {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let report = chapter::report(output).unwrap();
    let [lesson] = &report.lessons[..] else {
        panic!("one lesson: {:?}", report.lessons)
    };
    assert_eq!(lesson.outcome, Outcome::Ran);
    lesson.variants.clone()
}

fn variant<'a>(lesson: &'a [Variant], label: &str) -> &'a Variant {
    let found = lesson.iter().find(|variant| variant.label == label);
    found.unwrap_or_else(|| panic!("no variant {label}"))
}

/// Fetches these pages beside the lesson's own, which stay what they are. Returns how each ended when it was fetched
/// alone, after having seen that it ends in the same way and in time among the others.
fn outcomes(pages: &[String]) -> Vec<Variant> {
    let lesson = lesson(&program(pages).output().unwrap());
    let batch = variant(&lesson, "all at once");
    for own in ["a page", "a slow page"] {
        assert_eq!(*variant(&lesson, own).count("outcome"), "a page");
        assert_eq!(batch.lane(&format!("{own:?}")).ended, Ended::Returned);
    }
    assert!(batch.elapsed < IN_TIME, "{:?}", batch.elapsed);
    let alone = (1..=pages.len()).map(|n| variant(&lesson, &format!("your page {n}")).clone());
    alone
        .inspect(|page| {
            let together = batch.lane(&format!("{:?}", page.label));
            assert_eq!(page.lanes[0].ended, together.ended, "{}", page.label);
            assert!(page.elapsed < IN_TIME, "{} {:?}", page.label, page.elapsed);
        })
        .collect()
}

/// Each page, and what has to become of it.
fn assert_outcomes(cases: &[(String, &str)]) -> Vec<Variant> {
    let pages: Vec<_> = cases.iter().map(|(page, _)| page.clone()).collect();
    let outcomes = outcomes(&pages);
    for ((page, expected), outcome) in iter::zip(cases, &outcomes) {
        assert_eq!(*outcome.count("outcome"), *expected, "{page}");
    }
    outcomes
}

/// A server that answers each request with a script of its own, on a thread that ends with the test's process.
fn server(script: impl Fn(TcpStream) -> std::io::Result<()> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut lines = BufReader::new(&stream).lines();
            // The head of the request, to its empty line. If some of it were left unread, the connection would end
            // with a reset.
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            // The client may be gone by now, which is no error of the test.
            let _gone = script(stream);
        }
    });
    url
}

/// One that sends these bytes, whatever they are, and closes.
fn sends(bytes: &'static [u8]) -> String {
    server(move |mut stream| stream.write_all(bytes))
}

fn page(content_type: &str, body: &[u8]) -> String {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    let answer = [head.as_bytes(), body].concat();
    server(move |mut stream| stream.write_all(&answer))
}

#[test]
fn a_status_is_a_status() {
    let server = Server::on_thread().unwrap();
    let url = |path: &str| format!("{}{path}", server.url());
    assert_outcomes(&[
        (url("/status/404"), "Status(404)"),
        (url("/status/500"), "Status(500)"),
        (
            url("/stand-in/flaky/a?fail=9&status=429&retry_after=1"),
            "Status(429)",
        ),
        (
            url("/stand-in/flaky/b?fail=9&status=503&retry_after=60"),
            "Status(503)",
        ),
    ]);
}

#[test]
fn without_a_connection_it_says_why() {
    let (_taken, refused) = web::nobody_listens().unwrap();
    assert_outcomes(&[
        (refused, "Unreachable(ConnectionRefused)"),
        (format!("http://{}.invalid/", "x".repeat(64)), "UnknownHost"),
    ]);
}

#[test]
fn an_answer_that_breaks_off_is_cut_off() {
    let server = Server::on_thread().unwrap();
    let broken = |kind: &str| format!("{}/stand-in/broken/{kind}", server.url());
    assert_outcomes(&[
        (broken("reset"), "CutOff"),
        (broken("reset-body"), "CutOff"),
        (broken("short"), "CutOff"),
        (sends(b""), "CutOff"),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Ty"), "CutOff"),
        (
            sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"url"),
            "CutOff",
        ),
    ]);
}

#[test]
fn what_takes_too_long_ends_at_the_timeout_however_it_passes_the_time() {
    let server = Server::on_thread().unwrap();
    let url = |path: &str| format!("{}{path}", server.url());
    for outcome in assert_outcomes(&[
        (url("/stand-in/broken/silence"), "TimedOut"),
        (url("/stand-in/broken/slow-head?lines=1000"), "TimedOut"),
        (url("/stand-in/broken/stall"), "TimedOut"),
        // A byte every 20 ms: there is always something to read, and it is never all of it.
        (url("/drip?numbytes=500&duration=10"), "TimedOut"),
    ]) {
        assert!(outcome.elapsed >= TIMEOUT, "{:?}", outcome.elapsed);
    }
}

#[test]
fn a_body_that_is_too_long_stops_at_the_longest() {
    let server = Server::on_thread().unwrap();
    let broken = |kind: &str| format!("{}/stand-in/broken/{kind}", server.url());
    assert_outcomes(&[
        (broken("huge"), "TooLong"),
        (broken("endless?piece=65536&pause=0"), "TooLong"),
        // With neither a length nor chunks a body lasts until the connection is closed.
        (
            self::server(|mut stream| {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                loop {
                    stream.write_all(&[b' '; 1024])?;
                }
            }),
            "TooLong",
        ),
    ]);
}

#[test]
fn what_breaks_the_rules_of_http_is_not_http() {
    let no_end = |piece: &'static [u8]| {
        server(move |mut stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nX-Line: ")?;
            loop {
                stream.write_all(piece)?;
            }
        })
    };
    assert_outcomes(&[
        (sends(b"500 unknown command\r\n"), "NotHttp"),
        (sends(b"HTTP/1.1 2oo OK\r\n\r\n"), "NotHttp"),
        (no_end(b"one\r\nX-Line: "), "NotHttp"),
        (no_end(&[b'x'; 1024]), "NotHttp"),
        (
            sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n"),
            "NotHttp",
        ),
    ]);
}

#[test]
fn redirects_that_lead_nowhere_end() {
    assert_outcomes(&[(
        sends(
            b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        ),
        "Redirects",
    )]);
}

#[test]
fn what_is_not_the_page_it_should_be_is_told_by_its_body_and_not_by_its_header() {
    assert_outcomes(&[
        (page("application/json", br#"{"url": "/"}"#), "a page"),
        (page("text/html", br#"{"url": "/"}"#), "a page"),
        (page("text/html", b"<p>A page.</p>"), "NotJson"),
        (page("application/json", br#"{"url": "/"#), "NotJson"),
        (page("application/json", b""), "NotJson"),
        (
            page("application/json", b"{\"url\": \"caf\xe9\"}"),
            "NotJson",
        ),
        (page("application/json", br#"{"uri": "/"}"#), "OtherJson"),
        (page("application/json", br#"{"url": 1}"#), "OtherJson"),
    ]);
}

#[test]
fn a_proxy_in_the_environment_is_not_asked_for_the_stand_in() {
    let dead = "http://127.0.0.1:9";
    let names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let mut program = program(&[]);
    let output = program.envs(names.map(|name| (name, dead))).output();
    let lesson = lesson(&output.unwrap());
    assert_eq!(*variant(&lesson, "a page").count("outcome"), "a page");
    let batch = variant(&lesson, "all at once");
    assert_eq!(*batch.count("outcome"), "2 pages, 7 faults");
}

#[test]
fn a_page_that_is_no_url_is_named_with_the_way_out() {
    let output = program(&["nonsense".into()]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("--page nonsense") && told.contains("--page http://"),
        "{told}"
    );
}
