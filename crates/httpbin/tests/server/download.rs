use httpbin::Server;
use tokio::time::{Duration, Instant};

use crate::client::{Answer, ask, get};

async fn with_range(server: &Server, path: &str, range: &str) -> Answer {
    ask(server.addr(), "GET", path, &format!("Range: {range}\r\n")).await
}

#[tokio::test]
async fn a_download_has_the_same_bytes_every_time() {
    let server = Server::start().await.unwrap();
    let first = get(server.addr(), "/stand-in/download/100001").await;
    let other = Server::start().await.unwrap();
    let second = get(other.addr(), "/stand-in/download/100001").await;
    assert_eq!(first.body.len(), 100_001);
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("etag"), second.header("etag"));
    assert_eq!(first.header("repr-digest"), second.header("repr-digest"));
    assert_eq!(first.header("content-length"), "100001");
    assert_eq!(first.header("content-type"), "application/octet-stream");
    assert_eq!(first.header("accept-ranges"), "bytes");

    let reseeded = get(server.addr(), "/stand-in/download/100001?seed=1").await;
    assert_ne!(first.body, reseeded.body);
    assert_ne!(first.header("etag"), reseeded.header("etag"));
    assert_ne!(first.header("repr-digest"), reseeded.header("repr-digest"));
}

#[tokio::test]
async fn a_digest_is_that_of_the_whole() {
    let server = Server::start().await.unwrap();
    // Known from another program: splitmix64 from 0, low byte first, through sha256sum.
    for (n, digest) in DIGESTS {
        let path = format!("/stand-in/download/{n}");
        for answer in [
            get(server.addr(), &path).await,
            with_range(&server, &path, "bytes=1-3").await,
            ask(server.addr(), "HEAD", &path, "").await,
        ] {
            assert_eq!(answer.header("repr-digest"), format!("sha-256=:{digest}:"));
        }
    }
}

const DIGESTS: [(u32, &str); 2] = [
    (9, "dEFv6g1jFYI91JeKy6jqqIKAHcljSrBZycRmwEcucbU="),
    (100_001, "7x29CoPlhmaLYcogMZamg3rODuCYSrV3COHXRxahM5Q="),
];

#[tokio::test]
async fn any_part_of_a_download_is_that_part_of_the_whole() {
    let server = Server::start().await.unwrap();
    let path = "/stand-in/download/70000";
    let whole = get(server.addr(), path).await.body;
    for (range, status, first, last) in [
        ("bytes=0-", 206, 0, 69_999),
        ("bytes=1-", 206, 1, 69_999),
        ("bytes=65535-", 206, 65_535, 69_999),
        ("bytes=65536-65544", 206, 65_536, 65_544),
        ("bytes=69999-", 206, 69_999, 69_999),
        ("bytes=13-99999999", 206, 13, 69_999),
        ("bytes=-7", 206, 69_993, 69_999),
        ("bytes=-99999999", 206, 0, 69_999),
        // What can't be read asks for everything, and so do several parts at once.
        ("bytes=3-2", 200, 0, 69_999),
        ("bytes=1-2,5-6", 200, 0, 69_999),
        ("bytes=tea", 200, 0, 69_999),
        ("bytes=-", 200, 0, 69_999),
        ("cups=1-2", 200, 0, 69_999),
    ] {
        let answer = with_range(&server, path, range).await;
        assert_eq!(answer.status, status, "{range}");
        assert_eq!(answer.body, whole[first..=last], "{range}");
        let content_range = format!("bytes {first}-{last}/70000");
        let content_range = if status == 206 { &*content_range } else { "" };
        assert_eq!(answer.header("content-range"), content_range, "{range}");
    }
}

#[tokio::test]
async fn a_range_beyond_the_end_is_refused() {
    let server = Server::start().await.unwrap();
    for range in ["bytes=10-", "bytes=99-100", "bytes=-0"] {
        let answer = with_range(&server, "/stand-in/download/10", range).await;
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(answer.header("content-range"), "bytes */10");
    }
}

#[tokio::test]
async fn another_tag_makes_a_range_the_whole() {
    let server = Server::start().await.unwrap();
    let path = "/stand-in/download/10";
    let etag = get(server.addr(), path).await.header("etag").to_owned();
    for (if_range, status) in [(&*etag, 206), ("\"other\"", 200), ("W/\"10-0\"", 200)] {
        let headers = format!("Range: bytes=5-\r\nIf-Range: {if_range}\r\n");
        let answer = ask(server.addr(), "GET", path, &headers).await;
        assert_eq!(answer.status, status, "{if_range}");
    }
}

#[tokio::test]
async fn the_first_download_of_a_key_is_cut_after_as_many_bytes_as_asked() {
    let server = Server::start().await.unwrap();
    let n = 3_000_000;
    let whole = get(server.addr(), &format!("/stand-in/download/{n}")).await;
    for cut in [0, 1, 2_000_003, n - 1] {
        let path = format!("/stand-in/download/{n}?cut={cut}&key=tea{cut}");
        // Only a GET has a body to cut.
        assert_eq!(ask(server.addr(), "HEAD", &path, "").await.status, 200);
        let first = get(server.addr(), &path).await;
        assert_eq!(first.status, 200);
        assert_eq!(first.header("content-length"), n.to_string());
        for name in ["etag", "repr-digest", "access-control-allow-origin"] {
            assert_eq!(first.header(name), whole.header(name));
        }
        assert_eq!(first.body.len(), cut);

        let rest = with_range(&server, &path, &format!("bytes={cut}-")).await;
        assert_eq!(rest.status, 206);
        let both = [first.body, rest.body].concat();
        assert!(both == whole.body, "cut after {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_lasts_as_long_as_its_rate_says() {
    let server = Server::start().await.unwrap();
    for (n, rate, at_least) in [
        // The last of 20 pieces a second comes a pause before the end.
        (10_000, 1_000, 9_950),
        (5, 2, 2_000),
        (30 << 20, 10_000_000, 3_100),
    ] {
        let start = Instant::now();
        let path = format!("/stand-in/download/{n}?rate={rate}");
        assert_eq!(get(server.addr(), &path).await.body.len(), n);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(at_least), "{path}: {took:?}");
    }
}

#[tokio::test]
async fn a_download_of_64_mib_is_the_largest() {
    let server = Server::on_thread().unwrap();
    let largest = 64 << 20;
    let path = format!("/stand-in/download/{largest}");
    assert_eq!(get(server.addr(), &path).await.body.len(), largest);
    let path = format!("/stand-in/download/{}", largest + 1);
    let answer = get(server.addr(), &path).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("67108864"));
}
