//! Settings that cannot be right, and what is said of them.

use tokio::net::TcpListener;

use super::*;
use crate::error::ErrorKind;

#[tokio::test]
async fn a_setting_that_cannot_work_is_refused_by_name() {
    let shelf = Shelf::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = || builder(&shelf);
    for (builder, field, says) in [
        (base().bind("127.0.0.1"), "bind: ", "such as 0.0.0.0:8080"),
        (base().bind(""), "bind: ", "such as 0.0.0.0:8080"),
        (base().bind("127.0.0.1:99999"), "bind: ", "such as 0.0.0.0:8080"),
        (base().bind("192.0.2.1:0"), "bind: ", "no such address"),
        (base().bind(taken.local_addr().unwrap().to_string()), "bind: ", "give another port"),
        (base().path("pico"), "path: ", "begin with \"/\""),
        (base().path(""), "path: ", "begin with \"/\""),
        (base().path("/pico?x"), "path: ", "holds '?'"),
        (base().path("/über"), "path: ", "holds 'ü'"),
        (base().path("/health"), "health_path: ", "give another"),
        (base().health_path("health"), "health_path: ", "begin with \"/\""),
        (base().max_body(0), "max_body: ", "at least 1"),
        (base().max_connections(0), "max_connections: ", "at least 1"),
        (base().header_timeout(Duration::ZERO), "header_timeout: ", "longer than zero"),
        (base().body_timeout(Duration::ZERO), "body_timeout: ", "longer than zero"),
        (base().idle_timeout(Duration::ZERO), "idle_timeout: ", "longer than zero"),
        (base().secret_header("x y", "s3cret"), "secret_header: ", "is not a header name"),
        (base().secret_header("x-y", ""), "secret_header: ", "is empty"),
        (base().tls_pem("no PEM", "no PEM"), "tls_certificate: ", "holds no certificate"),
        (base().tls_files("no/such/file", "no/such/file"), "tls_certificate: ", "cannot read no/such/file"),
    ] {
        let error = within(builder.start()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().starts_with(field) && error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn names_and_ipv6_can_be_listened_on() {
    let shelf = Shelf::new();
    let receiver = within(builder(&shelf).bind("localhost:0").path("/erp/pico").start()).await.unwrap();
    assert_eq!(receiver.url_path(), "/erp/pico");
    let mut peer = Peer::connect(receiver.local_addr()).await;
    assert_eq!(peer.ask(post("{}", "").replace("/pico", "/erp/pico")).await.status, 200);
    // Not every machine has IPv6.
    if let Ok(receiver) = within(builder(&shelf).bind("[::1]:0").start()).await {
        assert!(receiver.local_addr().is_ipv6());
        assert_eq!(Peer::connect(receiver.local_addr()).await.ask(post("{}", "")).await.status, 200);
    }
}

#[tokio::test]
async fn a_secret_is_never_shown() {
    let shelf = Shelf::new();
    let builder = builder(&shelf).secret_header("x-more", "s3cret").tls_pem("s3cret", "s3cret");
    let shown = format!("{builder:?}");
    assert!(!shown.contains("s3cret") && !shown.contains(SECRET), "{shown}");
    assert!(shown.contains("x-more"), "{shown}");
    let (receiver, _shelf) = started().await;
    assert!(!format!("{receiver:?}").contains(SECRET));
}
