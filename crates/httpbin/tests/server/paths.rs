use httpbin::Server;

use crate::client::{ask, get};

const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT", "TRACE"];

/// Every path, with the methods it has beside OPTIONS.
const PATHS: &[(&str, &str)] = &[
    ("/", "GET, HEAD"),
    ("/get", "GET, HEAD"),
    ("/post", "POST"),
    ("/put", "PUT"),
    ("/patch", "PATCH"),
    ("/delete", "DELETE"),
    ("/headers", "GET, HEAD"),
    ("/user-agent", "GET, HEAD"),
    ("/ip", "GET, HEAD"),
    ("/delay/0", "DELETE, GET, HEAD, PATCH, POST, PUT, TRACE"),
    ("/drip?duration=0", "GET, HEAD"),
    ("/status/200", "DELETE, GET, HEAD, PATCH, POST, PUT, TRACE"),
    ("/bytes/1", "GET, HEAD"),
    ("/range/1", "GET, HEAD"),
    ("/stream/1", "GET, HEAD"),
    ("/json", "GET, HEAD"),
    ("/redirect/1", "GET, HEAD"),
    ("/relative-redirect/1", "GET, HEAD"),
    ("/absolute-redirect/1", "GET, HEAD"),
    ("/links/1", "GET, HEAD"),
    ("/links/1/0", "GET, HEAD"),
    ("/stand-in/users/1", "GET, HEAD"),
    (
        "/stand-in/flaky/a?fail=0",
        "DELETE, GET, HEAD, PATCH, POST, PUT, TRACE",
    ),
    ("/stand-in/download/1", "GET, HEAD"),
    ("/stand-in/wrong/malformed-json", "GET, HEAD"),
    ("/stand-in/wrong/other-json", "GET, HEAD"),
    ("/stand-in/wrong/json-as-text", "GET, HEAD"),
    ("/stand-in/wrong/not-utf8", "GET, HEAD"),
    ("/stand-in/stats", "DELETE, GET, HEAD"),
];

#[tokio::test]
async fn a_path_has_its_methods_and_names_them() {
    let server = Server::start().await.unwrap();
    for (path, methods) in PATHS {
        let allow = format!("{methods}, OPTIONS");
        for method in METHODS {
            let answer = ask(server.addr(), method, path, "").await;
            if methods.split(", ").any(|m| m == method) {
                assert!([200, 302].contains(&answer.status), "{method} {path}");
            } else {
                assert_eq!(answer.status, 405, "{method} {path}");
                assert_eq!(answer.header("allow"), allow);
            }
        }
        let answer = ask(server.addr(), "OPTIONS", path, "").await;
        assert_eq!((answer.status, answer.header("allow")), (200, &*allow));
        assert_eq!(answer.text(), "");
    }
}

#[tokio::test]
async fn the_start_page_names_every_path() {
    let server = Server::start().await.unwrap();
    let page = get(server.addr(), "/").await;
    let more = ["/stand-in/broken/", "/stand-in/chat/"];
    for path in PATHS.iter().map(|(path, _)| *path).chain(more) {
        // What follows is a parameter.
        let steps = if path.starts_with("/stand-in/") { 3 } else { 2 };
        let path = path.split('?').next().unwrap();
        let named: Vec<&str> = path.split('/').take(steps).collect();
        assert!(page.text().contains(&named.join("/")), "{path}");
    }
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let server = Server::start().await.unwrap();
    for (path, _) in PATHS.iter().filter(|(_, methods)| methods.contains("HEAD")) {
        let get = get(server.addr(), path).await;
        let head = ask(server.addr(), "HEAD", path, "").await;
        assert_eq!(head.body, b"", "{path}");
        for name in [
            "content-type",
            "content-length",
            "etag",
            "location",
            "repr-digest",
        ] {
            // That nothing has a length of nothing need not be said.
            if get.header(name) != "0" {
                assert_eq!(get.header(name), head.header(name), "{path} {name}");
            }
        }
    }
}

#[tokio::test]
async fn every_answer_is_shared_with_any_origin() {
    let server = Server::start().await.unwrap();
    for path in ["/get", "/status/500", "/nowhere", "/delay/tea"] {
        let answer = get(server.addr(), path).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
    }
    let asked = "Origin: http://a.test\r\nAccess-Control-Request-Headers: x-dish\r\n";
    let answer = ask(server.addr(), "OPTIONS", "/get", asked).await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "http://a.test"
    );
    assert_eq!(answer.header("access-control-allow-headers"), "x-dish");
    assert_eq!(answer.header("access-control-max-age"), "3600");
}

#[tokio::test]
async fn statuses_come_with_their_headers() {
    let server = Server::start().await.unwrap();
    for (code, header, value) in [
        (200, "content-type", "text/html; charset=utf-8"),
        (301, "location", "/redirect/1"),
        (302, "location", "/redirect/1"),
        (307, "location", "/redirect/1"),
        (401, "www-authenticate", "Basic realm=\"Fake Realm\""),
        (406, "content-type", "application/json"),
        (407, "proxy-authenticate", "Basic realm=\"Fake Realm\""),
        (204, "location", ""),
        (304, "location", ""),
        (418, "location", ""),
        (599, "location", ""),
    ] {
        let answer = get(server.addr(), &format!("/status/{code}")).await;
        assert_eq!((answer.status, answer.header(header)), (code, value));
    }
}

#[tokio::test]
async fn of_several_statuses_one_comes_by_weight() {
    let server = Server::start().await.unwrap();
    let mut seen = [0, 0];
    for _ in 0..200 {
        match get(server.addr(), "/status/200:0.5,500:0.5").await.status {
            200 => seen[0] += 1,
            500 => seen[1] += 1,
            other => panic!("{other}"),
        }
        assert_eq!(get(server.addr(), "/status/200:0,503").await.status, 503);
    }
    // Either of them missing 200 times in a row has a chance of 1 in 10^60.
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
}

#[tokio::test]
async fn redirects_lead_to_get() {
    let server = Server::start().await.unwrap();
    for (path, stops) in [
        (
            "/redirect/3",
            ["/relative-redirect/2", "/relative-redirect/1", "/get"],
        ),
        (
            "/relative-redirect/3",
            ["/relative-redirect/2", "/relative-redirect/1", "/get"],
        ),
        (
            "/redirect/3?absolute=true",
            ["/absolute-redirect/2", "/absolute-redirect/1", "/get"],
        ),
    ] {
        let mut next = path.to_owned();
        for stop in stops {
            let answer = get(server.addr(), &next).await;
            assert_eq!(answer.status, 302);
            let base = if stops[0].starts_with("/absolute") {
                "http://kitchen.test"
            } else {
                ""
            };
            assert_eq!(answer.header("location"), format!("{base}{stop}"));
            next = stop.to_owned();
        }
        assert_eq!(get(server.addr(), &next).await.status, 200);
    }
}

#[tokio::test]
async fn a_page_links_to_all_pages_but_itself() {
    let server = Server::start().await.unwrap();
    let first = get(server.addr(), "/links/3").await;
    assert_eq!(
        (first.status, first.header("location")),
        (302, "/links/3/0")
    );
    let page = get(server.addr(), "/links/3/1").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(
        page.text(),
        "<html><head><title>Links</title></head><body>\
         <a href='/links/3/0'>0</a> 1 <a href='/links/3/2'>2</a> </body></html>"
    );
    for (n, links) in [(0, 0), (1, 0), (200, 199), (1000, 199)] {
        let page = get(server.addr(), &format!("/links/{n}/0")).await;
        assert_eq!(page.text().matches("<a href").count(), links, "{n}");
    }
}
