//! The task behind one subscription: connects, reads, hands over, and connects again.
//!
//! It decides little: [`super::reconnect`] says when to go on, [`crate::sse`] what the bytes mean. Its owner is
//! the [`super::Subscription`], which aborts it. The bounded channel is the back-pressure: while the consumer
//! is behind, the socket is not read.

use std::sync::Arc;
use std::time::Instant;

use async_channel::{SendError, Sender};
use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::reconnect::{Reconnect, is_fatal};
use super::{Notification, StreamState};
use crate::client::Transport;
use crate::error::{Error, ErrorKind};
use crate::graphql::{GraphqlError, Reply};
use crate::json::Json;
use crate::sse::decoder::{Frame, SseDecoder};
use crate::sse::framing::{self, Message};

/// Says whether an event is wanted.
pub(super) type Keep = Box<dyn Fn(&Json) -> bool + Send + Sync>;

/// What a server's `complete` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnComplete {
    Close,
    Reconnect,
}

pub(super) struct Driver {
    pub(super) transport: Arc<Transport>,
    pub(super) body: Bytes,
    /// The root field whose value is the event; `None` hands out the whole `data`.
    pub(super) field: Option<&'static str>,
    pub(super) keep: Option<Keep>,
    pub(super) on_complete: OnComplete,
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

/// Why a connection ended.
enum End {
    /// The server finished the operation, or answered 204.
    Completed,
    Failed(Error),
    /// The consumer is gone.
    Abandoned,
}

impl<T> From<SendError<T>> for End {
    fn from(_: SendError<T>) -> Self {
        Self::Abandoned
    }
}

impl Driver {
    pub(super) async fn run(self) {
        let mut reconnect = Reconnect::new(self.transport.stream_policy());
        let mut last_event_id = None;
        // An error here means that the consumer is gone, and nobody is left to tell.
        let _ = self.keep_connected(&mut reconnect, &mut last_event_id).await;
    }

    async fn keep_connected(
        &self,
        reconnect: &mut Reconnect,
        last_event_id: &mut Option<String>,
    ) -> Result<(), SendError<Notification<Json>>> {
        loop {
            self.sender.send(Notification::State(StreamState::Connecting)).await?;
            let cause = match self.connection(reconnect, last_event_id).await {
                End::Abandoned => return Ok(()),
                End::Completed => match self.on_complete {
                    OnComplete::Close => return self.closed(None).await,
                    OnComplete::Reconnect => {
                        Error::new(ErrorKind::ConnectionLost, "the server ended the stream")
                    }
                },
                End::Failed(error) if is_fatal(&error) => {
                    return self.closed(Some(error)).await;
                }
                End::Failed(error) => error,
            };
            self.standing.send_replace(Standing::NotOpen);
            let (failures, delay) = reconnect.lost(&cause, Instant::now(), fastrand::f64());
            tracing::info!(failures, ?delay, %cause, "a stream will be connected again");
            let state = StreamState::Retrying { failures, delay, cause: Arc::new(cause) };
            self.sender.send(Notification::State(state)).await?;
            sleep(delay).await;
        }
    }

    async fn closed(&self, error: Option<Error>) -> Result<(), SendError<Notification<Json>>> {
        self.standing.send_replace(Standing::Closed(error.clone()));
        self.sender.send(Notification::Closed(error)).await
    }

    /// One connection from its request to its end.
    async fn connection(&self, reconnect: &mut Reconnect, last_event_id: &mut Option<String>) -> End {
        match self.read_events(reconnect, last_event_id).await {
            Ok(()) => End::Completed,
            Err(end) => end,
        }
    }

    async fn read_events(
        &self,
        reconnect: &mut Reconnect,
        last_event_id: &mut Option<String>,
    ) -> Result<(), End> {
        let idle = self.transport.stream_policy().idle_timeout;
        let silent = |what: &str| End::Failed(Error::new(ErrorKind::Timeout, format!("{what} for {idle:?}")));

        // A server may hold its head back until the first event, so the wait for it is an idle time too.
        let opening = self.transport.open_stream(self.body.clone(), last_event_id.as_deref());
        let opened = timeout(idle, opening).await.map_err(|_| silent("no answer to the subscription"))?;
        let Some(mut stream) = opened.map_err(End::Failed)? else {
            return Ok(());
        };
        let gap = reconnect.opened(Instant::now());
        self.standing.send_replace(Standing::Open);
        self.sender.send(Notification::State(StreamState::Open { gap })).await?;

        let mut decoder = SseDecoder::new(self.transport.limits().event);
        let mut results = 0_u64;
        loop {
            let chunk = timeout(idle, stream.chunk()).await.map_err(|_| silent("the stream was silent"))?;
            let Some(chunk) = chunk.map_err(End::Failed)? else {
                return Err(End::Failed(Error::new(
                    ErrorKind::ConnectionLost,
                    "the server closed the stream",
                )));
            };
            reconnect.heard(Instant::now());
            decoder.push(&chunk);
            loop {
                let frame = match decoder.poll() {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(_) => return Err(self.too_large().await),
                };
                if let Frame::Retry(wait) = frame {
                    reconnect.asked_to_wait(wait);
                }
                match framing::interpret(frame) {
                    Some(Message::Complete) => return Ok(()),
                    Some(Message::Malformed(error)) => self.sender.send(Notification::Problem(error)).await?,
                    Some(Message::Next(reply)) => {
                        self.result(reply, results == 0).await?;
                        results += 1;
                    }
                    None => {}
                }
            }
            if decoder.last_event_id() != last_event_id.as_deref() {
                *last_event_id = decoder.last_event_id().map(str::to_owned);
            }
        }
    }

    /// Hands over one GraphQL result.
    async fn result(&self, reply: Reply, first: bool) -> Result<(), End> {
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
                Ok(item) => self.sender.send(Notification::Event(item)).await?,
                Err(error) => self.sender.send(Notification::Problem(error)).await?,
            }
        }
        Ok(())
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

    /// Tells the consumer of an event past the limit. The rest of the connection cannot be read: the end of the
    /// event is not known.
    async fn too_large(&self) -> End {
        let limit = self.transport.limits().event;
        let message = format!("an event of the stream is larger than the limit of {limit} bytes");
        match self.sender.send(Notification::Problem(Error::new(ErrorKind::TooLarge, message.clone()))).await
        {
            Ok(()) => End::Failed(Error::new(ErrorKind::TooLarge, message)),
            Err(_) => End::Abandoned,
        }
    }
}
