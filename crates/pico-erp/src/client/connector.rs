//! Opens a byte stream to the endpoint: TCP, through the proxy where one applies, TLS where the scheme asks for it.
//!
//! For WebSocket. It uses the same proxy decision, trust and name look-up as the calls, which reqwest connects by itself.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::{SocksV4, SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use super::dns;

/// A stream of bytes, whatever is under it.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Everything but the proxy, which is decided for each connection.
#[derive(Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector<Resolver>,
    tls: ClientConfig,
}

/// [`dns`]'s look-up in the form that hyper-util asks for.
#[derive(Clone)]
pub(crate) struct Resolver;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<std::net::SocketAddr>;
    type Error = dns::DnsError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move { dns::look_up(name.as_str()).await.map(Vec::into_iter) })
    }
}

impl Connector {
    pub(crate) fn new(mut tls: ClientConfig, keep_alive: std::time::Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(keep_alive));
        // A WebSocket is upgraded from HTTP/1.1; the connector refuses a configuration that offers more.
        tls.alpn_protocols.clear();
        Self { tcp, tls }
    }

    /// Connects to the host of `target`, an `http` or `https` URI.
    pub(crate) async fn connect(
        &self,
        target: Uri,
        proxy: Option<&Intercept>,
    ) -> Result<Box<dyn ByteStream>, BoxError> {
        let Some(proxy) = proxy else {
            return Ok(Box::new(TokioIo::new(self.with_tls(self.tcp.clone()).call(target).await?)));
        };
        let address = proxy.uri().clone();
        let scheme = address.scheme_str().unwrap_or("http").to_owned();
        match scheme.as_str() {
            "socks4" | "socks4a" => {
                let socks = SocksV4::new(address, self.tcp.clone()).local_dns(scheme == "socks4");
                Ok(Box::new(TokioIo::new(self.with_tls(socks).call(target).await?)))
            }
            "socks5" | "socks5h" => {
                let mut socks = SocksV5::new(address, self.tcp.clone()).local_dns(scheme == "socks5");
                if let Some((user, password)) = proxy.raw_auth() {
                    socks = socks.with_auth(user.to_owned(), password.to_owned());
                }
                Ok(Box::new(TokioIo::new(self.with_tls(socks).call(target).await?)))
            }
            _ => {
                let mut tunnel = Tunnel::new(address, self.with_tls(self.tcp.clone()));
                if let Some(auth) = proxy.basic_auth() {
                    let mut auth: HeaderValue = auth.clone();
                    auth.set_sensitive(true);
                    tunnel = tunnel.with_auth(auth);
                }
                Ok(Box::new(TokioIo::new(self.with_tls(tunnel).call(target).await?)))
            }
        }
    }

    fn with_tls<C>(&self, inner: C) -> HttpsConnector<C> {
        HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(inner)
    }
}

/// The TLS configuration may hold a client's key, so nothing of it is shown.
impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}
