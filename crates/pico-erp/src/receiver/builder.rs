//! [`WebhookReceiverBuilder`]: every setting of a receiver, with its default, and the checks before it listens.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::WebhookReceiver;
use super::acceptor::{self, Standing};
use super::connection::Ways;
use super::counts::Counts;
use super::pace::Limits;
use super::router::Router;
use super::rules::Rules;
use super::secrets::Secrets;
use super::sink::Sink;
use super::site::Site;
use super::stores::Stores;
use super::tls::Identity;
use crate::error::Error;

/// Makes a [`WebhookReceiver`].
#[derive(Clone)]
pub struct WebhookReceiverBuilder {
    sink: Arc<dyn Sink>,
    router: Option<Arc<Router>>,
    bind: String,
    path: String,
    health_path: Option<String>,
    secrets: Vec<(String, SecretString)>,
    identity: Option<Identity>,
    any_content_type: bool,
    max_body: usize,
    max_connections: usize,
    header_timeout: Duration,
    body_timeout: Duration,
    idle_timeout: Duration,
    metrics_bind: Option<String>,
}

impl WebhookReceiverBuilder {
    pub(super) fn new(sink: Arc<dyn Sink>) -> Self {
        Self {
            sink,
            router: None,
            bind: "127.0.0.1:0".to_owned(),
            path: "/pico".to_owned(),
            health_path: Some("/health".to_owned()),
            secrets: Vec::new(),
            identity: None,
            any_content_type: false,
            max_body: 8 << 20,
            max_connections: 256,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            metrics_bind: None,
        }
    }

    pub(super) fn routed(router: Arc<Router>) -> Self {
        Self { router: Some(Arc::clone(&router)), ..Self::new(router) }
    }

    /// The address to listen on, such as `0.0.0.0:8080`, `[::]:8080` or `localhost:8080`. Port 0 takes a free one.
    ///
    /// Default `127.0.0.1:0`, which only this machine reaches, at a port that
    /// [`local_addr`](WebhookReceiver::local_addr) tells: right behind a reverse proxy that is told the port, and harmless
    /// everywhere.
    #[must_use]
    pub fn bind(mut self, address: impl Into<String>) -> Self {
        self.bind = address.into();
        self
    }

    /// The path of the URL that Pico posts to, exactly as it is written there. Default `/pico`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Lets in only posts with this header. Register the webhook with the same header, and Pico sends it along.
    ///
    /// Called again it lets in either: to change a secret, add the new one, register anew, then leave the old one out.
    /// Without any secret whoever reaches the port can post completions.
    #[must_use]
    pub fn secret_header(mut self, name: impl Into<String>, secret: impl Into<String>) -> Self {
        self.secrets.push((name.into(), SecretString::from(secret.into())));
        self
    }

    /// Speaks HTTPS with this certificate chain and its private key, both PEM. They are used as they are until the
    /// receiver is closed: start anew with a new certificate.
    #[must_use]
    pub fn tls_pem(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity::Pem { chain: chain.into(), key: key.into() });
        self
    }

    /// As [`tls_pem`](Self::tls_pem), from two files that are read at the start.
    #[must_use]
    pub fn tls_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some(Identity::Files { chain: chain.into(), key: key.into() });
        self
    }

    /// Takes bodies whatever their `Content-Type` says, if it says anything. The body must be JSON all the same.
    ///
    /// Pico does not document which type it sends. The default, JSON only, is what any reasonable server sends; set this
    /// if [`ReceiverCounts::refused`](super::ReceiverCounts::refused) grows with each completion.
    #[must_use]
    pub fn any_content_type(mut self) -> Self {
        self.any_content_type = true;
        self
    }

    /// The largest body, in bytes. Default 8 MiB.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// How many connections are served at a time. Default 256. Further ones wait until a place is free, and connections
    /// that are kept open without a request are closed for them.
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = count;
        self
    }

    /// How long a request's head may take, and a TLS handshake. A connection that is slower is closed. Default 10 s.
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.header_timeout = timeout;
        self
    }

    /// How long a body may take, and then the client to take the answer. Default 30 s. Storing is not part of it.
    #[must_use]
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// How long a connection is kept open for a next request. Default 60 s.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// The path that answers a GET with 200 and `{"status":"ok"}`, or with 503 and the reason why nothing can be stored.
    /// It asks for no secret, and tells nothing else. Default `/health`.
    #[must_use]
    pub fn health_path(mut self, path: impl Into<String>) -> Self {
        self.health_path = Some(path.into());
        self
    }

    /// Serves the metrics of the feed's store for Prometheus as well, on an address of their own such as `127.0.0.1:9464`:
    /// the port that posts come to is open to the world, and what a plant produces is not the world's business. See
    /// [`crate::MetricsServer`]. Default off.
    #[must_use]
    pub fn metrics_bind(mut self, address: impl Into<String>) -> Self {
        self.metrics_bind = Some(address.into());
        self
    }

    /// Serves no metrics.
    #[must_use]
    pub fn without_metrics(mut self) -> Self {
        self.metrics_bind = None;
        self
    }

    /// Answers no question of health.
    #[must_use]
    pub fn without_health_path(mut self) -> Self {
        self.health_path = None;
        self
    }

    /// Checks every setting and listens.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] naming the setting that is wrong; an address that cannot be listened on is `bind`.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(self) -> Result<WebhookReceiver, Error> {
        self.check()?;
        let secrets = Secrets::new(&self.secrets)?;
        let tls = match self.identity {
            Some(identity) => Some(identity.acceptor().await?),
            None => None,
        };
        let listener =
            TcpListener::bind(&self.bind).await.map_err(|error| cannot_listen("bind", &self.bind, error))?;
        let address = listener.local_addr().map_err(|error| cannot_listen("bind", &self.bind, error))?;
        let store = self.sink.metered();
        let metrics = match (&store, self.metrics_bind) {
            (Some(store), Some(address)) => Some(
                // The name of this setting, where an address cannot be listened on.
                store.metrics_server().bind_as("metrics_bind", address).start().await?,
            ),
            _ => None,
        };
        let counts = Arc::new(Counts::metered(store.as_ref()));
        let site = Arc::new(Site {
            rules: Rules {
                path: self.path.clone(),
                router: self.router,
                health_path: self.health_path,
                secrets,
                max_body: self.max_body,
                any_content_type: self.any_content_type,
            },
            body_timeout: self.body_timeout,
            stores: Stores::new(self.sink, Arc::clone(&counts)),
            counts,
        });
        let limits = Limits { head: self.header_timeout, answer: self.body_timeout, idle: self.idle_timeout };
        let ways = Arc::new(Ways { site: Arc::clone(&site), tls, limits });
        let standing = Arc::new(watch::Sender::new(Standing::Open));
        let serving = acceptor::serve(listener, ways, self.max_connections, Arc::clone(&standing));
        Ok(WebhookReceiver {
            address,
            path: self.path,
            site,
            standing,
            metrics,
            server: tokio::spawn(serving),
        })
    }

    fn check(&self) -> Result<(), Error> {
        check_path("path", &self.path)?;
        if let Some(health_path) = &self.health_path {
            check_path("health_path", health_path)?;
            if *health_path == self.path {
                return Err(Error::invalid(
                    "health_path",
                    "is the path that posts are taken on; give another",
                ));
            }
        }
        for (field, number) in [("max_body", self.max_body), ("max_connections", self.max_connections)] {
            if number == 0 {
                return Err(Error::invalid(field, "must be at least 1"));
            }
        }
        for (field, time) in [
            ("header_timeout", self.header_timeout),
            ("body_timeout", self.body_timeout),
            ("idle_timeout", self.idle_timeout),
        ] {
            if time.is_zero() {
                return Err(Error::invalid(field, "must be longer than zero"));
            }
        }
        Ok(())
    }
}

fn check_path(field: &str, path: &str) -> Result<(), Error> {
    const MODEL: &str = "give one such as /pico";
    if !path.starts_with('/') {
        return Err(Error::invalid(field, format!("does not begin with \"/\"; {MODEL}")));
    }
    // RFC 3986, section 3.3: what a path may hold as it stands. Anything else would never match.
    match path.chars().find(|c| !(c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@%".contains(*c))) {
        None => Ok(()),
        Some(c) => Err(Error::invalid(
            field,
            format!("holds {c:?}, which stands in no URL's path; escape it with % or {MODEL}"),
        )),
    }
}

pub(crate) fn cannot_listen(field: &str, address: &str, error: io::Error) -> Error {
    const MODEL: &str = "give an address and a port such as 0.0.0.0:8080";
    let problem = match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there; give another port".to_owned(),
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; give one of its own, or 0.0.0.0 for all of them".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "the operating system forbids it; ports below 1024 often need more rights".to_owned()
        }
        io::ErrorKind::InvalidInput => format!("it is no address; {MODEL}"),
        _ => format!("{error}; {MODEL}"),
    };
    // `invalid` and not `internal`: whoever set the address is the one to act.
    Error::invalid(field, format!("cannot listen on \"{address}\": {problem}")).with_source(error)
}

impl fmt::Debug for WebhookReceiverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret_headers: Vec<&str> = self.secrets.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("WebhookReceiverBuilder")
            .field("bind", &self.bind)
            .field("path", &self.path)
            .field("secret_headers", &secret_headers)
            .field("tls", &self.identity.is_some())
            .finish_non_exhaustive()
    }
}
