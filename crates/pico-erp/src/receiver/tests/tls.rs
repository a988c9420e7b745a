//! HTTPS, with a certificate made for the test.

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;

fn identity() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap()
}

fn trusting(identity: &CertifiedKey<KeyPair>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(identity.cert.der().clone()).unwrap();
    ClientConfig::builder_with_provider(crate::client::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn connect(
    receiver: &WebhookReceiver,
    config: ClientConfig,
) -> Peer<tokio_rustls::client::TlsStream<TcpStream>> {
    let stream = within(TcpStream::connect(receiver.local_addr())).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    Peer::over(within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap())
}

#[tokio::test]
async fn posts_are_taken_over_tls() {
    let shelf = Shelf::new();
    let identity = identity();
    let receiver = builder(&shelf)
        .tls_pem(identity.cert.pem(), identity.signing_key.serialize_pem())
        .start()
        .await
        .unwrap();
    let mut peer = connect(&receiver, trusting(&identity)).await;
    for _ in 0..2 {
        assert_eq!(peer.ask(post("{}", "")).await.status, 200);
    }
    // A refused body is drained here too, so that the answer arrives.
    let reply = peer.ask(post(&"x".repeat(9 << 20), "")).await;
    assert_eq!(reply.status, 413);
    peer.ended().await;
    drop(peer);

    // A client that offers both gets HTTP/1.1.
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(trusting(&identity))
        .no_proxy()
        .resolve("localhost", receiver.local_addr())
        .build()
        .unwrap();
    let answer = client
        .post(format!("https://localhost:{}/pico", receiver.local_addr().port()))
        .header("x-pico-secret", SECRET)
        .header("content-type", "application/json")
        .body("{}");
    assert_eq!(within(answer.send()).await.unwrap().status(), 200);
    assert_eq!(shelf.kept().len(), 3);
    within(receiver.close(DEADLINE)).await.unwrap();
}

#[tokio::test]
async fn a_client_that_speaks_no_tls_or_stays_silent_harms_nobody() {
    let shelf = Shelf::new();
    let identity = identity();
    let receiver = builder(&shelf)
        .header_timeout(Duration::from_millis(500))
        .tls_pem(identity.cert.pem(), identity.signing_key.serialize_pem())
        .start()
        .await
        .unwrap();
    let mut plain = Peer::connect(receiver.local_addr()).await;
    plain.send(post("{}", "")).await;
    let mut silent = Peer::connect(receiver.local_addr()).await;
    // rustls says why by an alert before it hangs up.
    let mut alert = Vec::new();
    within(tokio::io::AsyncReadExt::read_to_end(&mut plain.stream, &mut alert)).await.unwrap();
    silent.ended().await;
    assert_eq!(connect(&receiver, trusting(&identity)).await.ask(post("{}", "")).await.status, 200);
    assert_eq!(shelf.kept().len(), 1);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_handshake() {
    let shelf = Shelf::new();
    let identity = identity();
    let receiver = builder(&shelf)
        .tls_pem(identity.cert.pem(), identity.signing_key.serialize_pem())
        .start()
        .await
        .unwrap();
    // The first is being served once the second has its answer.
    let mut silent = Peer::connect(receiver.local_addr()).await;
    assert_eq!(connect(&receiver, trusting(&identity)).await.ask(post("{}", "")).await.status, 200);
    within(receiver.close(DEADLINE * 10)).await.unwrap();
    silent.ended().await;
}

#[tokio::test]
async fn certificates_come_from_files_too_and_must_fit_their_key() {
    let shelf = Shelf::new();
    let (identity, other) = (identity(), identity());
    let folder = std::env::temp_dir().join(format!("pico-erp-receiver-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, identity.cert.pem()).unwrap();
    std::fs::write(&key, identity.signing_key.serialize_pem()).unwrap();
    let receiver = builder(&shelf).tls_files(&chain, &key).start().await;
    std::fs::write(&key, "no key").unwrap();
    let no_key = builder(&shelf).tls_files(&chain, &key).start().await;
    std::fs::remove_dir_all(&folder).unwrap();

    let receiver = receiver.unwrap();
    assert_eq!(connect(&receiver, trusting(&identity)).await.ask(post("{}", "")).await.status, 200);
    let error = no_key.unwrap_err().to_string();
    assert!(error.starts_with("tls_key: is not a private key"), "{error}");
    let error = builder(&shelf)
        .tls_pem(identity.cert.pem(), other.signing_key.serialize_pem())
        .start()
        .await
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("tls_certificate: cannot be used with this key"), "{error}");
}
