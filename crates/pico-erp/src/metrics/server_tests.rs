use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::ErrorKind;

/// Sends `head` and reads to the end, which the server makes.
async fn ask(address: SocketAddr, request: &str) -> String {
    let asking = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{request} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    timeout(Duration::from_secs(20), asking).await.unwrap()
}

async fn served() -> (tempfile::TempDir, Store, MetricsServer) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("s")).await.unwrap();
    let server = store.metrics_server().start().await.unwrap();
    (folder, store, server)
}

#[tokio::test]
async fn it_answers_what_it_is_asked_and_nothing_else() {
    let (_folder, _store, server) = served().await;
    for (request, status, holds) in [
        ("GET /metrics", "200", "\npico_erp_store_up 1\n"),
        ("GET /metrics", "200", "content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        ("GET /healthz", "200", "{\"status\":\"ok\"}"),
        ("GET /", "404", "/metrics"),
        ("GET /metrics/", "404", "/metrics"),
        ("POST /metrics", "405", "allow: GET, HEAD\r\n"),
        ("DELETE /healthz", "405", "allow: GET, HEAD\r\n"),
    ] {
        let answer = ask(server.local_addr(), request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains(holds), "{request}: {answer}");
    }
    let head = ask(server.local_addr(), "HEAD /metrics").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_of_and_hides_nothing_that_was_counted() {
    let (_folder, store, server) = served().await;
    store.meters().sender.start();
    store.meters().sender.superseded(3);
    store.close().await;
    let health = ask(server.local_addr(), "GET /healthz").await;
    assert!(health.starts_with("HTTP/1.1 503 "), "{health}");
    assert!(health.ends_with(r#"{"reason":"closed","status":"unavailable"}"#), "{health}");
    let metrics = ask(server.local_addr(), "GET /metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200 "), "{metrics}");
    assert!(metrics.contains("\npico_erp_store_up 0\n"), "{metrics}");
    assert!(metrics.contains("\npico_erp_orders_total{plant=\"\",outcome=\"superseded\"} 3\n"), "{metrics}");
    assert!(!metrics.contains("pico_erp_inbox"), "{metrics}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_by_the_name_of_the_setting_and_free_after_close() {
    let (_folder, store, server) = served().await;
    let address = server.local_addr().to_string();
    let taken = store.metrics_server().bind(&address).start().await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::InvalidArgument);
    assert!(taken.to_string().starts_with("bind: cannot listen on"), "{taken}");
    let named = store.metrics_server().bind_as("metrics_bind", &address).start().await.unwrap_err();
    assert!(named.to_string().starts_with("metrics_bind: "), "{named}");
    server.close().await;
    TcpListener::bind(&address).await.unwrap();
}
