//! [`BaseClient`]: the calls. The Python half derives `pico_erp.Client` from it and adds the streams' wrappers.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use pico_erp::runtime::{self, Cancel};
use pico_erp::{
    Client, Error, Feed, OrderCancel, OrderSave, Request, Subscription, TraceContext, WebhookFingerprint,
    WebhookSubscribe,
};
use pyo3::prelude::*;

use crate::catalogue::Catalogue;
use crate::error::{invalid, raise};
use crate::feed::{BaseFeed, Running, Start, Told};
use crate::filter;
use crate::json::{Reply, dumps};
use crate::model::{self, JsonValue, NoteEvent, Operation, OrderComplete, SubOperation, Webhook};
use crate::order::{ToldUnit, units, with_extra};
use crate::place::Place;
use crate::record;
use crate::sender::{BaseOutboxSender, ToldSender};
use crate::settings::{Pem, Settings, Texts, limit};
use crate::slot::Slot;
use crate::stream::{Make, Open, Stream};
use crate::subject::Subject;
use crate::time::Span;
use crate::trace::{ToldTrace, Traceparent};
use crate::wait::wait;
use crate::webhook;

/// The calls of a client. Not for direct use: see pico_erp.Client.
#[pyclass(module = "pico_erp._native", subclass, frozen)]
pub(crate) struct BaseClient {
    pub(crate) client: Slot<Client>,
    endpoint: String,
    pub(crate) closing: Cancel,
    /// What names the caller's span for each call.
    traceparent: Option<Traceparent>,
    /// The streams that may still be open; closing the client closes them.
    streams: Mutex<Vec<Weak<Open>>>,
    /// The same for feeds, senders and catalogues.
    running: Mutex<Vec<Weak<dyn Closes>>>,
}

/// What runs for a client, until it is closed or the client is.
pub(crate) trait Closes: Send + Sync {
    /// Ends it as Client.close() does: without waiting for anybody. May be called again.
    fn close(&self);
}

/// What Client.webhook_unsubscribe did.
#[pyclass(module = "pico_erp", frozen, get_all)]
pub(crate) struct WebhookUnsubscribed {
    /// Whether there was such a registration.
    success: bool,
    /// The id it had.
    subscription_id: Option<String>,
    /// What the server said.
    message: Option<String>,
}

#[pymethods]
impl WebhookUnsubscribed {
    fn __repr__(&self) -> String {
        let text =
            |text: &Option<String>| text.as_ref().map_or("None".to_owned(), |text| format!("{text:?}"));
        format!(
            "WebhookUnsubscribed(success={}, subscription_id={}, message={})",
            if self.success { "True" } else { "False" },
            text(&self.subscription_id),
            text(&self.message)
        )
    }
}

impl BaseClient {
    /// The core's client.
    pub(crate) fn core(&self) -> Result<Client, Error> {
        self.client.get()
    }

    pub(crate) fn call<T: Send, F>(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        future: impl FnOnce(Client) -> F,
    ) -> PyResult<T>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let prepared = self.client.get().and_then(|client| Ok((client, limit("timeout", timeout)?)));
        let (client, limit) = prepared.map_err(|error| raise(py, &error))?;
        // Asked here, on the caller's thread, where the caller's span is the current one.
        let traceparent = self.traceparent.as_ref().and_then(|provider| provider.ask(py));
        wait(py, limit, Some(&self.closing), TraceContext::scope(traceparent, future(client)))
    }

    fn open<T: pico_erp::Model>(
        &self,
        py: Python<'_>,
        make: Make,
        open: impl FnOnce(&Client) -> Result<Subscription<T>, Error>,
    ) -> PyResult<Stream> {
        let opened = self.client.get().and_then(|client| {
            let _context = runtime::handle()?.enter();
            open(&client)
        });
        let subscription = opened.map_err(|error| raise(py, &error))?;
        let opened = Arc::new(Open::new(subscription.into_json()));
        remember(&self.streams, &opened);
        Ok(Stream::new(opened, make))
    }

    /// Has something closed with the client.
    fn keep(&self, running: Arc<dyn Closes>) {
        remember(&self.running, &running);
    }

    /// The object of a feed that has just been started.
    fn run(&self, running: Running) -> BaseFeed {
        let running = Arc::new(running);
        self.keep(Arc::clone(&running) as Arc<dyn Closes>);
        BaseFeed::new(running)
    }
}

/// Adds one to those that may still be open.
fn remember<T: ?Sized>(open: &Mutex<Vec<Weak<T>>>, one: &Arc<T>) {
    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|other| other.strong_count() > 0);
    open.push(Arc::downgrade(one));
}

/// Those that are still open, which are forgotten by that.
fn remembered<T: ?Sized>(open: &Mutex<Vec<Weak<T>>>) -> Vec<Arc<T>> {
    let open = mem::take(&mut *open.lock().unwrap_or_else(PoisonError::into_inner));
    open.iter().filter_map(Weak::upgrade).collect()
}

#[pymethods]
impl BaseClient {
    #[new]
    #[pyo3(signature = (
        endpoint=None, token=None, *, token_provider=None, generation="G2".to_owned(), connect_timeout=10.0,
        request_timeout=30.0, max_attempts=4, backoff=0.2, backoff_max=10.0, transport="auto".to_owned(),
        idle_timeout=300.0, ping_interval=20.0, first_byte_timeout=15.0, poll_interval=30.0, poll_period=600.0,
        reconnect_backoff=1.0, reconnect_backoff_max=60.0, proxy=None, no_proxy=None, extra_ca=None,
        client_cert=None, client_key=None, headers=None, user_agent=None, max_reply_bytes=64 << 20,
        max_event_bytes=8 << 20, stream_buffer=256, overflow="wait".to_owned(),
        trace_context=ToldTrace::Mode("off".to_owned())
    ), text_signature = "(endpoint=None, token=None, *, token_provider=None, generation='G2', connect_timeout=10.0, \
        request_timeout=30.0, max_attempts=4, backoff=0.2, backoff_max=10.0, transport='auto', \
        idle_timeout=300.0, ping_interval=20.0, first_byte_timeout=15.0, poll_interval=30.0, poll_period=600.0, \
        reconnect_backoff=1.0, reconnect_backoff_max=60.0, proxy=None, no_proxy=None, extra_ca=None, \
        client_cert=None, client_key=None, headers=None, user_agent=None, max_reply_bytes=67108864, \
        max_event_bytes=8388608, stream_buffer=256, overflow='wait', trace_context='off')")]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn new(
        py: Python<'_>,
        endpoint: Option<String>,
        token: Option<String>,
        token_provider: Option<Py<PyAny>>,
        generation: String,
        connect_timeout: f64,
        request_timeout: f64,
        max_attempts: i64,
        backoff: f64,
        backoff_max: f64,
        transport: String,
        idle_timeout: f64,
        ping_interval: f64,
        first_byte_timeout: f64,
        poll_interval: f64,
        poll_period: f64,
        reconnect_backoff: f64,
        reconnect_backoff_max: f64,
        proxy: Option<String>,
        no_proxy: Option<Texts>,
        extra_ca: Option<Pem>,
        client_cert: Option<Pem>,
        client_key: Option<Pem>,
        headers: Option<HashMap<String, String>>,
        user_agent: Option<String>,
        max_reply_bytes: i64,
        max_event_bytes: i64,
        stream_buffer: i64,
        overflow: String,
        trace_context: ToldTrace,
    ) -> PyResult<Self> {
        if let Some(provider) = &token_provider
            && !provider.bind(py).is_callable()
        {
            return Err(invalid(py, "token_provider", "is not callable"));
        }
        let (trace_context, traceparent) = trace_context.read(py).map_err(|error| raise(py, &error))?;
        let settings = Settings {
            endpoint,
            token,
            token_provider,
            generation,
            connect_timeout,
            request_timeout,
            max_attempts,
            backoff,
            backoff_max,
            transport,
            idle_timeout,
            ping_interval,
            first_byte_timeout,
            poll_interval,
            poll_period,
            reconnect_backoff,
            reconnect_backoff_max,
            proxy,
            no_proxy,
            extra_ca,
            client_cert,
            client_key,
            headers,
            user_agent,
            max_reply_bytes,
            max_event_bytes,
            stream_buffer,
            overflow,
            trace_context,
        };
        // Reading certificates and the trust store takes a while; other threads need not wait for it.
        let client = py.detach(|| settings.client()).map_err(|error| raise(py, &error))?;
        Ok(Self {
            endpoint: client.endpoint().to_owned(),
            client: Slot::new("client", client),
            closing: Cancel::new(),
            traceparent,
            streams: Mutex::default(),
            running: Mutex::default(),
        })
    }

    /// The URL that requests go to.
    #[getter]
    fn endpoint(&self) -> String {
        // With generation "auto" the path may have been found since.
        self.client.get().map_or_else(|_| self.endpoint.clone(), |client| client.endpoint().to_owned())
    }

    /// Whether close() was called.
    #[getter]
    fn closed(&self) -> bool {
        self.client.is_empty()
    }

    /// Closes the streams, feeds, senders and catalogues, ends the calls that wait with ClosedError, and refuses new ones.
    /// May be called again.
    fn close(&self, py: Python<'_>) {
        if runtime::check_process().is_err() {
            return;
        }
        self.closing.cancel();
        let client = self.client.take();
        let (streams, running) = (remembered(&self.streams), remembered(&self.running));
        py.detach(|| {
            streams.iter().for_each(|stream| stream.close());
            running.iter().for_each(|running| running.close());
            drop(client);
        });
    }

    fn __repr__(&self) -> String {
        format!("Client({:?})", self.endpoint)
    }

    /// Lists what can be built. Pico has no paging, so this is the whole list.
    ///
    /// `timeout` is in seconds for the whole call, retries included; None leaves it to the client's settings.
    #[pyo3(signature = (id=None, external_id=None, external_revision=None, timeout=None))]
    fn operations(
        &self,
        py: Python<'_>,
        id: Option<String>,
        external_id: Option<String>,
        external_revision: Option<String>,
        timeout: Option<f64>,
    ) -> PyResult<Vec<Operation>> {
        let filter = filter::operations(id, external_id, external_revision);
        let found = self.call(py, timeout, |client| async move { client.operations(&filter).await })?;
        Ok(found.into_iter().map(Operation::new).collect())
    }

    /// Lists the edges of the product structure.
    #[pyo3(signature = (parent_id=None, sub_id=None, timeout=None))]
    fn sub_operations(
        &self,
        py: Python<'_>,
        parent_id: Option<String>,
        sub_id: Option<String>,
        timeout: Option<f64>,
    ) -> PyResult<Vec<SubOperation>> {
        let filter = filter::sub_operations(parent_id, sub_id);
        let found = self.call(py, timeout, |client| async move { client.sub_operations(&filter).await })?;
        Ok(found.into_iter().map(SubOperation::new).collect())
    }

    /// Lists completed orders. This is how a completion is found again that no stream delivered.
    #[pyo3(signature = (operation_id=None, external_order_id=None, order_index=None, timeout=None))]
    fn order_completes(
        &self,
        py: Python<'_>,
        operation_id: Option<String>,
        external_order_id: Option<String>,
        order_index: Option<i64>,
        timeout: Option<f64>,
    ) -> PyResult<Vec<OrderComplete>> {
        let filter = filter::order_completes(operation_id, external_order_id, order_index)
            .map_err(|error| raise(py, &error))?;
        let found = self.call(py, timeout, |client| async move { client.order_completes(&filter).await })?;
        Ok(found.into_iter().map(OrderComplete::new).collect())
    }

    /// Lists operators' notes, each change of one as a note of its own. Only newer Picos (generation G3) have them.
    #[pyo3(signature = (id=None, external_id=None, timeout=None))]
    fn note_events(
        &self,
        py: Python<'_>,
        id: Option<String>,
        external_id: Option<String>,
        timeout: Option<f64>,
    ) -> PyResult<Vec<NoteEvent>> {
        let filter = filter::notes(id, external_id);
        let found = self.call(py, timeout, |client| async move { client.note_events(&filter).await })?;
        Ok(found.into_iter().map(NoteEvent::new).collect())
    }

    /// The generation of Pico's API that this client speaks, "G2" or "G3": the one that was set, or with "auto" the one
    /// that the server is found to have, which is asked for once.
    #[pyo3(signature = (timeout=None))]
    fn generation(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<&'static str> {
        Ok(self.call(py, timeout, |client| async move { client.generation().await })?.name())
    }

    /// Lists the registered webhooks.
    #[pyo3(signature = (timeout=None))]
    fn webhooks(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Vec<Webhook>> {
        let found = self.call(py, timeout, |client| async move { client.webhooks().await })?;
        Ok(found.into_iter().map(Webhook::new).collect())
    }

    /// Saves an order: creates it, or updates it when Pico knows the same three ids.
    ///
    /// Returns "created" or "updated", or whatever else the server said. Retried where a passing cause is to blame:
    /// repeating it does no harm.
    #[pyo3(signature = (
        operation_id, external_order_id, order_index=0, select_optional_operation_ids=None, timeout=None, *, extra=None
    ), text_signature = "($self, operation_id, external_order_id, order_index=0, select_optional_operation_ids=(), \
        timeout=None, *, extra=None)")]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn save_order(
        &self,
        py: Python<'_>,
        operation_id: String,
        external_order_id: String,
        order_index: i64,
        select_optional_operation_ids: Option<Vec<String>>,
        timeout: Option<f64>,
        extra: Option<Bound<'_, PyAny>>,
    ) -> PyResult<String> {
        let unit = ToldUnit { order_index, select_optional_operation_ids };
        let order = unit.of(OrderSave::new(operation_id, external_order_id));
        let order = order.map_err(|error| raise(py, &error))?;
        let order = with_extra(py, order, extra.as_ref())?;
        let saved = self.call(py, timeout, |client| async move { client.save_order(&order).await })?;
        Ok(saved.message().to_owned())
    }

    /// Saves an order for the operation that a part number, and a revision where one is given, mean in the catalogue.
    ///
    /// Returns and raises as save_order() and Catalogue.order_by_part(), the latter with nothing sent.
    #[pyo3(signature = (
        catalogue, external_order_id, part_number, revision=None, order_index=0, select_optional_operation_ids=None,
        timeout=None
    ), text_signature = "($self, catalogue, external_order_id, part_number, revision=None, order_index=0, \
        select_optional_operation_ids=(), timeout=None)")]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn save_order_by_part(
        &self,
        py: Python<'_>,
        catalogue: &Catalogue,
        external_order_id: String,
        part_number: String,
        revision: Option<String>,
        order_index: i64,
        select_optional_operation_ids: Option<Vec<String>>,
        timeout: Option<f64>,
    ) -> PyResult<String> {
        let unit = ToldUnit { order_index, select_optional_operation_ids };
        let catalogue = catalogue.get(py)?;
        let saved = self.call(py, timeout, |client| async move {
            let order =
                catalogue.order_by_part(&external_order_id, &part_number, revision.as_deref()).await?;
            client.save_order(&unit.of(order)?).await
        })?;
        Ok(saved.message().to_owned())
    }

    /// Cancels one unit of an order (`order_index`), or all of them (`cancel_all=True`), unless work has begun.
    ///
    /// Returns what the server said ("canceled"). Never retried once it may have reached the server.
    #[pyo3(signature = (operation_id, external_order_id, order_index=None, cancel_all=false, timeout=None))]
    fn cancel_order(
        &self,
        py: Python<'_>,
        operation_id: String,
        external_order_id: String,
        order_index: Option<i64>,
        cancel_all: bool,
        timeout: Option<f64>,
    ) -> PyResult<String> {
        let units = units(py, order_index, cancel_all)?;
        let order = OrderCancel::new(operation_id, external_order_id, units);
        self.call(py, timeout, |client| async move { client.cancel_order(&order).await })
    }

    /// Registers a webhook: Pico then posts the fragment's fields to the URL, once for each event.
    #[pyo3(signature = (subscription_id, response_fragment, webhook_url, webhook_headers=None, timeout=None))]
    fn webhook_subscribe(
        &self,
        py: Python<'_>,
        subscription_id: String,
        response_fragment: String,
        webhook_url: String,
        webhook_headers: Option<BTreeMap<String, String>>,
        timeout: Option<f64>,
    ) -> PyResult<Webhook> {
        let mut webhook = WebhookSubscribe::new(subscription_id, response_fragment, webhook_url);
        webhook.webhook_headers = webhook_headers.unwrap_or_default();
        let made =
            self.call(py, timeout, |client| async move { client.webhook_subscribe(&webhook).await })?;
        Ok(Webhook::new(made))
    }

    /// Removes a webhook. An id that is not known is no error: see `success` of the result.
    #[pyo3(signature = (subscription_id, timeout=None))]
    fn webhook_unsubscribe(
        &self,
        py: Python<'_>,
        subscription_id: String,
        timeout: Option<f64>,
    ) -> PyResult<WebhookUnsubscribed> {
        let done = self
            .call(py, timeout, |client| async move { client.webhook_unsubscribe(&subscription_id).await })?;
        Ok(WebhookUnsubscribed {
            success: done.success,
            subscription_id: done.subscription_id,
            message: done.message,
        })
    }

    /// Sees to it that a webhook is registered just like this, and does nothing where it is. May be repeated at any time.
    #[pyo3(signature = (
        subscription_id, webhook_url, webhook_headers=None, response_fragment=None, *, fingerprint=None, timeout=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn ensure_webhook<'py>(
        &self,
        py: Python<'py>,
        subscription_id: String,
        webhook_url: String,
        webhook_headers: Option<BTreeMap<String, String>>,
        response_fragment: Option<String>,
        fingerprint: Option<&str>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let webhook = webhook::wanted(subscription_id, webhook_url, webhook_headers, response_fragment);
        let known: Option<WebhookFingerprint> =
            fingerprint.map(str::parse).transpose().map_err(|error| raise(py, &error))?;
        let ensured =
            self.call(
                py,
                timeout,
                |client| async move { client.ensure_webhook(&webhook, known.as_ref()).await },
            )?;
        record::ensured(py, ensured)
    }

    /// Sends any query or mutation and returns the reply untouched, GraphQL errors included.
    ///
    /// Queries are retried, mutations only with `idempotent=True`.
    #[pyo3(signature = (query, variables=None, operation_name=None, idempotent=false, timeout=None))]
    fn execute(
        &self,
        py: Python<'_>,
        query: String,
        variables: Option<Bound<'_, PyAny>>,
        operation_name: Option<String>,
        idempotent: bool,
        timeout: Option<f64>,
    ) -> PyResult<Reply> {
        let mut request = request(py, query, variables, operation_name)?;
        if idempotent {
            request = request.idempotent();
        }
        self.call(py, timeout, |client| async move { client.execute(request).await }).map(Reply)
    }

    /// The stream behind Client.operations_stream.
    #[pyo3(signature = (id, external_id, external_revision))]
    fn _operations_stream(
        &self,
        py: Python<'_>,
        id: Option<String>,
        external_id: Option<String>,
        external_revision: Option<String>,
    ) -> PyResult<Stream> {
        let filter = filter::operations(id, external_id, external_revision);
        self.open(py, model::event::<Operation>, |client| client.operations_stream(&filter))
    }

    /// The stream behind Client.sub_operations_stream.
    #[pyo3(signature = (parent_id, sub_id))]
    fn _sub_operations_stream(
        &self,
        py: Python<'_>,
        parent_id: Option<String>,
        sub_id: Option<String>,
    ) -> PyResult<Stream> {
        let filter = filter::sub_operations(parent_id, sub_id);
        self.open(py, model::event::<SubOperation>, |client| client.sub_operations_stream(&filter))
    }

    /// The stream behind Client.completions.
    #[pyo3(signature = (operation_id, external_order_id, order_index))]
    fn _completions(
        &self,
        py: Python<'_>,
        operation_id: Option<String>,
        external_order_id: Option<String>,
        order_index: Option<i64>,
    ) -> PyResult<Stream> {
        let filter = filter::order_completes(operation_id, external_order_id, order_index)
            .map_err(|error| raise(py, &error))?;
        self.open(py, model::event::<OrderComplete>, |client| client.order_completes_stream(&filter))
    }

    /// The feed behind Client.feed.
    #[pyo3(signature = (
        store, operation_id, external_order_id, order_index, start, live, catch_up_every, overlap, visible,
        max_attempts, backoff, backoff_max
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn _feed(
        &self,
        py: Python<'_>,
        store: Place<'_>,
        operation_id: Option<String>,
        external_order_id: Option<String>,
        order_index: Option<i64>,
        start: Start<'_>,
        live: bool,
        catch_up_every: Span<'_>,
        overlap: Span<'_>,
        visible: Span<'_>,
        max_attempts: i64,
        backoff: f64,
        backoff_max: f64,
    ) -> PyResult<BaseFeed> {
        let told = Told { start, live, catch_up_every, overlap, visible, max_attempts, backoff, backoff_max };
        let policy = told.policy(py)?;
        let made = filter::order_completes(operation_id, external_order_id, order_index)
            .and_then(|filter| Ok((filter, self.client.get()?)));
        let (filter, client) = made.map_err(|error| raise(py, &error))?;
        let start = |store| async move {
            let feed = Feed::builder(&client, &store).filter(filter).policy(policy);
            feed.start().await.map(Subject::Completions)
        };
        Ok(self.run(Running::start(py, store, start)?))
    }

    /// The feed behind Client.notes_feed.
    #[pyo3(signature = (
        store, id, external_id, start, live, catch_up_every, overlap, visible, max_attempts, backoff, backoff_max
    ))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn _notes_feed(
        &self,
        py: Python<'_>,
        store: Place<'_>,
        id: Option<String>,
        external_id: Option<String>,
        start: Start<'_>,
        live: bool,
        catch_up_every: Span<'_>,
        overlap: Span<'_>,
        visible: Span<'_>,
        max_attempts: i64,
        backoff: f64,
        backoff_max: f64,
    ) -> PyResult<BaseFeed> {
        let told = Told { start, live, catch_up_every, overlap, visible, max_attempts, backoff, backoff_max };
        let policy = told.policy(py)?;
        let client = self.client.get().map_err(|error| raise(py, &error))?;
        let filter = filter::notes(id, external_id);
        let start = |store| async move {
            let feed = Feed::notes(&client, &store).filter(filter).policy(policy);
            feed.start().await.map(Subject::Notes)
        };
        Ok(self.run(Running::start(py, store, start)?))
    }

    /// The sender behind Client.outbox.
    #[pyo3(signature = (store, batch, concurrency, backoff, backoff_max, retry_after_max, tell))]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn _outbox(
        &self,
        py: Python<'_>,
        store: Place<'_>,
        batch: i64,
        concurrency: i64,
        backoff: f64,
        backoff_max: f64,
        retry_after_max: Span<'_>,
        tell: bool,
    ) -> PyResult<BaseOutboxSender> {
        let told = ToldSender { batch, concurrency, backoff, backoff_max, retry_after_max, tell };
        let client = self.client.get().map_err(|error| raise(py, &error))?;
        let (sender, sending) = BaseOutboxSender::start(py, &client, store, &told)?;
        self.keep(sending);
        Ok(sender)
    }

    /// The catalogue behind Client.catalogue.
    #[pyo3(signature = (store, refresh_every))]
    fn _catalogue(&self, py: Python<'_>, store: Place<'_>, refresh_every: Span<'_>) -> PyResult<Catalogue> {
        let refresh_every = refresh_every.read(py, "refresh_every")?;
        let client = self.client.get().map_err(|error| raise(py, &error))?;
        let (catalogue, kept) = Catalogue::start(py, &client, store, refresh_every)?;
        self.keep(kept);
        Ok(catalogue)
    }

    /// The stream behind Client.note_events_stream.
    #[pyo3(signature = (id, external_id))]
    fn _note_events_stream(
        &self,
        py: Python<'_>,
        id: Option<String>,
        external_id: Option<String>,
    ) -> PyResult<Stream> {
        let filter = filter::notes(id, external_id);
        self.open(py, model::event::<NoteEvent>, |client| client.note_events_stream(&filter))
    }

    /// The stream behind Client.subscribe.
    #[pyo3(signature = (query, variables, operation_name))]
    fn _subscribe(
        &self,
        py: Python<'_>,
        query: String,
        variables: Option<Bound<'_, PyAny>>,
        operation_name: Option<String>,
    ) -> PyResult<Stream> {
        let request = request(py, query, variables, operation_name)?;
        self.open(py, model::event::<JsonValue>, |client| client.subscribe(&request))
    }
}

fn request(
    py: Python<'_>,
    query: String,
    variables: Option<Bound<'_, PyAny>>,
    operation_name: Option<String>,
) -> PyResult<Request> {
    let mut request = Request::new(query);
    if let Some(variables) = variables {
        request =
            request.variables_json(dumps(py, "variables", &variables)?).map_err(|error| raise(py, &error))?;
    }
    if let Some(name) = operation_name {
        request = request.operation_name(name);
    }
    Ok(request)
}
