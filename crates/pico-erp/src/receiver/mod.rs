//! [`WebhookReceiver`]: the HTTP end that Pico's webhooks POST to.
//!
//! It listens, lets in who knows the secret, hands each payload to a [`Sink`], and answers 2xx once the sink has it on
//! disk and not before: Pico takes any 2xx as delivered and never sends again. What a payload means is not known here.
//! The feed makes a receiver and is its sink.
//!
//! [`rules`], [`payload`], [`pace`] and [`secrets`] decide without a socket or a clock. `acceptor` owns the connections,
//! `connection` is one of them, `site` answers its requests, `stores` owns what is being stored.

mod acceptor;
mod answer;
mod builder;
mod connection;
mod counts;
mod pace;
mod payload;
mod router;
mod rules;
mod secrets;
mod sink;
mod site;
mod stores;
#[cfg(test)]
mod tests;
mod timed_io;
mod tls;

pub use builder::WebhookReceiverBuilder;
pub(crate) use builder::cannot_listen;
pub(crate) use counts::Counted;
pub use counts::ReceiverCounts;
pub(crate) use router::{OpenDoor, Router};
pub(crate) use sink::Sink;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::{Error, ErrorKind};
use crate::metrics::MetricsServer;
use acceptor::Standing;
use site::Site;

/// A running receiver of webhook posts. Dropping it ends it at once, with what is being stored;
/// [`WebhookReceiver::close`] lets that finish.
///
/// It answers a post to its path with:
///
/// | status | when |
/// |---|---|
/// | 200 and `{}` | every event of the body is on disk |
/// | 400 | the body is no JSON object and no list of them, or was broken off |
/// | 401 | the secret is missing or wrong; the body is not read |
/// | 404, 405 | another path, another method |
/// | 408 | the body took too long |
/// | 413 | the body is larger than the limit |
/// | 415 | the content is not JSON, or is compressed |
/// | 500 | storing failed in a way that must not happen |
/// | 503 with `Retry-After` | the event could not be stored; Pico drops it then, and the catch-up query finds it |
///
/// A client that hangs up before the answer stops nothing: what has been received whole is stored.
pub struct WebhookReceiver {
    address: SocketAddr,
    path: String,
    site: Arc<Site>,
    standing: Arc<watch::Sender<Standing>>,
    /// Serves the metrics, where that was asked for.
    metrics: Option<MetricsServer>,
    /// Owns the listener and every connection.
    server: JoinHandle<()>,
}

impl WebhookReceiver {
    /// Starts building a receiver that hands payloads to `sink`.
    pub(crate) fn builder(sink: Arc<dyn Sink>) -> WebhookReceiverBuilder {
        WebhookReceiverBuilder::new(sink)
    }

    /// Starts building a receiver with a path for each door of `router`.
    pub(crate) fn routed(router: Arc<Router>) -> WebhookReceiverBuilder {
        WebhookReceiverBuilder::routed(router)
    }

    /// The address it listens on; tells the port where 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The address that the metrics are served on, where that was
    /// [asked for](WebhookReceiverBuilder::metrics_bind).
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(MetricsServer::local_addr)
    }

    /// The path that it takes posts on.
    #[must_use]
    pub fn url_path(&self) -> &str {
        &self.path
    }

    /// What it has answered since it was started.
    #[must_use]
    pub fn counts(&self) -> ReceiverCounts {
        self.site.counts.snapshot()
    }

    /// Takes no more posts, lets those that are being received or stored finish, and ends. Connections without a request
    /// are closed at once; what is not done after `deadline` is broken off.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when something was still being stored: whether those events are on disk is not known, and
    /// Pico was not told that they are.
    pub async fn close(mut self, deadline: Duration) -> Result<(), Error> {
        self.standing.send_replace(Standing::Closing);
        if timeout(deadline, &mut self.server).await.is_ok() {
            return Ok(());
        }
        let unfinished = self.site.stores.unfinished();
        self.end();
        // It was aborted, so this is no wait to speak of.
        let _ = (&mut self.server).await;
        match unfinished {
            0 => Ok(()),
            count => Err(Error::new(
                ErrorKind::Timeout,
                format!("{count} webhook posts were still being stored after {deadline:?}"),
            )),
        }
    }

    fn end(&self) {
        self.server.abort();
        self.site.stores.abort();
    }
}

impl Drop for WebhookReceiver {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for WebhookReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookReceiver")
            .field("address", &self.address)
            .field("path", &self.path)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
