use httpbin::Server;

use crate::client::{ask, get};

#[tokio::test]
async fn a_seed_gives_the_same_bytes_every_time() {
    let server = Server::start().await.unwrap();
    let bytes = async |path| get(server.addr(), path).await.body;
    assert_eq!(
        bytes("/bytes/64?seed=7").await,
        bytes("/bytes/64?SEED=7").await
    );
    assert_ne!(
        bytes("/bytes/64?seed=7").await,
        bytes("/bytes/64?seed=-7").await
    );
    assert_ne!(bytes("/bytes/64").await, bytes("/bytes/64").await);
    assert_eq!(bytes("/bytes/0").await.len(), 0);
    assert_eq!(bytes("/bytes/1000000").await.len(), 100 * 1024);
    let answer = get(server.addr(), "/bytes/5").await;
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("content-length"), "5");
}

#[tokio::test]
async fn a_range_is_the_part_asked_for() {
    let server = Server::start().await.unwrap();
    let alphabet = "abcdefghijklmnopqrstuvwxyzabcd";
    for (range, status, content_range, body) in [
        ("", 200, "bytes 0-29/30", alphabet),
        ("bytes=0-29", 200, "bytes 0-29/30", alphabet),
        ("bytes=0-0", 206, "bytes 0-0/30", "a"),
        ("bytes=24-27", 206, "bytes 24-27/30", "yzab"),
        ("bytes=26-", 206, "bytes 26-29/30", "abcd"),
        ("bytes=-2", 206, "bytes 28-29/30", "cd"),
        ("bytes=-99", 200, "bytes 0-29/30", alphabet),
        ("bytes=30-", 416, "bytes */30", ""),
        ("bytes=3-30", 416, "bytes */30", ""),
        ("bytes=3-2", 416, "bytes */30", ""),
        ("bytes=-0", 416, "bytes */30", ""),
        ("bytes=tea", 200, "bytes 0-29/30", alphabet),
        ("cups=1-2", 200, "bytes 0-29/30", alphabet),
        ("bytes=1-2=3", 200, "bytes 0-29/30", alphabet),
    ] {
        let header = format!("Range: {range}\r\n");
        let header = if range.is_empty() { "" } else { &header };
        let answer = ask(server.addr(), "GET", "/range/30", header).await;
        assert_eq!(answer.status, status, "{range}");
        assert_eq!(answer.header("content-range"), content_range, "{range}");
        assert_eq!(answer.header("etag"), "range30");
        assert_eq!(answer.header("accept-ranges"), "bytes");
        assert_eq!(answer.text(), body, "{range}");
    }
    let none = get(server.addr(), "/range/102401").await;
    assert_eq!((none.status, none.header("etag")), (404, "range102401"));
}

#[tokio::test]
async fn a_document_in_the_shape_of_httpbins() {
    let server = Server::start().await.unwrap();
    let answer = get(server.addr(), "/json").await;
    let show = &answer.json()["slideshow"];
    for text in ["author", "date", "title"] {
        assert!(show[text].is_string(), "{text}");
    }
    assert!(show["slides"][0]["title"].is_string());
    assert!(show["slides"][1]["items"][0].is_string());
    assert_eq!(show["slides"][1]["type"], "all");
    let sorted = serde_json::to_string_pretty(&answer.json()).unwrap() + "\n";
    assert_eq!(answer.text(), sorted);
}

#[tokio::test]
async fn users_exist_from_1_to_100() {
    let server = Server::start().await.unwrap();
    let mut names = std::collections::BTreeSet::new();
    for id in 1..=100 {
        let user = get(server.addr(), &format!("/stand-in/users/{id}"))
            .await
            .json();
        assert_eq!(user["id"], id);
        assert!(names.insert(user["name"].as_str().unwrap().to_owned()));
    }
    for id in ["0", "101", "-1", "tea", "99999999999999999999"] {
        let answer = get(server.addr(), &format!("/stand-in/users/{id}")).await;
        assert_eq!(answer.status, 404);
        assert!(answer.json()["error"].as_str().unwrap().contains(id));
    }
}

#[tokio::test]
async fn flaky_fails_as_often_as_it_is_told_to_for_each_key() {
    let server = Server::start().await.unwrap();
    for (key, fail, statuses) in [
        ("tea", "?fail=2", [503, 503, 200, 200]),
        ("rice", "?fail=0", [200, 200, 200, 200]),
        ("a%20stew", "", [503, 200, 200, 200]),
    ] {
        for (attempt, status) in (1..).zip(statuses) {
            let answer = get(server.addr(), &format!("/stand-in/flaky/{key}{fail}")).await;
            assert_eq!(answer.status, status, "{key}");
            assert_eq!(answer.json()["attempt"], attempt);
            assert_eq!(answer.json()["key"], key.replace("%20", " "));
        }
    }
}

#[tokio::test]
async fn flaky_says_when_to_come_again_if_it_is_told_to() {
    let server = Server::start().await.unwrap();
    for (key, query, status, retry_after) in [
        ("a", "", 503, ""),
        ("b", "?retry_after=2", 503, "2"),
        ("c", "?status=429&retry_after=0", 429, "0"),
        ("d", "?status=429", 429, ""),
    ] {
        let path = format!("/stand-in/flaky/{key}{query}");
        let failed = get(server.addr(), &path).await;
        assert_eq!(failed.status, status, "{path}");
        assert_eq!(failed.header("retry-after"), retry_after, "{path}");
        let answered = get(server.addr(), &path).await;
        assert_eq!((answered.status, answered.header("retry-after")), (200, ""));
    }
}

#[tokio::test]
async fn a_refused_request_is_no_attempt() {
    let server = Server::start().await.unwrap();
    get(server.addr(), "/stand-in/flaky/tea?status=500").await;
    let told = get(server.addr(), "/stand-in/flaky/tea").await.json();
    assert_eq!(told["attempt"], 1);
}

#[tokio::test]
async fn what_is_wrong_inside_is_sound_outside() {
    let server = Server::start().await.unwrap();
    let user = get(server.addr(), "/stand-in/users/1").await.json();
    let text = "text/plain; charset=utf-8";
    for (kind, content_type, is_json, is_utf8) in [
        ("malformed-json", "application/json", false, true),
        ("other-json", "application/json", true, true),
        ("json-as-text", text, true, true),
        ("not-utf8", text, false, false),
    ] {
        let answer = get(server.addr(), &format!("/stand-in/wrong/{kind}")).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, content_type)
        );
        let read = serde_json::from_slice::<serde_json::Value>(&answer.body);
        assert_eq!(read.is_ok(), is_json, "{kind}");
        assert_eq!(std::str::from_utf8(&answer.body).is_ok(), is_utf8, "{kind}");
        if kind == "json-as-text" {
            assert_eq!(read.unwrap(), user);
        } else if is_json {
            assert!(read.unwrap()["id"].is_string());
        }
    }
}
