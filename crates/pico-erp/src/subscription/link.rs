//! One connection of a subscription, whichever way it travels, as a sequence of [`LinkEvent`]s.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::poll::Poll;
use crate::client::{StreamResponse, Transport};
use crate::error::{Error, ErrorKind};
use crate::graphql::StreamMessage;
use crate::sse::decoder::{Frame, SseDecoder};
use crate::sse::framing;
use crate::ws::connection::{Hub, WsEvent, WsStream};

/// What a connection has to say.
#[derive(Debug)]
pub(super) enum LinkEvent {
    /// Events can arrive.
    Opened,
    /// A sign of life.
    Heard,
    Message(StreamMessage),
    /// The server asks to wait this long before the next connection.
    Retry(Duration),
    /// The connection is over. What was polled for long enough ends so too, to try a stream again.
    Failed(Error),
}

/// An open connection, or one that opens by itself.
pub(super) enum Link {
    Sse(Box<SseLink>),
    WebSocket(WsStream),
    Poll(Box<Poll>),
}

impl Link {
    pub(super) async fn next(&mut self) -> LinkEvent {
        match self {
            Self::Sse(sse) => sse.next().await,
            Self::Poll(poll) => poll.next().await,
            Self::WebSocket(stream) => match stream.next().await {
                WsEvent::Opened => LinkEvent::Opened,
                WsEvent::Message(message) => LinkEvent::Message(message),
                WsEvent::Failed(error) => LinkEvent::Failed(error),
            },
        }
    }

    /// What the next connection should say it heard last.
    pub(super) fn last_event_id(&self) -> Option<&str> {
        match self {
            Self::Sse(sse) => sse.decoder.last_event_id(),
            Self::WebSocket(_) | Self::Poll(_) => None,
        }
    }

    /// Subscribes on the client's WebSocket.
    pub(super) fn web_socket(hub: &Hub, transport: &Arc<Transport>, body: &Bytes) -> Result<Self, Error> {
        let payload: Box<RawValue> = serde_json::from_slice(body).map_err(|error| {
            Error::new(ErrorKind::Internal, "the request could not be read again").with_source(error)
        })?;
        Ok(Self::WebSocket(hub.join(transport, payload)))
    }
}

/// An event stream over HTTP.
pub(super) struct SseLink {
    stream: StreamResponse,
    decoder: SseDecoder,
    idle: Duration,
    /// How long the first byte may take, while that is in question.
    first_byte: Option<Duration>,
    greeted: bool,
}

impl SseLink {
    /// `first_byte` bounds the wait for the first byte of the body, where a proxy may hold it back.
    pub(super) fn new(
        stream: StreamResponse,
        decoder: SseDecoder,
        idle: Duration,
        first_byte: Option<Duration>,
    ) -> Self {
        Self { stream, decoder, idle, first_byte, greeted: false }
    }

    async fn next(&mut self) -> LinkEvent {
        if !self.greeted {
            self.greeted = true;
            return LinkEvent::Opened;
        }
        loop {
            match self.decoder.poll() {
                Ok(Some(Frame::Retry(wait))) => return LinkEvent::Retry(wait),
                Ok(Some(frame)) => {
                    if let Some(message) = framing::interpret(frame) {
                        return LinkEvent::Message(message);
                    }
                }
                Ok(None) => return self.read().await,
                Err(too_large) => return LinkEvent::Failed(too_large.into()),
            }
        }
    }

    async fn read(&mut self) -> LinkEvent {
        let limit = self.first_byte.unwrap_or(self.idle).min(self.idle);
        match timeout(limit, self.stream.chunk()).await {
            Err(_) => LinkEvent::Failed(Error::new(
                ErrorKind::Timeout,
                format!("the stream was silent for {limit:?}"),
            )),
            Ok(Err(error)) => LinkEvent::Failed(error),
            Ok(Ok(None)) => {
                LinkEvent::Failed(Error::new(ErrorKind::ConnectionLost, "the server closed the stream"))
            }
            Ok(Ok(Some(chunk))) => {
                self.first_byte = None;
                self.decoder.push(&chunk);
                LinkEvent::Heard
            }
        }
    }
}
