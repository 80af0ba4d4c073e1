use httpbin::Server;
use tokio::io::AsyncWriteExt;

use crate::client::{get, post, read_to_end, request, send};

#[tokio::test]
async fn bad_input_is_refused_in_words() {
    let server = Server::start().await.unwrap();
    for (path, status, word) in [
        ("/nowhere", 404, "/"),
        ("/get/", 404, "/"),
        ("//get", 404, "/"),
        ("/GET", 404, "/"),
        ("/bytes/tea", 404, "/"),
        ("/bytes/-1", 404, "/"),
        ("/bytes/1.5", 404, "/"),
        ("/bytes/", 404, "/"),
        ("/range/0", 404, "`0`"),
        ("/range/99999999999999999999", 404, "102400"),
        ("/links/1/x", 404, "/"),
        ("/delay/tea", 400, "tea"),
        ("/delay/-1", 400, "-1"),
        ("/delay/NaN", 400, "NaN"),
        ("/delay/", 400, "number"),
        ("/status/tea", 400, "tea"),
        ("/status/99", 400, "99"),
        ("/status/100", 400, "100"),
        ("/status/101", 400, "101"),
        ("/status/1000", 400, "1000"),
        ("/status/-200", 400, "-200"),
        ("/status/200:x,500", 400, "x"),
        ("/status/200:-1,500", 400, "-1"),
        ("/status/200:NaN,500", 400, "NaN"),
        ("/status/200:0", 400, "weights"),
        ("/status/200,,500", 400, "status"),
        ("/redirect/0", 400, "0"),
        ("/relative-redirect/0", 400, "0"),
        ("/absolute-redirect/0", 400, "0"),
        ("/bytes/1?seed=tea", 400, "tea"),
        ("/bytes/1?seed=99999999999999999999", 400, "seed"),
        ("/drip?numbytes=0", 400, "numbytes"),
        ("/drip?numbytes=-1", 400, "-1"),
        ("/drip?duration=-1", 400, "-1"),
        ("/drip?duration=inf", 400, "inf"),
        ("/drip?delay=1e300", 400, "delay"),
        ("/drip?code=tea", 400, "tea"),
        ("/drip?code=101", 400, "101"),
        ("/range/9?duration=NaN", 400, "NaN"),
        ("/range/9?chunk_size=-1", 400, "-1"),
        ("/stand-in/flaky/a?fail=tea", 400, "tea"),
        ("/stand-in/download/tea", 404, "/"),
        ("/stand-in/download/0", 400, "`0`"),
        ("/stand-in/download/67108865", 400, "67108864"),
        ("/stand-in/download/9?seed=tea", 400, "tea"),
        ("/stand-in/download/9?rate=0", 400, "`rate`"),
        ("/stand-in/download/9?rate=tea", 400, "tea"),
        ("/stand-in/download/9?cut=9&key=a", 400, "from 0 to 8"),
        ("/stand-in/download/9?cut=-1&key=a", 400, "-1"),
        ("/stand-in/download/9?cut=1", 400, "`key`"),
        ("/stand-in/broken/tea", 404, "/"),
        ("/stand-in/broken/", 404, "/"),
        ("/stand-in/broken/silence?seconds=61", 400, "from 0 to 60"),
        ("/stand-in/broken/silence?seconds=NaN", 400, "NaN"),
        ("/stand-in/broken/slow-head?lines=0", 400, "from 1 to 1000"),
        ("/stand-in/broken/slow-head?pause=-1", 400, "-1"),
        ("/stand-in/broken/short?sent=1000", 400, "from 0 to 999"),
        ("/stand-in/broken/short?length=0", 400, "`length`"),
        ("/stand-in/broken/reset-body?sent=tea", 400, "tea"),
        ("/stand-in/broken/stall?seconds=inf", 400, "inf"),
        (
            "/stand-in/broken/stall?length=99999999999999",
            400,
            "`length`",
        ),
        ("/stand-in/broken/endless?piece=65537", 400, "65536"),
        ("/stand-in/broken/huge?piece=0", 400, "`piece`"),
        ("/stand-in/flaky/a?status=500", 400, "`500`"),
        ("/stand-in/flaky/a?status=tea", 400, "tea"),
        ("/stand-in/flaky/a?retry_after=-1", 400, "-1"),
        ("/stand-in/flaky/a?retry_after=0.5", 400, "0.5"),
        ("/stand-in/flaky/a?retry_after=86401", 400, "86400"),
        ("/stand-in/wrong/tea", 404, "/"),
        ("/get?a=%", 400, "%"),
        ("/get?a=%4", 400, "%4"),
        ("/get?%zz=1", 400, "%zz"),
        ("/get?a=%+1", 400, "%"),
        ("/%zz", 400, "%zz"),
        ("/stand-in/flaky/%e4%", 400, "%"),
    ] {
        let answer = get(server.addr(), path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text().contains(word), "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }
}

#[tokio::test]
async fn odd_input_is_taken() {
    let server = Server::start().await.unwrap();
    for path in [
        "/%67et",
        "/get?&&=&a&=b",
        "/get?a=%FF%00",
        "/stand-in/flaky/%FF?fail=0",
        "/status/200%3A1%2C200",
        "/range/9?chunk_size=99999999999&duration=0.001",
        "/drip?duration=0&numbytes=100000",
    ] {
        assert_eq!(get(server.addr(), path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_broken_form_is_refused() {
    let server = Server::start().await.unwrap();
    let form = "application/x-www-form-urlencoded";
    for (content_type, body) in [
        (form, "a=%zz"),
        ("multipart/form-data", "--xyz--"),
        ("multipart/form-data; boundary=xyz", ""),
        ("multipart/form-data; boundary=xyz", "--xyz\r\n"),
        (
            "multipart/form-data; boundary=xyz",
            "--xyz\r\nno head\r\n--xyz--",
        ),
        (
            "multipart/form-data; boundary=xyz",
            "--xyz\r\nA: b\r\n\r\n\r\n--xyz--",
        ),
        ("multipart/form-data; boundary=", "--"),
    ] {
        let answer = post(server.addr(), "/post", content_type, body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{content_type}: {body}");
        assert!(!answer.text().is_empty());
    }
}

#[tokio::test]
async fn a_body_beyond_16_mib_is_refused() {
    let server = Server::start().await.unwrap();
    let largest = vec![b'1'; 16 << 20];
    assert_eq!(
        post(server.addr(), "/delay/0", "text/plain", &largest)
            .await
            .status,
        200
    );
    let answer = post(
        server.addr(),
        "/post",
        "text/plain",
        &[largest, vec![b'1']].concat(),
    )
    .await;
    assert_eq!(answer.status, 413);
    assert!(answer.text().contains("16777216"));
}

#[tokio::test]
async fn what_is_no_http_ends_its_connection_and_no_other() {
    let server = Server::start().await.unwrap();
    let stream = send(server.addr(), "tea, please\r\n\r\n").await;
    assert_eq!(read_to_end(stream).await.status, 400);
    let chunked = request(
        "POST",
        "/post",
        "Transfer-Encoding: chunked\r\n\r\nno size\r\n",
    );
    let mut stream = send(server.addr(), &chunked).await;
    stream.shutdown().await.unwrap();
    // Whatever it answers to that, it ends.
    let mut rest = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    assert_eq!(get(server.addr(), "/get").await.status, 200);
}
