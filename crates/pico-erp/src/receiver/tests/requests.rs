//! What is answered to which request.

use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::*;
use crate::error::{Error, ErrorKind};

/// Asks on a connection of its own.
async fn ask(receiver: &WebhookReceiver, request: impl AsRef<[u8]>) -> peer::Reply {
    Peer::connect(receiver.local_addr()).await.ask(request).await
}

#[tokio::test]
async fn each_request_gets_the_answer_it_deserves() {
    let (receiver, shelf) = started().await;
    let head = |lines: &str| format!("POST /pico HTTP/1.1\r\nhost: erp\r\n{lines}\r\n");
    let json = "content-type: application/json\r\n";
    let secret = "x-pico-secret: correct horse\r\n";
    let large = "x".repeat(9 << 20);
    for (what, request, status, in_head, in_body) in [
        ("a good one", post(r#"{"a":1}"#, ""), 200, "content-type: application/json", "{}"),
        ("an old version", post("{}", "").replace("HTTP/1.1", "HTTP/1.0"), 200, "", "{}"),
        ("a list", post(r#"[{"a":2},{"a":3}]"#, ""), 200, "", "{}"),
        ("nothing in a list", post("[]", ""), 200, "", "{}"),
        ("a query string", post("{}", "").replace("/pico", "/pico?x=1"), 200, "", "{}"),
        ("another path", post("{}", "").replace("/pico", "/"), 404, "", "nothing at this path"),
        ("another method", post("{}", "").replace("POST", "PUT"), 405, "allow: post\r\n", "takes POST only"),
        ("a question", "GET /pico HTTP/1.1\r\nhost: erp\r\n\r\n".to_owned(), 405, "allow: post\r\n", ""),
        (
            "no secret",
            head(&format!("{json}content-length: 2\r\n")) + "{}",
            401,
            "www-authenticate",
            "secret",
        ),
        ("a wrong secret", post("{}", "").replace("horse", "house"), 401, "", "missing or wrong"),
        (
            "another type",
            post("{}", "").replace("application/json", "text/html"),
            415,
            "",
            "application/json",
        ),
        ("no type", head(&format!("{secret}content-length: 2\r\n")) + "{}", 415, "", "application/json"),
        ("a charset", post("{}", "").replace("/json", "/json; charset=utf-8"), 200, "", "{}"),
        ("a suffix", post("{}", "").replace("/json", "/x+json"), 200, "", "{}"),
        ("compressed", post("{}", "content-encoding: gzip\r\n"), 415, "accept-encoding: identity", ""),
        ("no body", head(&format!("{secret}{json}content-length: 0\r\n")), 400, "", "the body is empty"),
        ("half an object", post(r#"{"a":"#, ""), 400, "", "not valid JSON"),
        ("a string", post(r#""a""#, ""), 400, "", "the body is a string"),
        ("a list of more", post("[{},1]", ""), 400, "", "element [1] is a number"),
        ("too much", post(&large, ""), 413, "connection: close", "larger than 8388608 bytes"),
        ("gibberish", "\x16\x03\x01 hello\r\n\r\n".to_owned(), 400, "", ""),
        ("a large head", head(&format!("x-large: {}\r\n", "x".repeat(80 << 10))), 431, "", ""),
    ] {
        let reply = ask(&receiver, request).await;
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        assert!(reply.head.contains(in_head) && reply.body.contains(in_body), "{what}: {reply:?}");
        assert!(!reply.head.contains("server:") && !reply.head.contains("hyper"), "{what}: {reply:?}");
    }
    assert_eq!(shelf.kept(), [r#"{"a":1}"#, "{}", r#"{"a":2}"#, r#"{"a":3}"#, "{}", "{}", "{}"]);
    let counts = receiver.counts();
    assert_eq!((counts.accepted, counts.refused_by_secret, counts.refused), (7, 2, 11));
    assert_eq!((counts.unavailable, counts.failed), (0, 0));
}

#[tokio::test]
async fn a_body_is_not_asked_for_before_the_secret_is_right() {
    let (receiver, shelf) = started().await;
    let expecting =
        |request: String| request.replacen("content-length", "expect: 100-continue\r\ncontent-length", 1);
    let body = r#"{"a":1}"#;
    let whole = expecting(post(body, ""));
    let (head, _) = whole.split_at(whole.len() - body.len());

    // No body is sent, and none is waited for.
    let mut stranger = Peer::connect(receiver.local_addr()).await;
    let reply = stranger.ask(head.replace("horse", "house")).await;
    assert_eq!((reply.status, reply.head.contains("connection: close")), (401, true), "{reply:?}");
    stranger.ended().await;

    let mut friend = Peer::connect(receiver.local_addr()).await;
    assert_eq!(friend.ask(head).await.status, 100);
    assert_eq!(friend.ask(body).await.status, 200);
    assert_eq!(shelf.kept(), [body]);
}

#[tokio::test]
async fn a_chunked_body_is_taken_up_to_the_limit() {
    let shelf = Shelf::new();
    let receiver = builder(&shelf).max_body(100).start().await.unwrap();
    let chunked = |chunks: &[&str]| {
        let head = post("", "").replace("content-length: 0", "transfer-encoding: chunked");
        let chunks: Vec<_> = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
        format!("{head}{}0\r\n\r\n", chunks.concat())
    };
    assert_eq!(ask(&receiver, chunked(&[r#"{"a":"#, "1", "}"])).await.status, 200);
    let filler = "x".repeat(60);
    let reply = ask(&receiver, chunked(&["{\"a\":\"", &filler, &filler, "\"}"])).await;
    assert_eq!((reply.status, reply.head.contains("connection: close")), (413, true), "{reply:?}");
    // Not every byte over the limit is read before the answer.
    let mut endless = Peer::connect(receiver.local_addr()).await;
    endless.send(post("", "").replace("content-length: 0", "transfer-encoding: chunked")).await;
    endless.send(format!("fffffff\r\n{filler}{filler}")).await;
    assert_eq!(endless.reply().await.status, 413);
    assert_eq!(shelf.kept(), [r#"{"a":1}"#]);
}

#[tokio::test]
async fn several_secrets_are_right_at_once() {
    let shelf = Shelf::new();
    let receiver = builder(&shelf).secret_header("X-Pico-Secret", "next").start().await.unwrap();
    for (secret, status) in [("correct horse", 200), ("next", 200), ("correct", 401), ("nextt", 401)] {
        let reply = ask(&receiver, post("{}", "").replace("correct horse", secret)).await;
        assert_eq!(reply.status, status, "{secret}");
    }
}

#[tokio::test]
async fn any_type_is_taken_where_that_is_set() {
    let shelf = Shelf::new();
    let receiver = builder(&shelf).any_content_type().start().await.unwrap();
    let reply = ask(&receiver, post("{}", "").replace("application/json", "text/plain")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(ask(&receiver, post("{", "").replace("application/json", "text/plain")).await.status, 400);
}

#[tokio::test]
async fn health_is_told_to_anybody_and_nothing_else_is() {
    let (receiver, shelf) = started().await;
    let mut peer = Peer::connect(receiver.local_addr()).await;
    let get = "GET /health HTTP/1.1\r\nhost: erp\r\n\r\n";
    let reply = peer.ask(get).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"status":"ok"}"#));
    peer.send(get.replace("GET", "HEAD")).await;
    let reply = peer.reply_of("HEAD").await;
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("content-length: 15"), "{reply:?}");

    let full = Error::new(ErrorKind::Internal, "the disk is full").with_source("/somewhere/inbox: ENOSPC");
    shelf.set_unavailable(Some(full));
    let reply = peer.ask(get).await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (503, r#"{"reason":"the disk is full","status":"unavailable"}"#)
    );
    assert_eq!(peer.ask(get.replace("GET", "DELETE")).await.status, 405);
    assert_eq!(peer.ask(get.replace("/health", "/healthz")).await.status, 404);
    shelf.set(Behaviour::Panic);
    assert_eq!(peer.ask(get).await.status, 500);
    assert_eq!(receiver.counts().accepted, 0);

    let deaf = builder(&shelf).without_health_path().start().await.unwrap();
    assert_eq!(ask(&deaf, get).await.status, 404);
}

#[tokio::test]
async fn a_usual_client_gets_through_on_one_connection() {
    let (receiver, shelf) = started().await;
    let tls = crate::client::tls::TlsSettings::default().config(false).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
    let url = format!("http://{}{}", receiver.local_addr(), receiver.url_path());
    for number in 0..3 {
        let posted = client
            .post(&url)
            .header("x-pico-secret", SECRET)
            .header(CONTENT_TYPE, "application/json")
            .body(format!(r#"{{"n":{number}}}"#));
        let answer = within(posted.send()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let headers: HeaderMap = answer.headers().clone();
        assert_eq!(within(answer.text()).await.unwrap(), "{}");
        let names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["content-type", "content-length", "date"]);
    }
    let large = client.post(&url).header("x-pico-secret", SECRET).header(CONTENT_TYPE, "application/json");
    let answer = within(large.body(vec![b' '; 9 << 20]).send()).await.unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(shelf.kept().len(), 3);
}
