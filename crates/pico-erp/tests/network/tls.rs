//! TLS: who is trusted, who is not, and what is said about it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pico_erp::{
    Client, ClientBuilder, ErrorKind, Notification, OperationFilter, OrderCompleteFilter, Proxy, RetryPolicy,
    StreamPolicy, StreamState, StreamTransport, Token,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Upgrade, Response};

use crate::scripted::{perform, read_request, reply};

/// A company's own certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        Identity { certificate, key }
    }
}

/// An HTTPS server on loopback, or one for WebSockets; returns its port.
async fn serve(identity: Identity, clients: Option<&Authority>, web_socket: bool) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.0.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
    let config = builder.with_single_cert(vec![identity.certificate.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust us breaks the handshake off.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            if web_socket {
                tokio::spawn(serve_web_socket(stream));
            } else if read_request(&mut stream).await.is_some() {
                let body = r#"{"data":{"operations":[]}}"#;
                perform(&mut stream, reply("200 OK", "application/json", body), &AtomicUsize::new(0)).await;
            }
        }
    });
    port
}

/// Greets, and answers the ping that follows the subscribe.
async fn serve_web_socket(stream: TlsStream<TcpStream>) {
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let choose = |_: &Upgrade, mut response: Response| {
        response.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, choose).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        let answer = match message.to_text() {
            Ok(text) if text.contains("connection_init") => r#"{"type":"connection_ack"}"#,
            Ok(text) if text.contains("\"ping\"") => r#"{"type":"pong"}"#,
            _ => continue,
        };
        socket.send(Message::text(answer)).await.unwrap();
    }
}

fn client(port: u16) -> ClientBuilder {
    Client::builder(format!("https://localhost:{port}"))
        .token(Token::fixed("tok"))
        .proxy(Proxy::None)
        .retry(RetryPolicy::never())
}

#[tokio::test]
async fn a_company_authority_is_refused_until_it_is_added() {
    let authority = Authority::new();
    let port = serve(authority.issue("localhost"), None, false).await;

    // Trusting another authority makes the trust store non-empty on machines that ship none.
    let stranger = client(port).extra_ca_pem(Authority::new().pem()).build().unwrap();
    let error = stranger.operations(&OperationFilter::all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(error.to_string().contains("not trusted") && error.to_string().contains("extra CA"), "{error}");

    let friend = client(port).extra_ca_pem(authority.pem()).build().unwrap();
    assert!(friend.operations(&OperationFilter::all()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_websocket_trusts_whom_the_calls_trust() {
    let authority = Authority::new();
    let port = serve(authority.issue("localhost"), None, true).await;
    let policy = StreamPolicy { transport: StreamTransport::WebSocket, ..StreamPolicy::default() };

    let stranger = client(port).extra_ca_pem(Authority::new().pem()).stream(policy).build().unwrap();
    let stream = stranger.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    loop {
        match stream.next_notification().await.unwrap() {
            Notification::State(StreamState::Retrying { cause, .. }) => {
                break assert_eq!(cause.kind(), ErrorKind::Tls);
            }
            Notification::State(_) => {}
            _ => panic!("nothing else was to be told"),
        }
    }

    let friend = client(port).extra_ca_pem(authority.pem()).stream(policy).build().unwrap();
    let stream = friend.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    timeout(Duration::from_secs(20), stream.opened()).await.expect("it opens in time").unwrap();
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let port = serve(authority.issue("other.example"), None, false).await;
    let client = client(port).extra_ca_pem(authority.pem()).build().unwrap();
    assert_eq!(client.operations(&OperationFilter::all()).await.unwrap_err().kind(), ErrorKind::Tls);
}

#[tokio::test]
async fn a_client_certificate_is_presented_where_it_is_asked_for() {
    let authority = Authority::new();
    let port = serve(authority.issue("localhost"), Some(&authority), false).await;
    let identity = authority.issue("erp");
    let known = client(port)
        .extra_ca_pem(authority.pem())
        .client_certificate_pem(identity.certificate.pem(), identity.key.serialize_pem())
        .build()
        .unwrap();
    assert!(known.operations(&OperationFilter::all()).await.unwrap().is_empty());

    let unknown = client(port).extra_ca_pem(authority.pem()).build().unwrap();
    unknown.operations(&OperationFilter::all()).await.unwrap_err();
}

#[test]
fn pem_texts_that_are_none_are_refused_by_name() {
    let endpoint = "https://localhost";
    let error = Client::builder(endpoint).extra_ca_pem("no PEM").build().unwrap_err();
    assert!(error.to_string().starts_with("extra_ca: "), "{error}");
    let error = Client::builder(endpoint)
        .extra_ca_pem(Authority::new().pem())
        .client_certificate_pem(Authority::new().pem(), "no key")
        .build()
        .unwrap_err();
    assert!(error.to_string().starts_with("client_key: "), "{error}");
}
