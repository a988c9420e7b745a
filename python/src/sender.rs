//! [`BaseOutboxSender`]: the native end of a sender. The Python half wraps it in `OutboxSender`, which adds the thread that
//! tells of settled orders.

use std::sync::Arc;
use std::time::Duration;

use pico_erp::runtime::{self, Cancel};
use pico_erp::{Backoff, Client, Error, OutboxEntry};
use pyo3::prelude::*;
use tokio::sync::{Mutex, mpsc};

use crate::client::Closes;
use crate::error::{closed, raise};
use crate::outbox::Outbox;
use crate::place::{OwnStore, Place};
use crate::record;
use crate::settings::{count, limit, seconds};
use crate::slot::Slot;
use crate::time::Span;
use crate::wait::wait;

/// How many settled orders may wait for the thread that tells of them; then the sender waits.
const QUEUE: usize = 256;

/// The settings of a sender as Python gives them.
pub(crate) struct ToldSender<'py> {
    pub(crate) batch: i64,
    pub(crate) concurrency: i64,
    pub(crate) backoff: f64,
    pub(crate) backoff_max: f64,
    pub(crate) retry_after_max: Span<'py>,
    /// Whether settled orders are told of.
    pub(crate) tell: bool,
}

/// A sender that runs, and the store where it is the sender's own.
pub(crate) struct Sending {
    sender: pico_erp::OutboxSender,
    own_store: OwnStore,
    /// Nobody is told of settled orders any more: whoever waits to tell of one goes on.
    silenced: Cancel,
}

impl Sending {
    async fn end(&self, grace: Duration) {
        // What has no answer in time is sent again by the next sender.
        let _ = self.sender.close(grace).await;
        self.silenced.cancel();
        self.own_store.close().await;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.silenced.cancel();
    }
}

impl Closes for Sending {
    fn close(&self) {
        // An error would be a fork, and then there is nothing to end.
        let end = async {
            self.end(Duration::ZERO).await;
            Ok(())
        };
        let _ = runtime::block_on(end, None, None);
    }
}

/// A running sender, as the Python half sees it. Not for direct use: see pico_erp.OutboxSender.
#[pyclass(module = "pico_erp._native", frozen)]
pub(crate) struct BaseOutboxSender {
    sending: Slot<Arc<Sending>>,
    settled: Slot<mpsc::Receiver<OutboxEntry>>,
}

impl BaseOutboxSender {
    /// Opens the store where it is given by its path, and starts to send.
    pub(crate) fn start(
        py: Python<'_>,
        client: &Client,
        place: Place<'_>,
        told: &ToldSender<'_>,
    ) -> PyResult<(Self, Arc<Sending>)> {
        let retry_after_max = told.retry_after_max.read(py, "retry_after_max")?;
        let settings = || -> Result<(usize, usize, Backoff), Error> {
            let backoff = Backoff {
                base: seconds("backoff", told.backoff)?,
                cap: seconds("backoff_max", told.backoff_max)?,
            };
            Ok((count("batch", told.batch)?, count("concurrency", told.concurrency)?, backoff))
        };
        let (batch, concurrency, backoff) = settings().map_err(|error| raise(py, &error))?;
        let (queue, settled) = mpsc::channel::<OutboxEntry>(QUEUE);
        let silenced = Cancel::new();
        let on_settled = told.tell.then(|| {
            let silenced = silenced.clone();
            // Called on a thread where it may block.
            let tell = move |entry: &OutboxEntry| {
                let tell = async {
                    tokio::select! {
                        biased;
                        () = silenced.cancelled() => {}
                        // An error means that nobody listens.
                        _ = queue.send(entry.clone()) => {}
                    }
                    Ok(())
                };
                let _ = runtime::block_on(tell, None, None);
            };
            Arc::new(tell) as pico_erp::OnSettled
        });
        let (sender, own_store) = place.start(py, |store| async move {
            let mut builder = pico_erp::OutboxSender::builder(client, &store)
                .batch(batch)
                .concurrency(concurrency)
                .backoff(backoff)
                .retry_after_ceiling(retry_after_max);
            if let Some(on_settled) = on_settled {
                builder = builder.on_settled(on_settled);
            }
            builder.start().await
        })?;
        let sending = Arc::new(Sending { sender, own_store, silenced });
        let sender = Self {
            sending: Slot::new("sender", Arc::clone(&sending)),
            settled: Slot::new("sender", settled),
        };
        Ok((sender, sending))
    }

    fn sending(&self, py: Python<'_>) -> PyResult<Arc<Sending>> {
        self.sending.get().map_err(|error| raise(py, &error))
    }
}

#[pymethods]
impl BaseOutboxSender {
    /// The outbox that is being sent.
    fn outbox(&self, py: Python<'_>) -> PyResult<Outbox> {
        Ok(Outbox::new(self.sending(py)?.sender.outbox().clone()))
    }

    /// How it is doing.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let sending = self.sending(py)?;
        let status = wait(py, None, None, sending.sender.status())?;
        record::outbox_status(py, status)
    }

    /// Waits until nothing is to be sent any more.
    ///
    /// Raises TimeoutError after `timeout` seconds, ClosedError when the sender ends first.
    #[pyo3(signature = (timeout=None))]
    fn drained(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let sending = self.sending(py)?;
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        wait(py, limit, None, sending.sender.drained())
    }

    /// The orders that are settled, one after the other. There is one reader: the second call raises ClosedError.
    fn settled(&self, py: Python<'_>) -> PyResult<OutboxSettled> {
        self.sending(py)?;
        let settled = self.settled.take().ok_or_else(|| raise(py, &closed("sender")))?;
        Ok(OutboxSettled { settled: Slot::new("sender", Arc::new(Mutex::new(settled))) })
    }

    /// Sends nothing new, and waits up to `grace` seconds for the requests under way, and with `tell` until all that is
    /// settled is on its way to who tells of it. Does nothing in a forked child.
    #[pyo3(signature = (grace, tell))]
    fn close(&self, py: Python<'_>, grace: f64, tell: bool) -> PyResult<()> {
        let grace = seconds("grace", grace).map_err(|error| raise(py, &error))?;
        if runtime::check_process().is_err() {
            return Ok(());
        }
        let sending = self.sending(py)?;
        if !tell {
            sending.silenced.cancel();
        }
        wait(py, None, None, async {
            sending.end(grace).await;
            Ok(())
        })
    }
}

/// The orders that a sender settles. Not for direct use: see the `on_settled` of pico_erp.Client.outbox.
#[pyclass(module = "pico_erp._native", frozen)]
pub(crate) struct OutboxSettled {
    settled: Slot<Arc<Mutex<mpsc::Receiver<OutboxEntry>>>>,
}

#[pymethods]
impl OutboxSettled {
    /// Waits for the next one; None when the sender has ended.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let settled = self.settled.get().map_err(|error| raise(py, &error))?;
        let entry = wait(py, None, None, async { Ok(settled.lock().await.recv().await) })?;
        entry.map(|entry| record::order(py, entry)).transpose()
    }
}
