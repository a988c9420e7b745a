//! The task behind one subscription: connects, reads, hands over, and connects again.
//!
//! It decides little: [`super::choice`] says which way to go, [`super::reconnect`] when, [`super::link`] what came. Its
//! owner is the [`super::Subscription`], which aborts it. The bounded channel is the back-pressure: while the
//! consumer is behind, the socket is not read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::choice::Choice;
use super::link::{Link, LinkEvent, SseLink};
use super::poll::{Poll, PollPlan, Seen};
use super::queue::{Closed, NotSent, Sender};
use super::reconnect::{Reconnect, is_fatal};
use super::{Notification, StreamState};
use crate::client::{ApiGeneration, Overflow, StreamTransport, Transport, explained};
use crate::error::{Error, ErrorKind};
use crate::graphql::{GraphqlError, Reply, StreamMessage};
use crate::json::Json;
use crate::sse::decoder::SseDecoder;
use crate::ws::connection::Hub;

/// Says whether an event is wanted.
pub(super) type Keep = Box<dyn Fn(&Json) -> bool + Send + Sync>;

/// What a server's `complete` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnComplete {
    Close,
    Reconnect,
}

/// What to ask for, and how to get along without a stream.
pub(super) struct Plan {
    pub(super) body: Bytes,
    pub(super) poll: PollPlan,
}

/// What to ask for, as far as it is known before the server is.
pub(super) enum Plans {
    /// A document of the caller's, for which there is nothing but a stream.
    Document(Bytes),
    /// One of Pico's own streams, in the form that all generations take and in that of G3.
    OfPico { common: Box<Plan>, g3: Box<Plan> },
}

impl Plans {
    fn is_polled(&self) -> bool {
        matches!(self, Self::OfPico { .. })
    }

    /// Finds out which generation the server is, where that is open.
    async fn settle(&self, transport: &Transport) -> Result<(&Bytes, Option<&PollPlan>), Error> {
        match self {
            Self::Document(body) => Ok((body, None)),
            Self::OfPico { common, g3 } => {
                let plan = if transport.generation().await? == ApiGeneration::G3 { g3 } else { common };
                Ok((&plan.body, Some(&plan.poll)))
            }
        }
    }
}

pub(super) struct Driver {
    pub(super) transport: Arc<Transport>,
    pub(super) hub: Arc<Hub>,
    pub(super) plans: Plans,
    /// The root field whose value is the event; `None` hands out the whole `data`.
    pub(super) field: Option<&'static str>,
    pub(super) keep: Option<Keep>,
    pub(super) on_complete: OnComplete,
    pub(super) overflow: Overflow,
    pub(super) sender: Sender<Notification<Json>>,
    pub(super) standing: watch::Sender<Standing>,
}

/// Whether events can arrive at this moment, for whoever waits for that without taking notifications.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    NotOpen,
    Open,
    Closed(Option<Error>),
}

/// What a subscription remembers from one connection to the next.
struct Memory {
    reconnect: Reconnect,
    choice: Choice,
    last_event_id: Option<String>,
    seen: Arc<Mutex<Seen>>,
    /// Events dropped of which the consumer does not know yet.
    dropped: u64,
}

/// Why a connection ended.
enum End {
    /// The server finished the operation.
    Completed,
    Failed(Error),
    /// The consumer is gone.
    Abandoned,
}

impl From<Closed> for End {
    fn from(_: Closed) -> Self {
        Self::Abandoned
    }
}

impl Driver {
    pub(super) async fn run(self) {
        let policy = self.transport.stream_policy();
        let mut memory = Memory {
            reconnect: Reconnect::new(policy),
            choice: Choice::new(policy.transport, self.plans.is_polled()),
            last_event_id: None,
            seen: Arc::default(),
            dropped: 0,
        };
        // An error here means that the consumer is gone, and nobody is left to tell.
        let _ = self.keep_connected(&mut memory).await;
    }

    async fn keep_connected(&self, memory: &mut Memory) -> Result<(), Closed> {
        loop {
            self.state(StreamState::Connecting { transport: memory.choice.current() }).await?;
            let mut opened = false;
            let cause = match self.connection(memory, &mut opened).await {
                Err(End::Abandoned) => return Ok(()),
                // Unlike a `complete`, which a server sends when it shuts down, a 204 is meant for good.
                Ok(()) => return self.closed(None).await,
                Err(End::Completed) => match self.on_complete {
                    OnComplete::Close => return self.closed(None).await,
                    OnComplete::Reconnect => {
                        Error::new(ErrorKind::ConnectionLost, "the server ended the stream")
                    }
                },
                Err(End::Failed(error)) => explained(error, self.field.unwrap_or_default()),
            };
            self.standing.send_replace(Standing::NotOpen);
            if let Some(transport) = memory.choice.ended(&cause, opened) {
                tracing::info!(transport = transport.name(), error = %cause, "a stream goes another way");
                self.state(StreamState::Switched { transport, cause: Arc::new(cause) }).await?;
                continue;
            }
            if is_fatal(&cause) {
                return self.closed(Some(cause)).await;
            }
            let (failures, delay) = memory.reconnect.lost(&cause, Instant::now(), fastrand::f64());
            let transport = memory.choice.current().name();
            tracing::info!(transport, failures, ?delay, error = %cause, "a stream will be connected again");
            self.state(StreamState::Retrying { failures, delay, cause: Arc::new(cause) }).await?;
            sleep(delay).await;
        }
    }

    async fn state(&self, state: StreamState) -> Result<(), Closed> {
        self.sender.send(Notification::State(state)).await
    }

    async fn closed(&self, error: Option<Error>) -> Result<(), Closed> {
        self.standing.send_replace(Standing::Closed(error.clone()));
        self.sender.send(Notification::Closed(error)).await
    }

    /// One connection from its request to its end; `Ok` is a server that answers 204.
    async fn connection(&self, memory: &mut Memory, opened: &mut bool) -> Result<(), End> {
        let Some(mut link) = self.open(memory).await? else { return Ok(()) };
        let transport = memory.choice.current();
        let mut results = 0_u64;
        loop {
            let event = tokio::select! {
                event = link.next() => event,
                // As soon as the consumer has room again it is told what it missed.
                told = self.sender.send(Notification::Dropped { count: memory.dropped }), if memory.dropped > 0 => {
                    told?;
                    memory.dropped = 0;
                    continue;
                }
            };
            // An id may come without an event, so it is looked at whatever came.
            if link.last_event_id() != memory.last_event_id.as_deref() {
                memory.last_event_id = link.last_event_id().map(str::to_owned);
            }
            match event {
                LinkEvent::Opened => {
                    *opened = true;
                    let gap = memory.reconnect.opened(Instant::now());
                    self.standing.send_replace(Standing::Open);
                    self.state(StreamState::Open { transport, gap }).await?;
                }
                LinkEvent::Heard => {
                    memory.reconnect.heard(Instant::now());
                    if transport == StreamTransport::Sse {
                        memory.choice.sse_works();
                    }
                }
                LinkEvent::Retry(wait) => memory.reconnect.asked_to_wait(wait),
                LinkEvent::Message(message) => {
                    memory.reconnect.heard(Instant::now());
                    match message {
                        StreamMessage::Complete => return Err(End::Completed),
                        StreamMessage::Malformed(error) => {
                            self.sender.send(Notification::Problem(error)).await?
                        }
                        StreamMessage::Next(reply) => {
                            self.result(reply, results == 0, memory).await?;
                            results += 1;
                        }
                    }
                }
                LinkEvent::Failed(error) => {
                    if error.kind() == ErrorKind::TooLarge {
                        // An event is lost, not only a connection: its end is not known, so it cannot be skipped.
                        self.sender.send(Notification::Problem(error.clone())).await?;
                    }
                    return Err(End::Failed(error));
                }
            }
        }
    }

    /// Opens a connection the way that is chosen; `None` when the server asks never to connect again.
    async fn open(&self, memory: &Memory) -> Result<Option<Link>, End> {
        let policy = self.transport.stream_policy();
        let (body, poll) = self.plans.settle(&self.transport).await.map_err(End::Failed)?;
        match memory.choice.current() {
            StreamTransport::WebSocket => {
                Link::web_socket(&self.hub, &self.transport, body).map(Some).map_err(End::Failed)
            }
            StreamTransport::Poll => {
                let plan = poll.cloned().ok_or_else(|| {
                    End::Failed(Error::invalid(
                        "transport",
                        "poll is only for Pico's own streams, not for a document",
                    ))
                })?;
                let period = memory.choice.polls_for_a_while().then_some(policy.poll_period);
                let poll = Poll::new(Arc::clone(&self.transport), plan, Arc::clone(&memory.seen), period);
                Ok(Some(Link::Poll(Box::new(poll))))
            }
            StreamTransport::Sse | StreamTransport::Auto => {
                let first_byte = memory.choice.doubts_sse().then_some(policy.first_byte_timeout);
                // A server may hold its head back until the first event, so the wait for it is an idle time too.
                let limit = first_byte.unwrap_or(policy.idle_timeout).min(policy.idle_timeout);
                let opening = self.transport.open_stream(body.clone(), memory.last_event_id.as_deref());
                let stream = timeout(limit, opening).await.map_err(|_| {
                    let message = format!("no answer to the subscription for {limit:?}");
                    End::Failed(Error::new(ErrorKind::Timeout, message))
                })?;
                let Some(stream) = stream.map_err(End::Failed)? else { return Ok(None) };
                let decoder =
                    SseDecoder::new(self.transport.limits().event).resuming(memory.last_event_id.clone());
                let sse = SseLink::new(stream, decoder, policy.idle_timeout, first_byte);
                Ok(Some(Link::Sse(Box::new(sse))))
            }
        }
    }

    /// Hands over one GraphQL result.
    async fn result(&self, reply: Reply, first: bool, memory: &mut Memory) -> Result<(), End> {
        if let Some(error) = reply.error() {
            // Without any data as the very first result, it is the answer to the document itself: servers that
            // have already promised an event stream report a bad document so.
            if reply.data.is_none() && first {
                return Err(End::Failed(error));
            }
            if error.kind() == ErrorKind::Unauthorized
                || reply.errors.iter().all(GraphqlError::is_server_fault)
            {
                return Err(End::Failed(error));
            }
            self.sender.send(Notification::Problem(error)).await?;
        }
        for item in self.items(&reply) {
            match item {
                Ok(item) if item.is_null() => {}
                Ok(item) if self.keep.as_ref().is_some_and(|keep| !keep(&item)) => {}
                Ok(item) => {
                    if self.plans.is_polled() {
                        memory.seen.lock().unwrap_or_else(PoisonError::into_inner).note(&item);
                    }
                    self.hand_over(item, &mut memory.dropped).await?;
                }
                Err(error) => self.sender.send(Notification::Problem(error)).await?,
            }
        }
        Ok(())
    }

    /// Hands over one event, or drops it where that was asked for and the consumer is behind.
    async fn hand_over(&self, item: Json, dropped: &mut u64) -> Result<(), End> {
        if self.overflow == Overflow::Wait {
            return Ok(self.sender.send(Notification::Event(item)).await?);
        }
        // What was dropped before is told first, so that the order is kept.
        if *dropped > 0 && self.sender.try_send(Notification::Dropped { count: *dropped }).is_ok() {
            *dropped = 0;
        }
        if *dropped > 0 {
            *dropped += 1;
            return Ok(());
        }
        match self.sender.try_send(Notification::Event(item)) {
            Ok(()) => Ok(()),
            Err(NotSent::Full) => {
                *dropped += 1;
                Ok(())
            }
            Err(NotSent::Closed) => Err(End::Abandoned),
        }
    }

    /// The events in a result: the root field's value, or each element where a server sends a list.
    fn items(&self, reply: &Reply) -> Vec<Result<Json, Error>> {
        let Some(data) = &reply.data else {
            return Vec::new();
        };
        let Some(field) = self.field else {
            return vec![Ok(data.clone())];
        };
        let unexpected = || {
            let message = format!("an event of the stream has no data.{field}");
            vec![Err(Error::new(ErrorKind::Decode, message).with_body(reply.raw.as_bytes()))]
        };
        let Ok(fields) = data.decode_borrowed::<std::collections::BTreeMap<String, &RawValue>>() else {
            return unexpected();
        };
        match fields.get(field) {
            None => unexpected(),
            Some(value) if value.get().starts_with('[') => {
                match serde_json::from_str::<Vec<&RawValue>>(value.get()) {
                    Ok(list) => list.into_iter().map(|element| Ok(data.piece(element))).collect(),
                    Err(_) => unexpected(),
                }
            }
            Some(value) => vec![Ok(data.piece(value))],
        }
    }
}
