//! Subscriptions: opened for a stream, read by callback or by [`crate::taking`], closed, freed.

use std::ffi::c_char;
use std::mem::MaybeUninit;
#[cfg(unix)]
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use pico_erp::{
    Error, ErrorKind, Json, NoteEvent, Operation, OrderComplete, SubOperation, Subscription, runtime,
};

use crate::call::limit;
use crate::callback::{EventCallback, pico_event_callback_t, pico_events_callback_t};
use crate::client::{ClientInner, pico_client_t};
use crate::dispatch::{self, Dispatch};
use crate::error::pico_error_t;
use crate::event::pico_event_t;
use crate::execute::request_of;
use crate::guard::{self, ErrorOut};
use crate::input::required;
use crate::lifecycle::{Child, Lifecycle, deadline};
use crate::notes::{note_filter, pico_note_filter_t};
use crate::queries::{
    operation_filter, order_complete_filter, pico_operation_filter_t, pico_order_complete_filter_t,
    pico_sub_operation_filter_t, sub_operation_filter,
};
use crate::returns::{ReturnNothing, ReturnStatus};

/// A live stream. It connects again by itself until it ends, is closed or is freed. Thread-safe.
pub struct pico_subscription_t {
    inner: Arc<SubscriptionInner>,
}

/// A stream of the core's, whatever it carries.
pub(crate) enum Source {
    Operations(Subscription<Operation>),
    SubOperations(Subscription<SubOperation>),
    OrderCompletes(Subscription<OrderComplete>),
    Notes(Subscription<NoteEvent>),
    Data(Subscription<Json>),
}

impl Source {
    /// The next event; `None` after the end.
    pub(crate) async fn next(&self) -> Option<pico_event_t> {
        loop {
            let event = match self {
                Self::Operations(stream) => pico_event_t::new(stream.next_notification().await?),
                Self::SubOperations(stream) => pico_event_t::new(stream.next_notification().await?),
                Self::OrderCompletes(stream) => pico_event_t::new(stream.next_notification().await?),
                Self::Notes(stream) => pico_event_t::new(stream.next_notification().await?),
                Self::Data(stream) => pico_event_t::new(stream.next_notification().await?),
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// The next event if one is there already.
    pub(crate) fn try_next(&self) -> Option<pico_event_t> {
        loop {
            let event = match self {
                Self::Operations(stream) => pico_event_t::new(stream.try_next_notification()?),
                Self::SubOperations(stream) => pico_event_t::new(stream.try_next_notification()?),
                Self::OrderCompletes(stream) => pico_event_t::new(stream.try_next_notification()?),
                Self::Notes(stream) => pico_event_t::new(stream.try_next_notification()?),
                Self::Data(stream) => pico_event_t::new(stream.try_next_notification()?),
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// An event and those that are there behind it, `most` in all at most.
    pub(crate) fn fill(&self, first: pico_event_t, most: usize) -> Vec<pico_event_t> {
        let mut all = vec![first];
        while all.len() < most {
            let Some(event) = self.try_next() else { break };
            all.push(event);
        }
        all
    }

    /// A descriptor that is readable while there is something to take.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Result<RawFd, Error> {
        let descriptor = match self {
            Self::Operations(stream) => stream.descriptor(),
            Self::SubOperations(stream) => stream.descriptor(),
            Self::OrderCompletes(stream) => stream.descriptor(),
            Self::Notes(stream) => stream.descriptor(),
            Self::Data(stream) => stream.descriptor(),
        };
        descriptor.map(|descriptor| descriptor.as_raw_fd())
    }

    async fn opened(&self) -> Result<(), Error> {
        match self {
            Self::Operations(stream) => stream.opened().await,
            Self::SubOperations(stream) => stream.opened().await,
            Self::OrderCompletes(stream) => stream.opened().await,
            Self::Notes(stream) => stream.opened().await,
            Self::Data(stream) => stream.opened().await,
        }
    }

    fn close(&self) {
        match self {
            Self::Operations(stream) => stream.close(),
            Self::SubOperations(stream) => stream.close(),
            Self::OrderCompletes(stream) => stream.close(),
            Self::Notes(stream) => stream.close(),
            Self::Data(stream) => stream.close(),
        }
    }
}

/// What the handle, the delivery and the client share.
pub(crate) struct SubscriptionInner {
    pub(crate) source: Source,
    pub(crate) lifecycle: Lifecycle,
    by_callback: AtomicBool,
    /// Keeps the client's settings and connections for as long as the subscription.
    _client: Arc<ClientInner>,
}

impl pico_subscription_t {
    /// The inside of a subscription that must be there and have no callback.
    pub(crate) fn pulled(subscription: Option<&Self>) -> Result<&Arc<SubscriptionInner>, Error> {
        let inner = &required("subscription", subscription)?.inner;
        if inner.by_callback.load(Ordering::SeqCst) { Err(delivers()) } else { Ok(inner) }
    }
}

fn delivers() -> Error {
    Error::invalid("subscription", "delivers to a callback; open it with NULL to pull")
}

impl SubscriptionInner {
    fn end_now(&self) {
        self.lifecycle.end();
        self.source.close();
    }
}

impl Child for SubscriptionInner {
    fn end(&self) {
        self.end_now();
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<(), Error> {
        self.lifecycle.wait(deadline)
    }
}

impl Dispatch for SubscriptionInner {
    type Item = pico_event_t;
    type Callback = EventCallback;

    fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    async fn next(&self) -> Option<pico_event_t> {
        self.source.next().await
    }

    /// Calls for one event and for those that are ready behind it.
    fn call(&self, callback: &EventCallback, first: pico_event_t) -> bool {
        let mut next = Some(first);
        while let Some(event) = next {
            let batch = self.source.fill(event, callback.most());
            if self.lifecycle.is_ending() || !callback.call(&batch) {
                return false;
            }
            // At the end there is none either; the task finds that out itself.
            next = self.source.try_next();
        }
        true
    }

    fn end(&self) {
        self.end_now();
    }
}

impl Drop for pico_subscription_t {
    fn drop(&mut self) {
        self.inner.end_now();
    }
}

/// What every function that opens a stream does.
fn open(
    client: Option<&pico_client_t>,
    callback: Option<&pico_event_callback_t>,
    out: Option<&mut MaybeUninit<*mut pico_subscription_t>>,
    error: ErrorOut<'_>,
    source: impl FnOnce(&pico_erp::Client) -> Result<Source, Error>,
) -> ReturnStatus {
    guard::status(error, || {
        let client = pico_client_t::open(client)?;
        let out = required("subscription", out)?;
        let function = callback.map(pico_event_callback_t::function).transpose()?;
        let runtime = runtime::handle()?;
        let _entered = runtime.enter();
        let inner = Arc::new(SubscriptionInner {
            source: source(&client.core)?,
            lifecycle: Lifecycle::default(),
            by_callback: AtomicBool::new(callback.is_some()),
            _client: Arc::clone(client),
        });
        let child: Arc<dyn Child> = inner.clone();
        client.adopt(&child)?;
        match callback.zip(function) {
            Some((callback, function)) => {
                runtime.spawn(dispatch::run(Arc::clone(&inner), callback.take(function)));
            }
            // Nothing calls back, so there is nothing to wait for.
            None => inner.lifecycle.finish(),
        }
        out.write(Box::into_raw(Box::new(pico_subscription_t { inner })));
        Ok(())
    })
}

/// Streams operations as they are created or changed. `filter` may be NULL for all. With a `callback`
/// events are delivered to it, possibly before this function has returned, and on PICO_OK the library owns
/// its user_data; with NULL they are taken by pico_subscription_next() and its like, or delivered by
/// pico_subscription_deliver_batches(). Failures to connect are events, not failures of this function, which
/// never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_operations_stream(
    client: Option<&pico_client_t>,
    filter: *const pico_operation_filter_t,
    callback: Option<&pico_event_callback_t>,
    subscription: Option<&mut MaybeUninit<*mut pico_subscription_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    open(client, callback, subscription, error, |client| {
        // SAFETY: a filter or NULL, by the header.
        Ok(Source::Operations(client.operations_stream(&unsafe { operation_filter(filter) }?)?))
    })
}

/// Streams changes of the product structure. As pico_client_operations_stream().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_sub_operations_stream(
    client: Option<&pico_client_t>,
    filter: *const pico_sub_operation_filter_t,
    callback: Option<&pico_event_callback_t>,
    subscription: Option<&mut MaybeUninit<*mut pico_subscription_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    open(client, callback, subscription, error, |client| {
        // SAFETY: a filter or NULL, by the header.
        Ok(Source::SubOperations(client.sub_operations_stream(&unsafe { sub_operation_filter(filter) }?)?))
    })
}

/// Streams completed orders. As pico_client_operations_stream().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_order_completes_stream(
    client: Option<&pico_client_t>,
    filter: *const pico_order_complete_filter_t,
    callback: Option<&pico_event_callback_t>,
    subscription: Option<&mut MaybeUninit<*mut pico_subscription_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    open(client, callback, subscription, error, |client| {
        // SAFETY: a filter or NULL, by the header.
        Ok(Source::OrderCompletes(client.order_completes_stream(&unsafe { order_complete_filter(filter) }?)?))
    })
}

/// Streams operators' notes. Older Picos do not have this stream and refuse it. As
/// pico_client_operations_stream().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_note_events_stream(
    client: Option<&pico_client_t>,
    filter: *const pico_note_filter_t,
    callback: Option<&pico_event_callback_t>,
    subscription: Option<&mut MaybeUninit<*mut pico_subscription_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    open(client, callback, subscription, error, |client| {
        // SAFETY: a filter or NULL, by the header.
        Ok(Source::Notes(client.note_events_stream(&unsafe { note_filter(filter) }?)?))
    })
}

/// Streams any subscription document; each event is PICO_EVENT_DATA, the "data" of one result. It ends when
/// the server completes it. The document's arguments are as in pico_client_execute(), all else as in
/// pico_client_operations_stream().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_subscribe(
    client: Option<&pico_client_t>,
    query: *const c_char,
    query_len: usize,
    variables_json: *const c_char,
    variables_json_len: usize,
    operation_name: *const c_char,
    callback: Option<&pico_event_callback_t>,
    subscription: Option<&mut MaybeUninit<*mut pico_subscription_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    open(client, callback, subscription, error, |client| {
        // SAFETY: passed on to the caller.
        let request =
            unsafe { request_of((query, query_len), (variables_json, variables_json_len), operation_name) }?;
        Ok(Source::Data(client.subscribe(&request)?))
    })
}

/// Delivers the events of a subscription that was opened without a callback to a function by the batch: each
/// call gets those that are there, `most` of them at most. For hosts to whom each call is dear. All that holds
/// for the callback of a stream holds here: on PICO_OK the library owns user_data, calls come one at a time
/// and in order, and `drop` is called once, after the last. Events cannot be pulled any more; one that another
/// thread is taking at this moment goes to that thread. PICO_E_CLOSED when the subscription was ended here.
/// Never waits; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_subscription_deliver_batches(
    subscription: Option<&pico_subscription_t>,
    most: usize,
    callback: Option<&pico_events_callback_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let inner = &required("subscription", subscription)?.inner;
        let callback = required("callback", callback)?;
        let function = callback.function()?;
        if most == 0 {
            return Err(Error::invalid("most", "must be at least 1 event"));
        }
        let runtime = runtime::handle()?;
        if inner.by_callback.swap(true, Ordering::SeqCst) {
            return Err(delivers());
        }
        if !inner.lifecycle.begin() {
            inner.by_callback.store(false, Ordering::SeqCst);
            return Err(Error::new(ErrorKind::Closed, "the subscription has ended"));
        }
        runtime.spawn(dispatch::run(Arc::clone(inner), callback.take(function, most)));
        Ok(())
    })
}

/// Waits, timeout_ms at most (negative: for ever), until the stream is open. From then on nothing that
/// happens is missed: call it before you save the order whose completion you want to see. Takes no event
/// away, from a callback as little as from pico_subscription_next(). Failures that may pass are waited out;
/// PICO_E_TIMEOUT when it was not open in time, PICO_E_CLOSED when it was closed here, otherwise what ended
/// it, such as PICO_E_UNAUTHORIZED. Waits: it must not be called from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn pico_subscription_wait_open(
    subscription: Option<&pico_subscription_t>,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = Arc::clone(&required("subscription", subscription)?.inner);
        runtime::block_on(inner.source.opened(), limit(timeout_ms), None)
    })
}

/// Ends the subscription without waiting: pico_subscription_next() returns PICO_E_CLOSED in every thread,
/// events not yet taken are dropped; a callback is not called again, but for a call that is under way, and
/// `drop` follows. Any thread, callbacks included. The subscription must still be freed.
#[unsafe(no_mangle)]
pub extern "C" fn pico_subscription_cancel(
    subscription: Option<&pico_subscription_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        required("subscription", subscription)?.inner.end_now();
        Ok(())
    })
}

/// Ends the subscription like pico_subscription_cancel() and waits, timeout_ms at most (negative: for
/// ever), until a call of the callback that is under way and `drop` have returned. PICO_E_TIMEOUT when they
/// have not; it may be called again to wait on. The subscription must still be freed. Waits: it must not be
/// called from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn pico_subscription_close(
    subscription: Option<&pico_subscription_t>,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = &required("subscription", subscription)?.inner;
        inner.end_now();
        inner.lifecycle.wait(deadline(limit(timeout_ms)))
    })
}

/// Frees the subscription, ending it like pico_subscription_cancel(). Never waits; any thread, its own
/// callback included.
#[unsafe(no_mangle)]
pub extern "C" fn pico_subscription_free(subscription: Option<Box<pico_subscription_t>>) -> ReturnNothing {
    guard::free(subscription);
}
