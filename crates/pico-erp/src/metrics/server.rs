//! [`MetricsServer`]: the metrics over HTTP, for Prometheus and for whoever restarts programs that are not well.
//!
//! It is not the webhook receiver's port on purpose: that one is open to the world. It asks for no secret, answers two
//! questions, and closes each connection after one.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::exposition;
use crate::error::Error;
use crate::receiver::cannot_listen;
use crate::store::{Durability, Store};

/// How many are answered at a time; more wait.
const CONNECTIONS: usize = 16;
/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection may take in all, the store's answer included.
const WHOLE: Duration = Duration::from_secs(30);
/// How long the store may take before it counts as not well. Below the 10 s that Prometheus waits by default.
const STORE: Duration = Duration::from_secs(5);
/// After the operating system gave no connection.
const PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<Full<Bytes>>;

/// Settings of a [`MetricsServer`].
#[derive(Debug, Clone)]
#[must_use]
pub struct MetricsServerBuilder {
    store: Store,
    field: &'static str,
    bind: String,
}

impl Store {
    /// Starts building an HTTP server for the metrics of this store.
    pub fn metrics_server(&self) -> MetricsServerBuilder {
        MetricsServerBuilder { store: self.clone(), field: "bind", bind: "127.0.0.1:0".to_owned() }
    }
}

impl MetricsServerBuilder {
    /// The address to listen on, such as `127.0.0.1:9464`. Port 0 takes a free one. Default `127.0.0.1:0`.
    ///
    /// It asks nobody for a secret: listen where only those come who may know how much a plant produces.
    pub fn bind(self, address: impl Into<String>) -> Self {
        self.bind_as("bind", address)
    }

    /// The same, for a setting that has another name.
    pub(crate) fn bind_as(mut self, field: &'static str, address: impl Into<String>) -> Self {
        (self.field, self.bind) = (field, address.into());
        self
    }

    /// Listens, on the tokio runtime that this is called in.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when the address cannot be listened on.
    pub async fn start(self) -> Result<MetricsServer, Error> {
        let failed = |error| cannot_listen(self.field, &self.bind, error);
        let listener = TcpListener::bind(&self.bind).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(MetricsServer { address, server: tokio::spawn(serve(listener, self.store)) })
    }
}

/// Serves the metrics of a store over HTTP, until it is closed or dropped.
///
/// | GET | answer |
/// |---|---|
/// | `/metrics` | 200 and [`crate::MetricsSnapshot::to_prometheus`], also when the store does not answer: `pico_erp_store_up` is 0 then |
/// | `/healthz` | 200 and `{"status":"ok"}` when the store answers, 503 and the kind of the error when not |
pub struct MetricsServer {
    address: SocketAddr,
    /// Owns the listener and every connection.
    server: JoinHandle<()>,
}

impl MetricsServer {
    /// The address it listens on; tells the port where 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, with whatever it is answering. The port is free when this returns.
    pub async fn close(mut self) {
        self.server.abort();
        // It was aborted, so this is no wait to speak of.
        let _ = (&mut self.server).await;
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl fmt::Debug for MetricsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsServer").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn serve(listener: TcpListener, store: Store) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    // Nobody closes the semaphore.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = loop {
            match listener.accept().await {
                Ok((stream, _)) => break stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection for metrics cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        // Those that have ended since.
        while connections.try_join_next().is_some() {}
        let store = store.clone();
        connections.spawn(async move {
            // Who does not read the answer is left.
            let _ = timeout(WHOLE, speak(stream, store)).await;
            drop(place);
        });
    }
}

async fn speak(stream: TcpStream, store: Store) {
    let service = service_fn(|request: Request<Incoming>| {
        let store = store.clone();
        async move { Ok::<_, Infallible>(answer(&request, &store).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection for metrics ended");
    }
}

async fn answer<B>(request: &Request<B>, store: &Store) -> Answer {
    let path = request.uri().path();
    if !matches!(path, "/metrics" | "/healthz") {
        return plain(StatusCode::NOT_FOUND, "text/plain", "there are /metrics and /healthz\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "this path takes GET only\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    if path == "/metrics" {
        let metrics = store.metrics_within(STORE).await;
        return plain(StatusCode::OK, exposition::CONTENT_TYPE, metrics.to_prometheus());
    }
    let asked = timeout(STORE, store.run(Durability::Process, |_| Ok(()))).await;
    let unwell = match asked {
        Ok(Ok(())) => None,
        // The kind alone: the message has the path of the file.
        Ok(Err(error)) => Some(error.kind().name()),
        Err(_) => Some(crate::ErrorKind::Timeout.name()),
    };
    match unwell {
        None => plain(StatusCode::OK, "application/json", r#"{"status":"ok"}"#),
        Some(kind) => {
            let body = serde_json::json!({ "status": "unavailable", "reason": kind });
            plain(StatusCode::SERVICE_UNAVAILABLE, "application/json", body.to_string())
        }
    }
}

fn plain(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
