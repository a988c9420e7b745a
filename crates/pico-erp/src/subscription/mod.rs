//! Streams: one logical subscription that outlives its connections.
//!
//! [`Subscription`] is what a caller holds. [`driver`] runs behind it as one tokio task and moves bytes;
//! [`choice`] and [`reconnect`] decide, without a clock or a socket, which way to go, when to connect again, and when to
//! give up; [`link`] is one connection, whichever way it goes.

mod channel;
mod choice;
mod driver;
mod link;
mod poll;
#[cfg(unix)]
mod pollable;
mod queue;
mod reconnect;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::client::{ApiGeneration, Client, StreamTransport};
use crate::error::{Error, ErrorKind};
use crate::filter::{Filter, NoteFilter, OperationFilter, OrderCompleteFilter, SubOperationFilter};
use crate::graphql::Request;
use crate::graphql::document::OperationKind;
use crate::graphql::documents::{self, Document};
use crate::json::Json;
use crate::model::{Model, NoteEvent, Operation, OrderComplete, SubOperation};
use channel::Channel;
use driver::{Driver, OnComplete, Plan, Plans, Standing};
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
    /// With [`crate::Overflow::Drop`]: so many events came while the consumer was behind, and are lost.
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
    channel: Channel,
    item: PhantomData<fn() -> T>,
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
        Some(self.channel.next().await?.try_map(T::from_json))
    }

    /// The next notifications: waits for the first, and takes with it what else is there, `max` in all at most. For
    /// callers to whom each call is dear.
    pub async fn next_batch(&self, max: usize) -> Option<Vec<Notification<T>>> {
        let mut batch = vec![self.next_notification().await?];
        while batch.len() < max {
            let Some(notification) = self.try_next_notification() else { break };
            batch.push(notification);
        }
        Some(batch)
    }

    /// The next notification if one is there already.
    pub fn try_next_notification(&self) -> Option<Notification<T>> {
        Some(self.channel.try_next()?.try_map(T::from_json))
    }

    /// A descriptor that is readable whenever [`Subscription::try_next_notification`] would give something, and after the
    /// end: for `select`, `poll` or `epoll` in an event loop of the host's. Wait for it to be readable, then take until
    /// nothing is left. It belongs to the subscription: do not read, write or close it.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the operating system gives no descriptor.
    #[cfg(unix)]
    pub fn descriptor(&self) -> Result<std::os::fd::BorrowedFd<'_>, Error> {
        self.channel.descriptor()
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
        self.channel.opened().await
    }

    /// Ends the stream: waiting calls return `None`, events not yet taken are dropped. Does not wait.
    pub fn close(&self) {
        self.channel.close();
    }

    /// The same stream, giving each event's JSON as it was sent.
    #[must_use]
    pub fn into_json(self) -> Subscription<Json> {
        Subscription { channel: self.channel, item: PhantomData }
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
    pub fn note_events_stream(&self, filter: &NoteFilter) -> Result<Subscription<NoteEvent>, Error> {
        self.stream(
            documents::NOTE_EVENTS_STREAM,
            documents::NOTE_EVENTS,
            filter,
            *filter == NoteFilter::all(),
        )
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
        self.spawn(Plans::Document(Bytes::from(request.to_body()?)), None, None, OnComplete::Close)
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
        let plan = |generation| -> Result<Box<Plan>, Error> {
            let request = Request::new(document.of(generation).with_condition(condition.as_deref()));
            let poll = PollPlan {
                request: Request::new(list.of(generation).with_condition(condition.as_deref())),
                list: list.field,
                stream: document.field,
            };
            Ok(Box::new(Plan { body: Bytes::from(request.to_body()?), poll }))
        };
        // Which of the two it is may have to be asked of the server, and that is for the driver to do.
        let plans = Plans::OfPico { common: plan(ApiGeneration::G2)?, g3: plan(ApiGeneration::G3)? };
        let keep: Option<driver::Keep> = (!everything).then(|| {
            let filter = filter.clone();
            // What does not decode is let through: the consumer is told of it.
            Box::new(move |json: &Json| T::from_json(json.clone()).map_or(true, |item| filter.matches(&item)))
                as _
        });
        self.spawn(plans, Some(document.field), keep, OnComplete::Reconnect)
    }

    fn spawn<T>(
        &self,
        plans: Plans,
        field: Option<&'static str>,
        keep: Option<driver::Keep>,
        on_complete: OnComplete,
    ) -> Result<Subscription<T>, Error> {
        let (standing, standing_now) = watch::channel(Standing::NotOpen);
        let (sender, notifications) = queue::bounded(self.transport().stream_policy().buffer);
        let driver = Driver {
            transport: Arc::clone(self.transport()),
            hub: Arc::clone(self.hub()),
            plans,
            field,
            keep,
            on_complete,
            overflow: self.transport().stream_policy().overflow,
            sender,
            standing,
        };
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| Error::new(ErrorKind::Internal, "a stream was opened outside a tokio runtime"))?;
        let task = runtime.spawn(driver.run()).abort_handle();
        let channel = Channel::new(notifications, task, standing_now);
        Ok(Subscription { channel, item: PhantomData })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_driver_that_ends_without_a_word_is_told_of_once() {
        let client = Client::builder("http://127.0.0.1:1").proxy(crate::Proxy::None).build().unwrap();
        let stream = client.operations_stream(&OperationFilter::all()).unwrap();
        stream.channel.abort_driver();
        let closed = loop {
            let told = stream.next_notification().await.expect("the end is told");
            if let Notification::Closed(error) = told {
                break error.expect("it is no ordinary end");
            }
        };
        assert_eq!(closed.kind(), ErrorKind::Internal);
        assert!(stream.next_notification().await.is_none());
    }
}
