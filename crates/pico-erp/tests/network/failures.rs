//! Each way a call can fail gives its own error, one that a person at the plant can act on.

use std::io::Write;
use std::time::Duration;

use crate::scripted::{Server, Step, reply};
use pico_erp::{
    Backoff, Client, ClientBuilder, Error, ErrorKind, OperationFilter, OrderSave, Proxy, Request,
    RetryPolicy, SizeLimits, Token,
};

fn client(endpoint: &str) -> ClientBuilder {
    Client::builder(endpoint).token(Token::fixed("tok")).proxy(Proxy::None).retry(RetryPolicy::never())
}

/// Four tries without noticeable waits.
fn eager() -> RetryPolicy {
    let backoff = Backoff { base: Duration::from_micros(1), cap: Duration::from_micros(1) };
    RetryPolicy { backoff, ..RetryPolicy::default() }
}

async fn failure(script: Vec<Step>) -> Error {
    let server = Server::start(vec![script]).await;
    let client = client(&server.endpoint()).request_timeout(Duration::from_millis(500)).build().unwrap();
    client.operations(&OperationFilter::all()).await.unwrap_err()
}

#[tokio::test]
async fn a_server_that_answers_html_is_shown_with_its_first_words() {
    let error = failure(reply("200 OK", "text/html", "<html><title>Proxy login</title></html>")).await;
    assert_eq!(error.kind(), ErrorKind::NotJson);
    assert!(error.to_string().contains("text/html") && error.to_string().contains("Proxy login"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout() {
    let error = failure(vec![Step::Silence]).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("500ms"), "{error}");
}

#[tokio::test]
async fn a_body_cut_half_way_is_a_lost_connection() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n";
    let error = failure(vec![Step::Write(format!("{head}{{\"data\":").into_bytes()), Step::Close]).await;
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert!(error.to_string().contains("after 8 bytes"), "{error}");
}

#[tokio::test]
async fn a_connection_closed_without_a_reply_is_a_lost_connection() {
    assert_eq!(failure(vec![Step::Close]).await.kind(), ErrorKind::ConnectionLost);
}

#[tokio::test]
async fn a_reply_past_the_limit_is_refused_announced_or_not() {
    const LIMIT: usize = 100_000;
    let body = vec![b' '; LIMIT + 1];
    for head in [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()),
        "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
    ] {
        let server =
            Server::start(vec![vec![Step::Write(head.into_bytes()), Step::Write(body.clone())]]).await;
        let limits = SizeLimits { reply: LIMIT, ..SizeLimits::default() };
        let client = client(&server.endpoint()).limits(limits).build().unwrap();
        let error = client.operations(&OperationFilter::all()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.to_string().contains("100000 bytes"), "{error}");
    }
}

#[tokio::test]
async fn a_small_body_that_unpacks_past_the_limit_is_refused() {
    const LIMIT: usize = 1_000_000;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b' '; 10 * LIMIT]).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < LIMIT / 10);
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
    let server = Server::start(vec![vec![Step::Write(head.into_bytes()), Step::Write(packed)]]).await;
    let limits = SizeLimits { reply: LIMIT, ..SizeLimits::default() };
    let client = client(&server.endpoint()).limits(limits).build().unwrap();
    let error = client.operations(&OperationFilter::all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_refused_connection_names_the_address() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = client(&format!("http://{closed}")).build().unwrap();
    let error = client.operations(&OperationFilter::all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains(&closed.to_string()) && error.never_sent(), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    // RFC 2606 keeps .invalid from ever resolving.
    let client = client("http://pico.invalid").build().unwrap();
    let error = client.operations(&OperationFilter::all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Dns, "{error:?}");
    assert!(error.to_string().contains("\"pico.invalid\""), "{error}");
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_named_and_not_the_server() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for endpoint in ["http://pico.example", "https://pico.example"] {
        let proxy = Proxy::Explicit { url: format!("http://user:s3cret@{closed}"), no_proxy: String::new() };
        let client = client(endpoint).proxy(proxy).build().unwrap();
        let error = client.operations(&OperationFilter::all()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy, "{endpoint}: {error:?}");
        assert!(error.to_string().contains(&closed.to_string()), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_the_tunnel_is_told_from_the_server() {
    for answer in ["403 Forbidden", "407 Proxy Authentication Required"] {
        let server = Server::start(vec![reply(answer, "text/html", "no")]).await;
        let proxy = Proxy::Explicit { url: format!("http://{}", server.address), no_proxy: String::new() };
        let client = client("https://pico.example").proxy(proxy).build().unwrap();
        let error = client.operations(&OperationFilter::all()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy, "{answer}: {error:?}");
        assert!(server.requests()[0].starts_with("CONNECT pico.example:443 "), "{:?}", server.requests());
    }
}

#[tokio::test]
async fn graphql_errors_come_with_and_without_data() {
    const PARTLY: &str =
        r#"{"data":{"operations":null},"errors":[{"message":"boom","path":["operations"]}]}"#;
    let error = failure(reply("200 OK", "application/json", PARTLY)).await;
    assert_eq!(error.kind(), ErrorKind::Graphql);
    assert_eq!(error.data().unwrap().as_str(), r#"{"operations":null}"#);
    assert_eq!(error.graphql_errors()[0].message, "boom");

    let error =
        failure(reply("400 Bad Request", "application/json", r#"{"errors":[{"message":"bad"}]}"#)).await;
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Graphql, Some(400)));
    assert!(error.data().is_none());
}

#[tokio::test]
async fn execute_hands_out_data_errors_and_extensions_untouched() {
    const BODY: &str = r#"{"data":{"a": 1.50},"errors":[{"message":"m"}],"extensions":{"cost": 3}}"#;
    let server = Server::start(vec![reply("200 OK", "application/json", BODY)]).await;
    let client = client(&server.endpoint()).build().unwrap();
    let reply = client.execute(Request::new("{ a }")).await.unwrap();
    assert_eq!(reply.raw.as_str(), BODY);
    assert_eq!(reply.data.unwrap().as_str(), r#"{"a": 1.50}"#);
    assert_eq!(reply.errors[0].message, "m");
    assert_eq!(reply.extensions.unwrap().as_str(), r#"{"cost": 3}"#);
}

#[tokio::test]
async fn a_redirect_is_reported_and_never_followed() {
    let head = "HTTP/1.1 302 Found\r\nlocation: https://login.example/\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(vec![vec![Step::Write(head.into())]]).await;
    let client = client(&server.endpoint()).build().unwrap();
    let error = client.operations(&OperationFilter::all()).await.unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::HttpStatus, Some(302)));
    assert!(error.to_string().contains("https://login.example/"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_is_safe_is_tried_again_and_nothing_else() {
    const BUSY: &str = "503 Service Unavailable";
    const SAVED: &str = r#"{"data":{"operationOrderSave":{"message":"created"}}}"#;
    let scripts = || vec![reply(BUSY, "text/plain", "busy"), reply("200 OK", "application/json", SAVED)];

    let server = Server::start(scripts()).await;
    let eager_client = client(&server.endpoint()).retry(eager()).build().unwrap();
    assert_eq!(eager_client.save_order(&OrderSave::new("op", "E-1")).await.unwrap().message(), "created");
    assert_eq!(server.requests().len(), 2, "a save with an external id is repeated");

    let server = Server::start(scripts()).await;
    let eager_client = client(&server.endpoint()).retry(eager()).build().unwrap();
    let error = eager_client.save_order(&OrderSave::anonymous("op")).await.unwrap_err();
    assert_eq!(error.http_status(), Some(503));
    assert_eq!(server.requests().len(), 1, "one without is not");

    let server = Server::start(vec![reply("400 Bad Request", "text/plain", "no")]).await;
    let eager_client = client(&server.endpoint()).retry(eager()).build().unwrap();
    eager_client.operations(&OperationFilter::all()).await.unwrap_err();
    assert_eq!(server.requests().len(), 1, "a 4xx is final");

    let server = Server::start(vec![reply(BUSY, "text/plain", "busy")]).await;
    let eager_client = client(&server.endpoint()).retry(eager()).build().unwrap();
    eager_client.operations(&OperationFilter::all()).await.unwrap_err();
    assert_eq!(server.requests().len(), 4, "tries are bounded");
}

#[tokio::test]
async fn the_request_is_what_picos_pages_show() {
    const EMPTY: &str = r#"{"data":{"operations":[]}}"#;
    let server = Server::start(vec![reply("200 OK", "application/json", EMPTY)]).await;
    let client = client(&server.endpoint()).header("X-Trace", "7").user_agent("erp/1").build().unwrap();
    client.operations(&OperationFilter::all()).await.unwrap();
    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /graphql HTTP/1.1\r\n"), "{head}");
    for line in ["x-pico-api-org: tok", "content-type: application/json", "x-trace: 7", "user-agent: erp/1"] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(body.starts_with(r#"{"query":"query Operations {"#), "{body}");
}

#[tokio::test]
async fn a_token_provider_is_asked_for_every_request() {
    const EMPTY: &str = r#"{"data":{"operations":[]}}"#;
    let server = Server::start(vec![reply("200 OK", "application/json", EMPTY)]).await;
    let count = std::sync::atomic::AtomicU32::new(0);
    let provider = move || Ok(format!("tok-{}", count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
    let client = client(&server.endpoint()).token(Token::provider(provider)).build().unwrap();
    for number in 0..2 {
        client.operations(&OperationFilter::all()).await.unwrap();
        assert!(server.requests()[number].contains(&format!("x-pico-api-org: tok-{number}\r\n")));
    }
    let failing = Client::builder(server.endpoint()).token(Token::provider(|| Err("vault is sealed".into())));
    let error = failing.build().unwrap().operations(&OperationFilter::all()).await.unwrap_err();
    assert!(error.to_string().contains("vault is sealed"), "{error}");
}
