//! The one WebSocket connection of a client, shared by its subscriptions.
//!
//! [`Hub::join`] hands out a [`WsStream`] on the connection there is, or opens one. The connection is a task of its own; it
//! ends when its last stream does. [`super::session`] decides what is said on it. A consumer that is behind stops
//! the reading for all streams on the connection: that is the back-pressure.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::session::{Output, Session, Timing, Transmit};
use crate::client::{Socket, Transport, socket_error};
use crate::error::{Error, ErrorKind};
use crate::graphql::StreamMessage;

/// Messages that may wait for one subscription before the socket is no longer read.
const QUEUE: usize = 16;

/// What the connection tells one of its streams.
#[derive(Debug)]
pub(crate) enum WsEvent {
    /// The server has seen the subscription.
    Opened,
    Message(StreamMessage),
    /// The connection is over.
    Failed(Error),
}

/// Names a stream to the connection's task.
type Key = u64;

#[derive(Debug)]
enum Command {
    Subscribe { key: Key, payload: Box<RawValue>, events: mpsc::Sender<WsEvent> },
    Unsubscribe(Key),
}

/// A client's place for its connection.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    connection: Mutex<Option<mpsc::WeakUnboundedSender<Command>>>,
    keys: AtomicU64,
}

/// One subscription's end of the connection. Dropping it unsubscribes.
#[derive(Debug)]
pub(crate) struct WsStream {
    key: Key,
    events: mpsc::Receiver<WsEvent>,
    /// Keeps the connection up. Unbounded, but it never holds more than two commands for each stream.
    commands: mpsc::UnboundedSender<Command>,
}

impl Hub {
    /// Subscribes with `payload`, the body that a POST would have.
    pub(crate) fn join(&self, transport: &Arc<Transport>, payload: Box<RawValue>) -> WsStream {
        let key = self.keys.fetch_add(1, Ordering::Relaxed);
        let (events, receiver) = mpsc::channel(QUEUE);
        let mut command = Command::Subscribe { key, payload, events };
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commands) = slot.as_ref().and_then(mpsc::WeakUnboundedSender::upgrade) {
            match commands.send(command) {
                Ok(()) => return WsStream { key, events: receiver, commands },
                // That connection is over; its task has stopped listening.
                Err(unsent) => command = unsent.0,
            }
        }
        let (commands, queue) = mpsc::unbounded_channel();
        // The receiver is held right here.
        let _ = commands.send(command);
        *slot = Some(commands.downgrade());
        tokio::spawn(run(Arc::clone(transport), queue));
        WsStream { key, events: receiver, commands }
    }
}

impl WsStream {
    pub(crate) async fn next(&mut self) -> WsEvent {
        self.events.recv().await.unwrap_or_else(|| {
            WsEvent::Failed(Error::new(ErrorKind::ConnectionLost, "the connection's task has ended"))
        })
    }
}

impl Drop for WsStream {
    fn drop(&mut self) {
        // When the task is gone there is nothing to unsubscribe from.
        let _ = self.commands.send(Command::Unsubscribe(self.key));
    }
}

/// The streams on the connection, by their key and by the session's id.
#[derive(Default)]
struct Streams {
    ids: HashMap<Key, u64>,
    events: HashMap<u64, mpsc::Sender<WsEvent>>,
}

async fn run(transport: Arc<Transport>, mut queue: mpsc::UnboundedReceiver<Command>) {
    // Whoever joins while the connection is being made waits for it too.
    let mut early = Vec::new();
    let opening = transport.open_web_socket();
    tokio::pin!(opening);
    let socket = loop {
        tokio::select! {
            opened = &mut opening => break opened,
            command = queue.recv() => match command {
                None => return,
                Some(Command::Unsubscribe(gone)) => {
                    early.retain(|command| !matches!(command, Command::Subscribe { key, .. } if *key == gone));
                }
                Some(subscribe) => early.push(subscribe),
            },
        }
    };
    match socket {
        Ok(socket) => serve(&transport, socket, early, queue).await,
        Err(error) => {
            queue.close();
            while let Some(command) = queue.recv().await {
                early.push(command);
            }
            for command in early {
                if let Command::Subscribe { events, .. } = command {
                    // A stream that is gone need not know.
                    let _ = events.send(WsEvent::Failed(error.clone())).await;
                }
            }
        }
    }
}

async fn serve(
    transport: &Transport,
    socket: Socket,
    early: Vec<Command>,
    mut queue: mpsc::UnboundedReceiver<Command>,
) {
    let policy = transport.stream_policy();
    let timing = Timing {
        acknowledge: transport.request_timeout(),
        ping: policy.ping_interval,
        idle: policy.idle_timeout,
    };
    let Socket { mut stream, dialect, init } = socket;
    let mut session = Session::new(dialect, timing, &init, Instant::now());
    let mut streams = Streams::default();
    for command in early {
        streams.apply(&mut session, command);
    }
    loop {
        while let Some(transmit) = session.poll_transmit() {
            let last = matches!(transmit, Transmit::Close(..));
            let sent = stream.send(frame(transmit)).await;
            if let Err(error) = sent {
                session.handle_error(socket_error(&error));
            }
            if last {
                break;
            }
        }
        while let Some(output) = session.poll_output() {
            if let Output::Failed(error) = output {
                return streams.fail(&mut queue, &error).await;
            }
            streams.deliver(&mut session, output).await;
        }
        if session.is_over() {
            return;
        }
        tokio::select! {
            // After a wait for a slow consumer, what has been sent meanwhile counts before the time that has passed.
            biased;
            command = queue.recv() => match command {
                Some(command) => streams.apply(&mut session, command),
                // The last stream is gone.
                None => session.close(),
            },
            incoming = stream.next() => match incoming {
                None => session.handle_close(None),
                Some(Err(error)) => session.handle_error(socket_error(&error)),
                Some(Ok(message)) => hear(&mut session, message),
            },
            () = sleep_until(session.next_deadline().into()) => session.handle_time(Instant::now()),
        }
    }
}

fn frame(transmit: Transmit) -> Message {
    match transmit {
        Transmit::Text(text) => Message::text(text),
        Transmit::PingFrame => Message::Ping(Bytes::new()),
        Transmit::Close(code, reason) => {
            Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
        }
    }
}

fn hear(session: &mut Session, message: Message) {
    let now = Instant::now();
    match message {
        Message::Text(text) => session.handle_text(text.into(), now),
        // Some servers send their JSON as binary; JSON it is all the same.
        Message::Binary(bytes) => session.handle_text(bytes, now),
        // tungstenite answers pings by itself.
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => session.handle_life(now),
        Message::Close(None) => session.handle_close(None),
        Message::Close(Some(frame)) => session.handle_close(Some((frame.code.into(), frame.reason.as_str()))),
    }
}

impl Streams {
    fn apply(&mut self, session: &mut Session, command: Command) {
        match command {
            Command::Subscribe { key, payload, events } => {
                let id = session.subscribe(payload);
                self.ids.insert(key, id);
                self.events.insert(id, events);
            }
            Command::Unsubscribe(key) => {
                if let Some(id) = self.ids.remove(&key) {
                    self.events.remove(&id);
                    session.unsubscribe(id);
                }
            }
        }
    }

    /// Hands a message to its stream, waiting for a place in its queue.
    async fn deliver(&mut self, session: &mut Session, output: Output) {
        let (id, event) = match output {
            Output::Opened(id) => (id, WsEvent::Opened),
            Output::Message(id, message) => (id, WsEvent::Message(message)),
            Output::Failed(_) => return,
        };
        let Some(events) = self.events.get(&id) else { return };
        if events.send(event).await.is_err() {
            self.events.remove(&id);
            session.unsubscribe(id);
        }
    }

    /// Tells every stream, those that are just joining included, that the connection is over.
    async fn fail(self, queue: &mut mpsc::UnboundedReceiver<Command>, error: &Error) {
        queue.close();
        let mut all: Vec<_> = self.events.into_values().collect();
        while let Some(command) = queue.recv().await {
            if let Command::Subscribe { events, .. } = command {
                all.push(events);
            }
        }
        for events in all {
            // A stream that is gone need not know.
            let _ = events.send(WsEvent::Failed(error.clone())).await;
        }
    }
}
