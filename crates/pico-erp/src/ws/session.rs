//! One GraphQL connection inside a WebSocket, sans-IO: texts in, texts and messages out, the time passed in.
//!
//! It speaks graphql-transport-ws (the text in the graphql-ws project, PROTOCOL.md) and, where a server selects it,
//! its predecessor subscriptions-transport-ws, whose sub-protocol is confusingly called `graphql-ws`. Frames, sockets
//! and clocks are [`super::connection`]'s.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind};
use crate::graphql::StreamMessage;

/// The sub-protocols offered, the preferred one first.
pub(crate) const OFFERED_PROTOCOLS: &str = "graphql-transport-ws, graphql-ws";

/// Which of the two protocols the server chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// graphql-transport-ws.
    TransportWs,
    /// subscriptions-transport-ws.
    Legacy,
}

impl Dialect {
    /// The dialect of the `Sec-WebSocket-Protocol` that the server answered with.
    pub(crate) fn from_protocol(name: Option<&str>) -> Result<Self, Error> {
        match name {
            Some("graphql-transport-ws") => Ok(Self::TransportWs),
            Some("graphql-ws") => Ok(Self::Legacy),
            other => Err(Error::new(
                ErrorKind::Decode,
                format!(
                    "the server speaks no GraphQL over WebSocket: it chose the sub-protocol {}",
                    other.map_or_else(|| "none".to_owned(), |name| format!("\"{name}\""))
                ),
            )),
        }
    }
}

/// Times of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// How long the server may take to acknowledge the connection.
    pub(crate) acknowledge: Duration,
    /// How often the server is asked for a sign of life when it gives none by itself.
    pub(crate) ping: Duration,
    /// With no message for this long the connection counts as dead.
    pub(crate) idle: Duration,
}

/// Something to put on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transmit {
    Text(String),
    /// A ping frame of the WebSocket itself, for the dialect that has none of its own.
    PingFrame,
    /// A close frame; nothing follows it.
    Close(u16, &'static str),
}

/// Something to tell a subscription, or all of them.
#[derive(Debug)]
pub(crate) enum Output {
    /// Events of this subscription can arrive.
    Opened(u64),
    Message(u64, StreamMessage),
    /// The connection is over, for everyone on it.
    Failed(Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// `connection_init` is sent, the answer awaited.
    Greeting,
    Ready,
    Over,
}

/// A subscription on the connection.
#[derive(Debug)]
struct Operation {
    payload: Box<RawValue>,
    opened: bool,
    /// The server has sent something for it.
    answered: bool,
    /// The number of the ping that followed its subscribe.
    ping: u64,
}

pub(crate) struct Session {
    dialect: Dialect,
    timing: Timing,
    phase: Phase,
    started: Instant,
    last_heard: Instant,
    pinged: Option<Instant>,
    /// How many pings were sent.
    pings: u64,
    next_id: u64,
    operations: BTreeMap<u64, Operation>,
    transmits: VecDeque<Transmit>,
    outputs: VecDeque<Output>,
}

/// A message in either direction; a field that a type does not have is absent.
#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

/// The payload of our pings.
#[derive(Deserialize)]
struct Echo {
    n: u64,
}

impl Session {
    /// A session on a socket that is just open. `init` is the payload of `connection_init`.
    pub(crate) fn new(dialect: Dialect, timing: Timing, init: &serde_json::Value, now: Instant) -> Self {
        let mut session = Self {
            dialect,
            timing,
            phase: Phase::Greeting,
            started: now,
            last_heard: now,
            pinged: None,
            pings: 0,
            next_id: 1,
            operations: BTreeMap::new(),
            transmits: VecDeque::new(),
            outputs: VecDeque::new(),
        };
        session.send(serde_json::json!({ "type": "connection_init", "payload": init }));
        session
    }

    /// Adds a subscription; `payload` is the body that a POST would have. It is sent once the server has
    /// acknowledged the connection. Ids are never used twice on a connection.
    pub(crate) fn subscribe(&mut self, payload: Box<RawValue>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.operations.insert(id, Operation { payload, opened: false, answered: false, ping: 0 });
        if self.phase == Phase::Ready {
            self.send_subscribes(&[id]);
        }
        id
    }

    /// Ends a subscription. What the server still sends for it is passed over.
    pub(crate) fn unsubscribe(&mut self, id: u64) {
        if self.operations.remove(&id).is_some() && self.phase == Phase::Ready {
            let kind = match self.dialect {
                Dialect::TransportWs => "complete",
                Dialect::Legacy => "stop",
            };
            self.send(serde_json::json!({ "id": id.to_string(), "type": kind }));
        }
    }

    /// Ends the connection in an orderly way.
    pub(crate) fn close(&mut self) {
        if self.phase != Phase::Over {
            if self.dialect == Dialect::Legacy {
                self.send(serde_json::json!({ "type": "connection_terminate" }));
            }
            self.transmits.push_back(Transmit::Close(1000, "Normal Closure"));
            self.phase = Phase::Over;
        }
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Session::handle_time`] wants to be called next.
    pub(crate) fn next_deadline(&self) -> Instant {
        let dead = self.dead_at();
        match self.phase {
            Phase::Greeting => dead.min(self.started + self.timing.acknowledge),
            _ if self.pinged.is_some() => dead,
            _ => dead.min(self.last_heard + self.timing.ping),
        }
    }

    /// When the connection counts as dead, should nothing be heard until then. Both protocols oblige a server to answer
    /// a ping, so one that does not is given no longer than the pings are apart.
    fn dead_at(&self) -> Instant {
        let silent = self.last_heard + self.timing.idle;
        self.pinged.map_or(silent, |pinged| silent.min(pinged + self.timing.ping))
    }

    /// Time has passed.
    pub(crate) fn handle_time(&mut self, now: Instant) {
        if self.phase == Phase::Over {
            return;
        }
        if self.phase == Phase::Greeting && now >= self.started + self.timing.acknowledge {
            let message =
                format!("the server did not acknowledge the connection within {:?}", self.timing.acknowledge);
            // PROTOCOL.md names no code for it; 4504 is graphql-ws's own.
            self.fail(
                Error::new(ErrorKind::Timeout, message),
                Some((4504, "Connection acknowledgement timeout")),
            );
        } else if now >= self.dead_at() {
            let message = format!("the stream was silent for {:?}", now.duration_since(self.last_heard));
            self.fail(Error::new(ErrorKind::Timeout, message), Some((1001, "Silence")));
        } else if self.phase == Phase::Ready
            && self.pinged.is_none()
            && now >= self.last_heard + self.timing.ping
        {
            self.pinged = Some(now);
            self.ask_for_life();
        }
    }

    /// A frame of any sort came: a sign of life.
    pub(crate) fn handle_life(&mut self, now: Instant) {
        self.last_heard = now;
        self.pinged = None;
    }

    /// A text frame came.
    pub(crate) fn handle_text(&mut self, text: Bytes, now: Instant) {
        if self.phase == Phase::Over {
            return;
        }
        self.handle_life(now);
        let message: Incoming<'_> = match serde_json::from_slice(&text) {
            Ok(message) => message,
            Err(error) => {
                let problem =
                    Error::new(ErrorKind::Decode, format!("a message of the server is malformed: {error}"));
                return self.fail(problem.with_body(&text), Some((4004, "Bad response")));
            }
        };
        let id = message.id.as_deref().and_then(|id| id.parse::<u64>().ok());
        let payload = message.payload.map(|payload| text.slice_ref(payload.get().as_bytes()));
        match (message.kind, id) {
            ("connection_ack", _) => self.acknowledged(),
            ("ping", _) => self.send(serde_json::json!({ "type": "pong" })),
            ("pong", _) => self.pong(payload),
            ("ka", _) => {}
            ("connection_error", _) => {
                let said = payload.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                let message = format!("the server refused the connection: {said}");
                self.fail(Error::new(ErrorKind::Unauthorized, message), Some((1000, "Normal Closure")));
            }
            ("next" | "data", Some(id)) => self.next(id, payload),
            ("error", Some(id)) => self.error(id, payload),
            ("complete", Some(id)) => self.complete(id),
            // PROTOCOL.md asks to close on a message of another type; a newer server's addition is not worth that.
            _ => {}
        }
    }

    /// A close frame came, or the socket ended (`None`).
    pub(crate) fn handle_close(&mut self, frame: Option<(u16, &str)>) {
        if self.phase == Phase::Over {
            return;
        }
        let error = match frame {
            None => Error::new(ErrorKind::ConnectionLost, "the server closed the stream"),
            Some((code, reason)) => self.closed(code, reason),
        };
        self.fail(error, None);
    }

    /// What a close frame means to those that go on.
    ///
    /// A server that cannot read one document may close the connection of all with 4400 (graphql-ws does so on a
    /// syntax error). That ends the newest subscription that was not answered yet; the others subscribe again.
    fn closed(&mut self, code: u16, reason: &str) -> Error {
        let error = close_error(code, reason);
        if code != 4400 || self.operations.is_empty() {
            return error;
        }
        if let Some((&id, _)) = self.operations.iter().rev().find(|(_, operation)| !operation.answered) {
            let errors = serde_json::json!([{ "message": error.to_string() }]).to_string();
            self.error(id, Some(errors.into()));
        }
        Error::new(ErrorKind::ConnectionLost, "the server closed the stream over another's document")
            .with_source(error)
    }

    /// The socket broke.
    pub(crate) fn handle_error(&mut self, error: Error) {
        if self.phase != Phase::Over {
            self.fail(error, None);
        }
    }

    /// Whether nothing will be said any more.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    fn acknowledged(&mut self) {
        if self.phase != Phase::Greeting {
            return;
        }
        self.phase = Phase::Ready;
        let ids: Vec<u64> = self.operations.keys().copied().collect();
        self.send_subscribes(&ids);
    }

    /// Subscribes and asks for an answer that follows.
    fn send_subscribes(&mut self, ids: &[u64]) {
        if ids.is_empty() {
            return;
        }
        ids.iter().for_each(|id| self.send_subscribe(*id));
        self.ask_for_life();
        for id in ids {
            if let Some(operation) = self.operations.get_mut(id) {
                operation.ping = self.pings;
            }
        }
    }

    fn send_subscribe(&mut self, id: u64) {
        let Some(operation) = self.operations.get(&id) else { return };
        let kind = match self.dialect {
            Dialect::TransportWs => "subscribe",
            Dialect::Legacy => "start",
        };
        let text = format!(r#"{{"id":"{id}","type":"{kind}","payload":{}}}"#, operation.payload.get());
        self.transmits.push_back(Transmit::Text(text));
        // The predecessor has no answer that would follow the subscribe: sent is all that can be known.
        if self.dialect == Dialect::Legacy {
            self.open(id);
        }
    }

    fn ask_for_life(&mut self) {
        self.pings += 1;
        match self.dialect {
            Dialect::TransportWs => {
                self.send(serde_json::json!({ "type": "ping", "payload": { "n": self.pings } }));
            }
            Dialect::Legacy => self.transmits.push_back(Transmit::PingFrame),
        }
    }

    /// An answer to a ping: the server has seen the subscribes before it. Servers may give back the payload, which says
    /// what ping it was; one without could be the answer to any.
    fn pong(&mut self, payload: Option<Bytes>) {
        let echo: Option<Echo> = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
        let answered = echo.map_or(self.pings, |echo| echo.n);
        let seen = self.operations.iter().filter(|(_, operation)| operation.ping <= answered);
        let ids: Vec<u64> = seen.map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.open(id));
    }

    fn open(&mut self, id: u64) {
        if let Some(operation) = self.operations.get_mut(&id).filter(|operation| !operation.opened) {
            operation.opened = true;
            self.outputs.push_back(Output::Opened(id));
        }
    }

    fn next(&mut self, id: u64, payload: Option<Bytes>) {
        let Some(operation) = self.operations.get_mut(&id) else { return };
        operation.answered = true;
        self.open(id);
        self.outputs.push_back(Output::Message(id, StreamMessage::result(payload.unwrap_or_default())));
    }

    /// Either side may complete; what crosses ours finds nothing left.
    fn complete(&mut self, id: u64) {
        if self.operations.remove(&id).is_some() {
            self.outputs.push_back(Output::Message(id, StreamMessage::Complete));
        }
    }

    /// An error message ends its operation; its payload is the list of a reply's `errors` (the predecessor: one).
    fn error(&mut self, id: u64, payload: Option<Bytes>) {
        if self.operations.remove(&id).is_none() {
            return;
        }
        let errors = payload.unwrap_or_else(|| Bytes::from_static(b"[{}]"));
        let mut reply = b"{\"errors\":".to_vec();
        reply.extend_from_slice(&errors);
        reply.push(b'}');
        self.outputs.push_back(Output::Message(id, StreamMessage::result(reply.into())));
        self.outputs.push_back(Output::Message(id, StreamMessage::Complete));
    }

    fn fail(&mut self, error: Error, close: Option<(u16, &'static str)>) {
        self.phase = Phase::Over;
        self.operations.clear();
        self.outputs.push_back(Output::Failed(error));
        if let Some((code, reason)) = close {
            self.transmits.push_back(Transmit::Close(code, reason));
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "every caller makes the message for this call")]
    fn send(&mut self, message: serde_json::Value) {
        self.transmits.push_back(Transmit::Text(message.to_string()));
    }
}

/// What a close code means: PROTOCOL.md of graphql-ws, and RFC 6455, section 7.4.1.
fn close_error(code: u16, reason: &str) -> Error {
    let told = if reason.is_empty() { format!("code {code}") } else { format!("code {code}: {reason}") };
    match code {
        // 4401 is "subscribed before the acknowledgement", which this session never does, so it can only mean the
        // token, as several servers use it; 4403 is the protocol's own code for that.
        4401 | 4403 => Error::new(ErrorKind::Unauthorized, format!("the server refused the token ({told})")),
        4400 => Error::new(ErrorKind::Graphql, format!("the server does not accept what was sent ({told})")),
        4406 => {
            Error::new(ErrorKind::Decode, format!("the server speaks no GraphQL over WebSocket ({told})"))
        }
        1009 => Error::new(ErrorKind::TooLarge, format!("a message was too large for the server ({told})")),
        4429 => Error::new(ErrorKind::RateLimited, format!("the server asks to slow down ({told})")),
        _ => Error::new(ErrorKind::ConnectionLost, format!("the server closed the stream ({told})")),
    }
}
