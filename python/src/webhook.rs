//! The feed as the other end of Pico's webhooks: [`WebhookReceiver`] takes posts, [`WebhookKeeper`] keeps the
//! registration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use pico_erp::{Error, KeeperPolicy, WebhookReceiverBuilder, WebhookSubscribe, runtime};
use pyo3::prelude::*;

use crate::error::{invalid, raise};
use crate::feed::Running;
use crate::record;
use crate::settings::{Pem, Texts, count, limit, seconds};
use crate::slot::Slot;
use crate::time::Span;
use crate::wait::wait;

/// How long, in seconds, the end of a `with` block waits.
const CLOSING: f64 = 5.0;

/// A webhook for completed orders, unless the fragment says otherwise.
pub(crate) fn wanted(
    subscription_id: String,
    webhook_url: String,
    webhook_headers: Option<BTreeMap<String, String>>,
    response_fragment: Option<String>,
) -> WebhookSubscribe {
    let mut webhook = match response_fragment {
        Some(fragment) => WebhookSubscribe::new(subscription_id, fragment, webhook_url),
        None => WebhookSubscribe::order_completes(subscription_id, webhook_url),
    };
    webhook.webhook_headers = webhook_headers.unwrap_or_default();
    webhook
}

/// The settings of a receiver as Python gives them.
pub(crate) struct ToldReceiver {
    pub(crate) bind: String,
    pub(crate) path: String,
    pub(crate) secret_headers: Option<BTreeMap<String, Texts>>,
    pub(crate) tls_cert: Option<Pem>,
    pub(crate) tls_key: Option<Pem>,
    pub(crate) max_body: i64,
    pub(crate) any_content_type: bool,
    pub(crate) max_connections: i64,
    pub(crate) header_timeout: f64,
    pub(crate) body_timeout: f64,
    pub(crate) idle_timeout: f64,
    pub(crate) health_path: Option<String>,
    pub(crate) metrics_bind: Option<String>,
}

impl ToldReceiver {
    fn builder(self, feed: &pico_erp::Feed) -> Result<WebhookReceiverBuilder, Error> {
        let mut builder = feed
            .receiver()
            .bind(self.bind)
            .path(self.path)
            .max_body(count("max_body", self.max_body)?)
            .max_connections(count("max_connections", self.max_connections)?)
            .header_timeout(seconds("header_timeout", self.header_timeout)?)
            .body_timeout(seconds("body_timeout", self.body_timeout)?)
            .idle_timeout(seconds("idle_timeout", self.idle_timeout)?);
        for (name, secrets) in self.secret_headers.unwrap_or_default() {
            for secret in secrets.list() {
                builder = builder.secret_header(name.clone(), secret);
            }
        }
        if self.any_content_type {
            builder = builder.any_content_type();
        }
        builder = match self.health_path {
            Some(path) => builder.health_path(path),
            None => builder.without_health_path(),
        };
        if let Some(address) = self.metrics_bind {
            builder = builder.metrics_bind(address);
        }
        match (self.tls_cert, self.tls_key) {
            (None, None) => Ok(builder),
            (Some(cert), Some(key)) => Ok(builder.tls_pem(cert.read("tls_cert")?, key.read("tls_key")?)),
            (Some(_), None) => Err(Error::invalid("tls_key", "is missing; tls_cert needs it")),
            (None, Some(_)) => Err(Error::invalid("tls_cert", "is missing; tls_key needs it")),
        }
    }
}

/// An HTTP server whose posts go into a feed's inbox. Made by Feed.receiver.
///
/// A post is answered with 200 once its completion is on disk; with 401 when the secret is wrong, 4xx when it cannot be
/// used, and 503 when it could not be stored: Pico drops it then, and the catch-up query finds it. Close it before
/// the feed.
#[pyclass(module = "pico_erp", frozen)]
pub(crate) struct WebhookReceiver {
    receiver: Slot<Arc<pico_erp::WebhookReceiver>>,
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    path: String,
}

impl WebhookReceiver {
    pub(crate) fn start(py: Python<'_>, running: &Running, told: ToldReceiver) -> PyResult<Self> {
        // Reading certificates takes a while; other threads need not wait for it.
        let builder =
            py.detach(|| told.builder(running.feed.completions()?)).map_err(|error| raise(py, &error))?;
        let receiver = wait(py, None, None, builder.start())?;
        Ok(Self {
            address: receiver.local_addr(),
            metrics_address: receiver.metrics_addr(),
            path: receiver.url_path().to_owned(),
            receiver: Slot::new("webhook receiver", Arc::new(receiver)),
        })
    }
}

#[pymethods]
impl WebhookReceiver {
    /// The address it listens on and the port, such as "0.0.0.0:8443".
    #[getter]
    fn address(&self) -> String {
        self.address.to_string()
    }

    /// The port; tells which where 0 was asked for.
    #[getter]
    fn port(&self) -> u16 {
        self.address.port()
    }

    /// The address that the metrics are served at, where `metrics_bind` was given.
    #[getter]
    fn metrics_address(&self) -> Option<String> {
        self.metrics_address.map(|address| address.to_string())
    }

    /// The path that it takes posts on.
    #[getter]
    fn url_path(&self) -> &str {
        &self.path
    }

    /// How many posts it has answered, by what became of them.
    ///
    /// Raises ClosedError after close().
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let counts = self.receiver.get().map(|receiver| receiver.counts());
        record::receiver_counts(py, counts.map_err(|error| raise(py, &error))?)
    }

    /// Takes no more posts, lets those that are being received or stored finish, and ends; what is not done after `timeout`
    /// seconds is broken off. May be called again.
    ///
    /// Raises TimeoutError when something was still being stored: whether that is on disk is not known, and Pico was not
    /// told that it is.
    #[pyo3(signature = (timeout=5.0))]
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let deadline = seconds("timeout", timeout).map_err(|error| raise(py, &error))?;
        // Nobody holds on to it for longer than a call takes that does not wait.
        let Some(receiver) = self.receiver.take().and_then(Arc::into_inner) else {
            return Ok(());
        };
        wait(py, None, None, receiver.close(deadline))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (exc_type, exc, traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<Bound<'_, PyAny>>,
        exc: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = (exc_type, exc, traceback);
        self.close(py, CLOSING)
    }

    fn __repr__(&self) -> String {
        format!("WebhookReceiver({:?}, {:?})", self.address.to_string(), self.path)
    }
}

/// Keeps a webhook registered for as long as it is open; the webhook stays registered after that. Made by
/// Feed.keep_webhook.
#[pyclass(module = "pico_erp", frozen)]
pub(crate) struct WebhookKeeper {
    keeper: Slot<Arc<pico_erp::WebhookKeeper>>,
}

impl WebhookKeeper {
    pub(crate) fn start(
        py: Python<'_>,
        running: &Running,
        webhook: WebhookSubscribe,
        check_every: &Span<'_>,
        grace: &Span<'_>,
    ) -> PyResult<Self> {
        let policy = KeeperPolicy {
            check_interval: check_every.read(py, "check_every")?,
            grace: grace.read(py, "grace")?,
            ..KeeperPolicy::default()
        };
        if policy.check_interval.is_zero() {
            return Err(invalid(py, "check_every", "must be longer than zero"));
        }
        let started = runtime::handle().and_then(|runtime| {
            let _context = runtime.enter();
            running.feed.completions()?.keep_webhook(webhook, policy)
        });
        let keeper = started.map_err(|error| raise(py, &error))?;
        Ok(Self { keeper: Slot::new("webhook keeper", Arc::new(keeper)) })
    }
}

#[pymethods]
impl WebhookKeeper {
    /// Checks the registration now, and returns when that is done. The feed's notices tell what was found.
    ///
    /// Raises TimeoutError after `timeout` seconds, ClosedError after close().
    #[pyo3(signature = (timeout=None))]
    fn check_now(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let prepared = self.keeper.get().and_then(|keeper| Ok((keeper, limit("timeout", timeout)?)));
        let (keeper, limit) = prepared.map_err(|error| raise(py, &error))?;
        wait(py, limit, None, async {
            keeper.check_now().await;
            Ok(())
        })
    }

    /// Ends it, after the check that is under way, if there is one. May be called again.
    ///
    /// Raises TimeoutError when that check took longer than `timeout` seconds and was broken off. The webhook may be
    /// unregistered then, which the next start mends.
    #[pyo3(signature = (timeout=5.0))]
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let deadline = seconds("timeout", timeout).map_err(|error| raise(py, &error))?;
        // Another thread may be waiting for a check: then it ends with that wait.
        let Some(keeper) = self.keeper.take().and_then(Arc::into_inner) else {
            return Ok(());
        };
        wait(py, None, None, keeper.close(deadline))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (exc_type, exc, traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<Bound<'_, PyAny>>,
        exc: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = (exc_type, exc, traceback);
        self.close(py, CLOSING)
    }
}
