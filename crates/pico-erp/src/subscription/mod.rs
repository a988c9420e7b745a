//! Streams: one logical subscription that outlives its connections.
//!
//! [`Subscription`] is what a caller holds. [`driver`] runs behind it as one tokio task and moves bytes;
//! [`choice`] and [`reconnect`] decide, without a clock or a socket, which way to go, when to connect again, and when to
//! give up; [`link`] is one connection, whichever way it goes.

mod choice;
mod driver;
mod link;
mod poll;
#[cfg(unix)]
mod pollable;
mod reconnect;

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
#[cfg(unix)]
use once_cell::sync::OnceCell;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::client::{Client, StreamTransport};
use crate::error::{Error, ErrorKind};
use crate::filter::{Filter, NoteFilter, OperationFilter, OrderCompleteFilter, SubOperationFilter};
use crate::graphql::Request;
use crate::graphql::document::OperationKind;
use crate::graphql::documents::{self, Document};
use crate::json::Json;
use crate::model::{Model, NoteEvent, Operation, OrderComplete, SubOperation};
use driver::{Driver, OnComplete, Standing};
use poll::PollPlan;

/// Where a subscription stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StreamState {
    /// A connection is being made.
    Connecting {
        /// Which way; never [`StreamTransport::Auto`].
        transport: StreamTransport,
    },
    /// Events can arrive.
    Open {
        /// Which way they come.
        transport: StreamTransport,
        /// How long nothing was heard, when this is not the first connection. Events of that time are lost to
        /// the stream, since Pico does not send them again; the queries still list them.
        gap: Option<Duration>,
    },
    /// With [`StreamTransport::Auto`]: the stream goes another way from now on.
    Switched {
        /// Which way.
        transport: StreamTransport,
        /// Why the last one did not do.
        cause: Arc<Error>,
    },
    /// The connection was lost or could not be made; another follows.
    Retrying {
        /// Failures in a row.
        failures: u32,
        /// How long until the next try.
        delay: Duration,
        /// What went wrong.
        cause: Arc<Error>,
    },
}

/// What a stream has to tell, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notification<T> {
    /// Something happened in the factory.
    Event(T),
    /// One event could not be used: it carried GraphQL errors, was malformed or too large. The stream goes on.
    Problem(Error),
    /// With [`Overflow::Drop`]: so many events came while the consumer was behind, and are lost.
    Dropped {
        /// How many.
        count: u64,
    },
    /// The stream's connection changed.
    State(StreamState),
    /// The stream has ended: by the server (`None`), or by an error that trying again cannot mend. The last.
    Closed(Option<Error>),
}

impl<T> Notification<T> {
    fn try_map<U>(self, map: impl FnOnce(T) -> Result<U, Error>) -> Notification<U> {
        match self {
            Self::Event(item) => match map(item) {
                Ok(item) => Notification::Event(item),
                Err(error) => Notification::Problem(error),
            },
            Self::Problem(error) => Notification::Problem(error),
            Self::Dropped { count } => Notification::Dropped { count },
            Self::State(state) => Notification::State(state),
            Self::Closed(error) => Notification::Closed(error),
        }
    }
}

/// A live stream of `T`. It connects again by itself for as long as it is held; dropping it ends it.
///
/// Methods take `&self`: several tasks may wait on one subscription, each event going to one of them.
#[derive(Debug)]
pub struct Subscription<T> {
    connection: Connection,
    item: PhantomData<fn() -> T>,
}

/// The consumer's end of the driver's channel, and the task itself, which ends with it.
#[derive(Debug)]
struct Connection {
    notifications: async_channel::Receiver<Notification<Json>>,
    task: AbortHandle,
    standing: watch::Receiver<Standing>,
    /// [`Subscription::close`] was called, so that no notification of the end is due.
    closed_here: AtomicBool,
    /// The end was told.
    told_end: AtomicBool,
    #[cfg(unix)]
    pollable: OnceCell<pollable::Pollable>,
}

impl Connection {
    async fn next(&self) -> Option<Notification<Json>> {
        #[cfg(unix)]
        if let Some(pollable) = self.pollable.get() {
            let notification = pollable.next().await;
            return notification.or_else(|| self.unexpected_end());
        }
        let notification = self.notifications.recv().await.ok();
        // The descriptor may have been asked for while we waited, and its queue got what comes.
        #[cfg(unix)]
        if let Some(pollable) = self.pollable.get().filter(|_| notification.is_none()) {
            return pollable.next().await.or_else(|| self.unexpected_end());
        }
        notification.or_else(|| self.unexpected_end())
    }

    fn try_next(&self) -> Option<Notification<Json>> {
        #[cfg(unix)]
        if let Some(pollable) = self.pollable.get() {
            return pollable.try_next().unwrap_or_else(|| self.unexpected_end());
        }
        match self.notifications.try_recv() {
            Ok(notification) => Some(notification),
            Err(async_channel::TryRecvError::Empty) => None,
            Err(async_channel::TryRecvError::Closed) => self.unexpected_end(),
        }
    }

    /// A driver that ends without a word has panicked. The consumer is told so, once.
    fn unexpected_end(&self) -> Option<Notification<Json>> {
        let told = self.told_end.swap(true, Ordering::Relaxed);
        (!told && !self.closed_here.load(Ordering::Relaxed)).then(|| {
            let error = Error::new(ErrorKind::Internal, "the stream's task has failed");
            Notification::Closed(Some(error))
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<T: Model> Subscription<T> {
    /// The next item. `None` after the end; an `Err` that is followed by more items is a single event that
    /// could not be used, one that is followed by `None` is what ended the stream.
    ///
    /// ```no_run
    /// # async fn example(client: pico_erp::Client) -> Result<(), pico_erp::Error> {
    /// use pico_erp::OrderCompleteFilter;
    ///
    /// let stream = client.order_completes_stream(&OrderCompleteFilter::all())?;
    /// while let Some(done) = stream.next().await {
    ///     let done = done?;
    ///     println!("{} {:?}", done.external_order_id, done.produced_serial());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The kinds of [`Client::execute`], and [`ErrorKind::TooLarge`] or [`ErrorKind::Decode`] for one event.
    pub async fn next(&self) -> Option<Result<T, Error>> {
        loop {
            match self.next_notification().await? {
                Notification::Event(item) => return Some(Ok(item)),
                Notification::Problem(error) | Notification::Closed(Some(error)) => return Some(Err(error)),
                Notification::Closed(None) => return None,
                Notification::State(_) | Notification::Dropped { .. } => {}
            }
        }
    }

    /// The next notification, changes of the connection included. `None` after [`Notification::Closed`], and after
    /// [`Subscription::close`].
    pub async fn next_notification(&self) -> Option<Notification<T>> {
        let notification = self.connection.next().await?;
        Some(self.told(notification))
    }

    /// The next notifications: waits for the first, and takes with it what else is there, `max` in all at most. For
    /// callers to whom each call is dear.
    pub async fn next_batch(&self, max: usize) -> Option<Vec<Notification<T>>> {
        let mut batch = vec![self.next_notification().await?];
        while batch.len() < max {
            let Some(notification) = self.connection.try_next() else { break };
            batch.push(self.told(notification));
        }
        Some(batch)
    }

    /// The next notification if one is there already.
    pub fn try_next_notification(&self) -> Option<Notification<T>> {
        let notification = self.connection.try_next()?;
        Some(self.told(notification))
    }

    fn told(&self, notification: Notification<Json>) -> Notification<T> {
        if matches!(notification, Notification::Closed(_)) {
            self.connection.told_end.store(true, Ordering::Relaxed);
        }
        notification.try_map(T::from_json)
    }

    /// A descriptor that is readable whenever [`Subscription::try_next_notification`] would give something, and after the
    /// end: for `select`, `poll` or `epoll` in an event loop of the host's. Wait for it to be readable, then take until
    /// nothing is left. It belongs to the subscription: do not read, write or close it.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the operating system gives no descriptor.
    #[cfg(unix)]
    pub fn descriptor(&self) -> Result<std::os::fd::BorrowedFd<'_>, Error> {
        let connection = &self.connection;
        let pollable = connection.pollable.get_or_try_init(|| {
            let capacity = connection.notifications.capacity().unwrap_or(1);
            pollable::Pollable::start(connection.notifications.clone(), capacity).map_err(|error| {
                Error::new(ErrorKind::Internal, "no descriptor could be made").with_source(error)
            })
        })?;
        Ok(pollable.descriptor())
    }

    /// Waits until the stream is open, so that nothing that happens from then on is missed: call it before you save
    /// the order whose completion you want to see. Takes no notification away from [`Subscription::next`].
    ///
    /// ```no_run
    /// # async fn example(client: pico_erp::Client) -> Result<(), pico_erp::Error> {
    /// use pico_erp::{OrderCompleteFilter, OrderSave};
    ///
    /// let stream = client.order_completes_stream(&OrderCompleteFilter::all())?;
    /// stream.opened().await?;
    /// client.save_order(&OrderSave::new("op-abc-123", "ERP-ORDER-123")).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// What ended the stream, or [`ErrorKind::Closed`]. Failures that may pass are waited out.
    pub async fn opened(&self) -> Result<(), Error> {
        let mut standing = self.connection.standing.clone();
        let settled = standing.wait_for(|standing| !matches!(standing, Standing::NotOpen)).await;
        match settled.as_deref() {
            // `close` ends the driver, but not at once.
            Ok(Standing::Open) if !self.connection.notifications.is_closed() => Ok(()),
            Ok(Standing::Closed(Some(error))) => Err(error.clone()),
            // The driver is gone: the subscription was closed here.
            _ => Err(Error::new(ErrorKind::Closed, "the stream has ended")),
        }
    }

    /// Ends the stream: waiting calls return `None`, events not yet taken are dropped. Does not wait.
    pub fn close(&self) {
        let Connection { notifications, task, closed_here, .. } = &self.connection;
        closed_here.store(true, Ordering::Relaxed);
        notifications.close();
        task.abort();
        // What was buffered would otherwise still be handed out.
        while notifications.try_recv().is_ok() {}
        #[cfg(unix)]
        if let Some(pollable) = self.connection.pollable.get() {
            pollable.close();
        }
    }

    /// The same stream, giving each event's JSON as it was sent.
    #[must_use]
    pub fn into_json(self) -> Subscription<Json> {
        Subscription { connection: self.connection, item: PhantomData }
    }
}

impl Client {
    /// Streams operations as they are created or changed.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the filter cannot be right. Failures to connect are not errors here: they
    /// come as notifications.
    ///
    /// # Panics
    /// Outside a tokio runtime, as all methods of a client.
    pub fn operations_stream(&self, filter: &OperationFilter) -> Result<Subscription<Operation>, Error> {
        self.stream(
            documents::OPERATIONS_STREAM,
            documents::OPERATIONS,
            filter,
            *filter == OperationFilter::all(),
        )
    }

    /// Streams changes of the product structure.
    ///
    /// # Errors
    /// As [`Client::operations_stream`].
    pub fn sub_operations_stream(
        &self,
        filter: &SubOperationFilter,
    ) -> Result<Subscription<SubOperation>, Error> {
        self.stream(
            documents::SUB_OPERATIONS_STREAM,
            documents::SUB_OPERATIONS,
            filter,
            *filter == SubOperationFilter::all(),
        )
    }

    /// Streams completed orders.
    ///
    /// # Errors
    /// As [`Client::operations_stream`].
    pub fn order_completes_stream(
        &self,
        filter: &OrderCompleteFilter,
    ) -> Result<Subscription<OrderComplete>, Error> {
        self.stream(
            documents::ORDER_COMPLETES_STREAM,
            documents::ORDER_COMPLETES,
            filter,
            *filter == OrderCompleteFilter::all(),
        )
    }

    /// Streams operators' notes. Older Picos do not have this stream and refuse it.
    ///
    /// # Errors
    /// As [`Client::operations_stream`].
    pub fn note_events_stream(&self) -> Result<Subscription<NoteEvent>, Error> {
        self.stream(documents::NOTE_EVENTS_STREAM, documents::NOTE_EVENTS, &NoteFilter, true)
    }

    /// Streams any subscription document; each item is the `data` of one result.
    ///
    /// A raw subscription ends when the server completes it. Pico's own four streams have no end, so the typed
    /// ones connect again when a server completes them, as one does that shuts down in an orderly way.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the document does not parse or is no subscription.
    pub fn subscribe(&self, request: &Request) -> Result<Subscription<Json>, Error> {
        if request.kind()? != OperationKind::Subscription {
            return Err(Error::invalid("query", "is not a subscription; send it as a call"));
        }
        self.spawn(request, None, None, None, OnComplete::Close)
    }

    fn stream<T: Model, F: Filter<T>>(
        &self,
        document: Document,
        list: Document,
        filter: &F,
        everything: bool,
    ) -> Result<Subscription<T>, Error> {
        filter.check()?;
        let condition = filter.condition();
        let request = Request::new(document.with_condition(condition.as_deref()));
        let poll = PollPlan {
            request: Request::new(list.with_condition(condition.as_deref())),
            list: list.field,
            stream: document.field,
        };
        let keep: Option<driver::Keep> = (!everything).then(|| {
            let filter = filter.clone();
            // What does not decode is let through: the consumer is told of it.
            Box::new(move |json: &Json| T::from_json(json.clone()).map_or(true, |item| filter.matches(&item)))
                as _
        });
        self.spawn(&request, Some(document.field), Some(poll), keep, OnComplete::Reconnect)
    }

    fn spawn<T>(
        &self,
        request: &Request,
        field: Option<&'static str>,
        poll: Option<PollPlan>,
        keep: Option<driver::Keep>,
        on_complete: OnComplete,
    ) -> Result<Subscription<T>, Error> {
        let (standing, standing_now) = watch::channel(Standing::NotOpen);
        let (sender, notifications) = async_channel::bounded(self.transport().stream_policy().buffer);
        let driver = Driver {
            transport: Arc::clone(self.transport()),
            body: Bytes::from(request.to_body()?),
            field,
            poll,
            keep,
            on_complete,
            overflow: self.transport().stream_policy().overflow,
            sender,
            standing,
        };
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| Error::new(ErrorKind::Internal, "a stream was opened outside a tokio runtime"))?;
        let task = runtime.spawn(driver.run()).abort_handle();
        Ok(Subscription {
            connection: Connection {
                notifications,
                task,
                standing: standing_now,
                closed_here: AtomicBool::new(false),
                told_end: AtomicBool::new(false),
                #[cfg(unix)]
                pollable: OnceCell::new(),
            },
            item: PhantomData,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_driver_that_ends_without_a_word_is_told_of_once() {
        let client = Client::builder("http://127.0.0.1:1").proxy(crate::Proxy::None).build().unwrap();
        let stream = client.operations_stream(&OperationFilter::all()).unwrap();
        stream.connection.task.abort();
        let closed = loop {
            match stream.next_notification().await.expect("the end is told") {
                Notification::Closed(error) => break error.expect("it is no ordinary end"),
                _ => {}
            }
        };
        assert_eq!(closed.kind(), ErrorKind::Internal);
        assert!(stream.next_notification().await.is_none());
    }
}
