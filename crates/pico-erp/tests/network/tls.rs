//! TLS: who is trusted, who is not, and what is said about it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use pico_erp::{Client, ClientBuilder, ErrorKind, OperationFilter, Proxy, RetryPolicy, Token};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

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

/// An HTTPS server on loopback; returns its port.
async fn serve(identity: Identity, clients: Option<&Authority>) -> u16 {
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
            if read_request(&mut stream).await.is_some() {
                let body = r#"{"data":{"operations":[]}}"#;
                perform(&mut stream, reply("200 OK", "application/json", body), &AtomicUsize::new(0)).await;
            }
        }
    });
    port
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
    let port = serve(authority.issue("localhost"), None).await;

    // Trusting another authority makes the trust store non-empty on machines that ship none.
    let stranger = client(port).extra_ca_pem(Authority::new().pem()).build().unwrap();
    let error = stranger.operations(&OperationFilter::all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(error.to_string().contains("not trusted") && error.to_string().contains("extra CA"), "{error}");

    let friend = client(port).extra_ca_pem(authority.pem()).build().unwrap();
    assert!(friend.operations(&OperationFilter::all()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let port = serve(authority.issue("other.example"), None).await;
    let client = client(port).extra_ca_pem(authority.pem()).build().unwrap();
    assert_eq!(client.operations(&OperationFilter::all()).await.unwrap_err().kind(), ErrorKind::Tls);
}

#[tokio::test]
async fn a_client_certificate_is_presented_where_it_is_asked_for() {
    let authority = Authority::new();
    let port = serve(authority.issue("localhost"), Some(&authority)).await;
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
