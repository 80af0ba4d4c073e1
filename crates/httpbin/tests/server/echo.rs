use httpbin::Server;
use serde_json::json;

use crate::client::{ask, get, post, read_to_end, request, send, unchunk};

#[tokio::test]
async fn get_is_laid_out_as_httpbin_lays_it_out() {
    let server = Server::start().await.unwrap();
    let headers = "X-Twice: a\r\nX-Twice: b\r\n";
    let answer = ask(server.addr(), "GET", "/get?b=%C3%A4+x&a=1&a=2&c", headers).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.text(),
        r#"{
  "args": {
    "a": [
      "1",
      "2"
    ],
    "b": "ä x",
    "c": ""
  },
  "headers": {
    "Connection": "close",
    "Host": "kitchen.test",
    "X-Twice": "a,b"
  },
  "origin": "127.0.0.1",
  "url": "http://kitchen.test/get?b=%C3%A4+x&a=1&a=2&c"
}
"#
    );
}

#[tokio::test]
async fn what_proxies_add_is_hidden_and_believed() {
    let server = Server::start().await.unwrap();
    let proxied = "X-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Proto: https\r\nVia: here\r\n";
    let told = ask(server.addr(), "GET", "/get", proxied).await.json();
    assert_eq!(told["origin"], "10.1.2.3");
    assert_eq!(told["url"], "https://kitchen.test/get");
    assert!(told["headers"].get("Via").is_none());
    let told = ask(server.addr(), "GET", "/get?show_env=1", proxied)
        .await
        .json();
    assert_eq!(told["headers"]["Via"], "here");
}

#[tokio::test]
async fn without_a_host_the_url_has_the_address() {
    let server = Server::start().await.unwrap();
    let answer = read_to_end(send(server.addr(), "GET /get HTTP/1.0\r\n\r\n").await).await;
    assert_eq!(answer.json()["url"], format!("{}/get", server.url()));
}

#[tokio::test]
async fn post_tells_json() {
    let server = Server::start().await.unwrap();
    let body = br#"{"dish": "tea", "cups": [1, 2]}"#;
    let told = post(server.addr(), "/post?a=1", "application/json", body)
        .await
        .json();
    assert_eq!(told["args"], json!({"a": "1"}));
    assert_eq!(told["data"], std::str::from_utf8(body).unwrap());
    assert_eq!(told["files"], json!({}));
    assert_eq!(told["form"], json!({}));
    assert_eq!(told["headers"]["Content-Type"], "application/json");
    assert_eq!(told["json"], json!({"dish": "tea", "cups": [1, 2]}));
    assert_eq!(told["origin"], "127.0.0.1");
    assert_eq!(told["url"], "http://kitchen.test/post?a=1");
    assert_eq!(told.as_object().unwrap().len(), 8);
}

#[tokio::test]
async fn post_tells_a_form() {
    let server = Server::start().await.unwrap();
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let told = post(server.addr(), "/post", form, b"dish=green+tea&cup=1&cup=2")
        .await
        .json();
    assert_eq!(
        told["form"],
        json!({"dish": "green tea", "cup": ["1", "2"]})
    );
    assert_eq!(told["data"], "");
    assert_eq!(told["json"], json!(null));
}

#[tokio::test]
async fn post_tells_fields_and_files() {
    let server = Server::start().await.unwrap();
    let body = b"--xyz\r\nContent-Disposition: form-data; name=\"dish\"\r\n\r\ntea\r\n\
        --xyz\r\nContent-Disposition: form-data; name=\"list\"; filename=\"a.txt\"\r\n\
        Content-Type: text/plain\r\n\r\nrice\r\n--rice\r\n\r\n--xyz\r\n\
        content-disposition: form-data; name=\"raw\"; filename=\"b\"\r\n\r\n\xff\x00\r\n--xyz--\r\n";
    let form = "multipart/form-data; boundary=xyz";
    let told = post(server.addr(), "/post", form, body).await.json();
    assert_eq!(told["form"], json!({"dish": "tea"}));
    let raw = "data:application/octet-stream;base64,/wA=";
    assert_eq!(
        told["files"],
        json!({"list": "rice\r\n--rice\r\n", "raw": raw})
    );
    assert_eq!(told["data"], "");
}

#[tokio::test]
async fn post_tells_bytes_as_a_data_url() {
    let server = Server::start().await.unwrap();
    for (bytes, base64) in [
        (b"\xff".as_slice(), "/w=="),
        (b"\xff\xfe", "//4="),
        (b"\xff\xfe\xfd", "//79"),
        (b"\xff\xfe\xfd\x00", "//79AA=="),
    ] {
        let told = post(server.addr(), "/post", "text/plain", bytes)
            .await
            .json();
        assert_eq!(
            told["data"],
            format!("data:application/octet-stream;base64,{base64}")
        );
        assert_eq!(told["json"], json!(null));
    }
}

#[tokio::test]
async fn put_patch_and_delete_answer_as_post_does() {
    let server = Server::start().await.unwrap();
    for method in ["PUT", "PATCH", "DELETE"] {
        let more = "Connection: close\r\nContent-Length: 2\r\n\r\n42";
        let path = format!("/{}", method.to_lowercase());
        let stream = send(server.addr(), &request(method, &path, more)).await;
        assert_eq!(read_to_end(stream).await.json()["json"], 42);
    }
}

#[tokio::test]
async fn parts_of_a_request_have_paths_of_their_own() {
    let server = Server::start().await.unwrap();
    let asked = "User-Agent: cook/1\r\n";
    let ask = |path| ask(server.addr(), "GET", path, asked);
    let headers = json!({"Connection": "close", "Host": "kitchen.test", "User-Agent": "cook/1"});
    assert_eq!(ask("/headers").await.json(), json!({ "headers": headers }));
    assert_eq!(
        ask("/user-agent").await.json(),
        json!({"user-agent": "cook/1"})
    );
    assert_eq!(ask("/ip").await.json(), json!({"origin": "127.0.0.1"}));
    let unnamed = get(server.addr(), "/user-agent").await.json();
    assert_eq!(unnamed, json!({"user-agent": null}));
}

#[tokio::test]
async fn a_stream_is_a_chunk_of_one_line_after_another() {
    let server = Server::start().await.unwrap();
    let mut stream = send(
        server.addr(),
        &request("GET", "/stream/3?a=1", "Connection: close\r\n\r\n"),
    )
    .await;
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes)
        .await
        .unwrap();
    let start = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let lines = unchunk(&bytes[start..]);
    assert_eq!(lines.len(), 3);
    for (id, line) in lines.iter().enumerate() {
        let expected = format!(
            r#"{{"url": "http://kitchen.test/stream/3?a=1", "args": {{"a": "1"}}, "headers": {{"Connection": "close", "Host": "kitchen.test"}}, "origin": "127.0.0.1", "id": {id}}}"#
        );
        assert_eq!(std::str::from_utf8(line).unwrap(), expected + "\n");
    }
    for (asked, lines) in [
        ("0", 0),
        ("100", 100),
        ("101", 100),
        ("99999999999999999999", 100),
    ] {
        let answer = get(server.addr(), &format!("/stream/{asked}")).await;
        assert_eq!(answer.text().lines().count(), lines, "{asked}");
    }
}
