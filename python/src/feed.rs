//! [`BaseFeed`]: the native end of a feed. The Python half wraps it in `Feed`, which adds iteration and the thread that
//! tells notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pico_erp::{Backoff, Error, ErrorKind, FeedNotices, FeedPolicy, FeedStart, runtime};
use pyo3::prelude::*;
use pyo3::types::PyDateTime;
use tokio::sync::Mutex;

use crate::client::Closes;
use crate::delivery;
use crate::error::{invalid, raise};
use crate::inbox::Inbox;
use crate::place::{OwnStore, Place};
use crate::record;
use crate::settings::{Pem, Texts, count, limit, seconds};
use crate::slot::Slot;
use crate::subject::{AnyFeed, whichever};
use crate::time::{Span, instant};
use crate::wait::wait;
use crate::webhook::{ToldReceiver, WebhookKeeper, WebhookReceiver, wanted};

/// The store needs a while to look once. With a time-out shorter than that, nothing would ever be found.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Where to begin.
#[derive(FromPyObject)]
pub(crate) enum Start<'py> {
    Name(String),
    At(Bound<'py, PyDateTime>),
}

/// The settings of a feed as Python gives them.
pub(crate) struct Told<'py> {
    pub(crate) start: Start<'py>,
    pub(crate) live: bool,
    pub(crate) catch_up_every: Span<'py>,
    pub(crate) overlap: Span<'py>,
    pub(crate) visible: Span<'py>,
    pub(crate) max_attempts: i64,
    pub(crate) backoff: f64,
    pub(crate) backoff_max: f64,
}

impl Told<'_> {
    pub(crate) fn policy(&self, py: Python<'_>) -> PyResult<FeedPolicy> {
        let backoff = || {
            Ok(Backoff {
                base: seconds("backoff", self.backoff)?,
                cap: seconds("backoff_max", self.backoff_max)?,
            })
        };
        Ok(FeedPolicy {
            start: self.start(py)?,
            live: self.live,
            catch_up_every: self.catch_up_every.read(py, "catch_up_every")?,
            catch_up_overlap: self.overlap.read(py, "overlap")?,
            backoff: backoff().map_err(|error: Error| raise(py, &error))?,
            visible: self.visible.read(py, "visible")?,
            max_attempts: count("max_attempts", self.max_attempts).map_err(|error| raise(py, &error))?,
        })
    }

    fn start(&self, py: Python<'_>) -> PyResult<FeedStart> {
        match &self.start {
            Start::At(datetime) => Ok(FeedStart::Since(instant::<Timestamp>("start", datetime)?)),
            Start::Name(name) => match name.as_str() {
                "beginning" => Ok(FeedStart::Beginning),
                "now" => Ok(FeedStart::Now),
                other => {
                    let model = "give \"beginning\", \"now\" or a datetime";
                    Err(invalid(py, "start", &format!("is \"{other}\"; {model}")))
                }
            },
        }
    }
}

/// A feed that runs, and the store where it is the feed's own.
pub(crate) struct Running {
    pub(crate) feed: AnyFeed,
    own_store: OwnStore,
}

impl Running {
    /// Opens the store where it is given by its path, and starts the feed.
    pub(crate) fn start<F>(
        py: Python<'_>,
        place: Place<'_>,
        start: impl FnOnce(pico_erp::Store) -> F + Send,
    ) -> PyResult<Self>
    where
        F: Future<Output = Result<AnyFeed, Error>> + Send,
    {
        let (feed, own_store) = place.start(py, start)?;
        Ok(Self { feed, own_store })
    }

    async fn end(&self, grace: Duration) {
        whichever!(&self.feed, feed => feed.close(grace).await);
        self.own_store.close().await;
    }
}

impl Closes for Running {
    fn close(&self) {
        // An error would be a fork, and then there is nothing to end.
        let end = async {
            self.end(Duration::ZERO).await;
            Ok(())
        };
        let _ = runtime::block_on(end, None, None);
    }
}

/// A running feed, as the Python half sees it. Not for direct use: see pico_erp.Feed.
#[pyclass(module = "pico_erp._native", frozen)]
pub(crate) struct BaseFeed {
    running: Slot<Arc<Running>>,
}

impl BaseFeed {
    pub(crate) fn new(running: Arc<Running>) -> Self {
        Self { running: Slot::new("feed", running) }
    }

    pub(crate) fn running(&self, py: Python<'_>) -> PyResult<Arc<Running>> {
        self.running.get().map_err(|error| raise(py, &error))
    }
}

#[pymethods]
impl BaseFeed {
    /// Waits for the next completion; None when the feed is closed.
    ///
    /// Raises TimeoutError after `timeout` seconds, StoreError for what no waiting mends.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Py<PyAny>>> {
        let running = self.running(py)?;
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        let limit = limit.map(|limit| limit.max(LOOK));
        let delivery = wait(py, limit, None, async { running.feed.next().await.transpose() })?;
        delivery.map(|delivery| delivery::object(py, delivery)).transpose()
    }

    /// Waits until nothing that happens from now on can be missed.
    ///
    /// Raises TimeoutError after `timeout` seconds, ClosedError when the feed is closed.
    #[pyo3(signature = (timeout=None))]
    fn opened(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let running = self.running(py)?;
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        wait(py, limit, None, async { whichever!(&running.feed, feed => feed.opened().await) })
    }

    /// Asks Pico now for what the live sources missed. Returns at once.
    fn catch_up(&self, py: Python<'_>) -> PyResult<()> {
        whichever!(&self.running(py)?.feed, feed => feed.catch_up());
        Ok(())
    }

    /// Where the feed stands.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let running = self.running(py)?;
        let status = wait(py, None, None, async { whichever!(&running.feed, feed => feed.status().await) })?;
        record::status(py, status)
    }

    /// News of the feed from now on.
    fn notices(&self, py: Python<'_>) -> PyResult<Notices> {
        let notices = whichever!(&self.running(py)?.feed, feed => feed.notices());
        Ok(Notices { notices: Slot::new("feed", Arc::new(Mutex::new(notices))) })
    }

    /// The completions, or the notes, in the store.
    fn inbox(&self, py: Python<'_>) -> PyResult<Inbox> {
        Ok(whichever!(&self.running(py)?.feed, feed => Inbox::new(feed.store().inbox())))
    }

    /// Starts an HTTP server whose posts go into this feed's inbox.
    #[pyo3(
        signature = (
            bind="127.0.0.1:0".to_owned(), path="/pico".to_owned(), *, secret_headers=None, tls_cert=None,
            tls_key=None, max_body=8 << 20, any_content_type=false, max_connections=256, header_timeout=10.0,
            body_timeout=30.0, idle_timeout=60.0, health_path=Some("/health".to_owned()),
            metrics_bind=None
        ),
        text_signature = "($self, bind='127.0.0.1:0', path='/pico', *, secret_headers=None, tls_cert=None, \
            tls_key=None, max_body=8388608, any_content_type=False, max_connections=256, header_timeout=10.0, \
            body_timeout=30.0, idle_timeout=60.0, health_path='/health', metrics_bind=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn receiver(
        &self,
        py: Python<'_>,
        bind: String,
        path: String,
        secret_headers: Option<BTreeMap<String, Texts>>,
        tls_cert: Option<Pem>,
        tls_key: Option<Pem>,
        max_body: i64,
        any_content_type: bool,
        max_connections: i64,
        header_timeout: f64,
        body_timeout: f64,
        idle_timeout: f64,
        health_path: Option<String>,
        metrics_bind: Option<String>,
    ) -> PyResult<WebhookReceiver> {
        let told = ToldReceiver {
            bind,
            path,
            secret_headers,
            tls_cert,
            tls_key,
            max_body,
            any_content_type,
            max_connections,
            header_timeout,
            body_timeout,
            idle_timeout,
            health_path,
            metrics_bind,
        };
        WebhookReceiver::start(py, &*self.running(py)?, told)
    }

    /// Keeps a webhook registered with Pico for as long as the keeper is held.
    #[pyo3(
        signature = (
            subscription_id, webhook_url, webhook_headers=None, response_fragment=None, *,
            check_every=Span::Seconds(60.0), grace=Span::Seconds(60.0)
        ),
        text_signature = "($self, subscription_id, webhook_url, webhook_headers=None, response_fragment=None, *, \
            check_every=60.0, grace=60.0)"
    )]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn keep_webhook(
        &self,
        py: Python<'_>,
        subscription_id: String,
        webhook_url: String,
        webhook_headers: Option<BTreeMap<String, String>>,
        response_fragment: Option<String>,
        check_every: Span<'_>,
        grace: Span<'_>,
    ) -> PyResult<WebhookKeeper> {
        let webhook = wanted(subscription_id, webhook_url, webhook_headers, response_fragment);
        WebhookKeeper::start(py, &*self.running(py)?, webhook, &check_every, &grace)
    }

    /// Ends the feed, and waits up to `grace` seconds for completions in consumers' hands to be answered. Does nothing in
    /// a forked child.
    #[pyo3(signature = (grace=0.0))]
    fn close(&self, py: Python<'_>, grace: f64) -> PyResult<()> {
        let grace = seconds("grace", grace).map_err(|error| raise(py, &error))?;
        if runtime::check_process().is_err() {
            return Ok(());
        }
        let running = self.running(py)?;
        wait(py, None, None, async {
            running.end(grace).await;
            Ok(())
        })
    }
}

/// The notices of a feed from the moment it was asked for them: an iterator that ends with the feed.
///
/// A reader that is far behind (256 notices) misses the oldest: they are news, not a journal.
#[pyclass(module = "pico_erp", name = "FeedNotices", frozen)]
pub(crate) struct Notices {
    notices: Slot<Arc<Mutex<FeedNotices>>>,
}

impl Notices {
    fn wait_next<'py>(
        &self,
        py: Python<'py>,
        limit: Option<Duration>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let notices = self.notices.get().map_err(|error| raise(py, &error))?;
        let notice = wait(py, limit, None, async { Ok(notices.lock().await.next().await) })?;
        notice.map(|notice| record::notice(py, notice)).transpose()
    }
}

#[pymethods]
impl Notices {
    /// Waits for the next notice.
    ///
    /// Raises TimeoutError after `timeout` seconds, ClosedError when the feed is closed.
    #[pyo3(signature = (timeout=None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        let closed = || raise(py, &Error::new(ErrorKind::Closed, "the feed is closed"));
        self.wait_next(py, limit)?.ok_or_else(closed)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.wait_next(py, None)
    }
}
