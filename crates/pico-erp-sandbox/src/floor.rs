//! The sandbox's memory behind one lock: catalogue, orders, completions, notes, deliveries, and the log of events
//! that streams and webhooks read. It opens no socket. The GraphQL resolvers, the control API and the Rust API all
//! act through it, so an order saved over HTTP and one completed from Rust meet here.
//!
//! A stream is a position in the event log, not a queue: a slow or stalled reader costs nothing and loses nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::watch;

use crate::catalogue::Catalogue;
use crate::completions::Completions;
use crate::error::{Error, ErrorKind};
use crate::model::{Attribute, CompletedOrder, NoteEvent, Operation, SubOperation};
use crate::orders::Orders;
use crate::production::{Rules, Serials};
use crate::seed::{OperationSpec, Seed, SubOperationSpec};
use crate::time::{Clock, Time};
use crate::uploads::Uploads;
use crate::wire::Connection;
use crate::work_instructions::WorkInstructions;

/// Something that streams and webhooks report.
#[derive(Clone)]
pub(crate) enum Event {
    Operation(Arc<Operation>),
    SubOperation(Arc<SubOperation>),
    Completion(Arc<CompletedOrder>),
    Note(Arc<NoteEvent>),
}

/// One POST to a webhook, finished; or one that was [dropped](crate::WebhookPosts::Dropped).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The webhook's id.
    pub subscription_id: String,
    /// Where it was posted to.
    pub webhook_url: String,
    /// When the attempt began.
    pub at: Time,
    /// The body that was posted.
    pub body: String,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Whether it counts as delivered: any 2xx does.
    pub delivered: bool,
    /// Why it failed, if it did. The event is then lost: nothing is sent again.
    pub error: Option<String>,
}

/// How many subscriptions are open, by transport. Those on a connection that has
/// [vanished](crate::FaultKind::HalfOpen) are not: nobody serves them any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenStreams {
    /// Over Server-Sent Events.
    pub sse: usize,
    /// Over WebSocket; several may share one socket.
    pub web_socket: usize,
}

/// The transport a stream is counted under.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Transport {
    Sse,
    WebSocket,
}

/// What [`Sandbox::wait_for`](crate::Sandbox::wait_for) waits for: all of these, each at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Subscriptions open now, over SSE and WebSocket together.
    pub streams: usize,
    /// Webhook POSTs finished so far, delivered or failed.
    pub deliveries: usize,
    /// Completions so far.
    pub completions: usize,
    /// Orders so far, in any state.
    pub orders: usize,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) catalogue: Catalogue,
    pub(crate) orders: Orders,
    pub(crate) completions: Completions,
    pub(crate) notes: Vec<Arc<NoteEvent>>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) log: Vec<Event>,
    pub(crate) clock: Clock,
    pub(crate) serials: Serials,
    pub(crate) uploads: Uploads,
    pub(crate) work_instructions: WorkInstructions,
    /// What the finished children of a waterfall order consumed, until their parent is complete.
    pub(crate) collected: HashMap<u64, Vec<Attribute>>,
    pub(crate) auto_complete: Option<Duration>,
    streams: HashMap<u64, (Transport, Connection)>,
    next_stream: u64,
}

impl State {
    fn open_streams(&self) -> OpenStreams {
        let mut open = OpenStreams::default();
        for (transport, connection) in self.streams.values() {
            if !connection.has_vanished() {
                *open.of(*transport) += 1;
            }
        }
        open
    }

    /// Creates or replaces an operation and reports it.
    pub(crate) fn deploy(&mut self, spec: OperationSpec, now: Time) -> Result<Arc<Operation>, Error> {
        let operation = self.catalogue.deploy(spec, now)?;
        self.log.push(Event::Operation(Arc::clone(&operation)));
        Ok(operation)
    }

    /// Creates or replaces an edge and reports it.
    pub(crate) fn link(&mut self, spec: SubOperationSpec) -> Result<Arc<SubOperation>, Error> {
        let now = self.clock.tick();
        let edge = self.catalogue.link(spec, now)?;
        self.log.push(Event::SubOperation(Arc::clone(&edge)));
        Ok(edge)
    }
}

pub(crate) struct Floor {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    requests: AtomicU64,
    pub(crate) rules: Rules,
}

impl Floor {
    pub(crate) fn new(seed: &Seed, rules: Rules, auto_complete: Option<Duration>) -> Result<Self, Error> {
        seed.check()?;
        let mut state = State { auto_complete, ..State::default() };
        let now = Time::now();
        for spec in &seed.operations {
            state.catalogue.deploy(spec.clone(), now)?;
        }
        for spec in &seed.sub_operations {
            state.catalogue.link(spec.clone(), now)?;
        }
        Ok(Floor {
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            requests: AtomicU64::new(0),
            rules,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not take the whole sandbox down with it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the state and wakes whoever waits for a change.
    pub(crate) fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.lock());
        self.changed.send_modify(|revision| *revision += 1);
        result
    }

    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn open_streams(&self) -> OpenStreams {
        self.lock().open_streams()
    }

    /// Counts a stream as open until the guard is dropped.
    pub(crate) fn count_stream(
        self: &Arc<Self>,
        transport: Transport,
        connection: Connection,
    ) -> StreamGuard {
        let number = self.change(|state| {
            state.next_stream += 1;
            state.streams.insert(state.next_stream, (transport, connection));
            state.next_stream
        });
        StreamGuard { floor: Arc::clone(self), number }
    }

    /// The events from now on. The position is taken before this returns, so nothing that happens afterwards is
    /// missed, however late the stream is polled.
    pub(crate) fn follow(self: &Arc<Self>) -> impl Stream<Item = Event> + Send + use<> {
        // So that a reader far behind does not hold the lock for long.
        const AT_ONCE: usize = 256;
        let reader = Reader {
            changes: self.changed.subscribe(),
            next: self.read(|state| state.log.len()),
            floor: Arc::clone(self),
            fetched: VecDeque::new(),
        };
        stream::unfold(reader, |mut reader| async move {
            loop {
                if let Some(event) = reader.fetched.pop_front() {
                    return Some((event, reader));
                }
                reader.changes.mark_unchanged();
                let next = reader.next;
                reader.fetched =
                    reader.floor.read(|state| state.log[next..].iter().take(AT_ONCE).cloned().collect());
                reader.next += reader.fetched.len();
                if reader.fetched.is_empty() {
                    // The sender lives in the floor, which this reader keeps alive.
                    reader.changes.changed().await.ok()?;
                }
            }
        })
    }

    /// Waits until all minimums hold.
    pub(crate) async fn wait_for(&self, waits: Waits, deadline: Duration) -> Result<(), Error> {
        let mut changes = self.changes();
        let met = async {
            loop {
                changes.mark_unchanged();
                if self.missing(&waits).is_empty() {
                    return;
                }
                if changes.changed().await.is_err() {
                    // Not while the floor lives; then nothing can come any more.
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(deadline, met).await.map_err(|_| {
            let missing = self.missing(&waits).join(", ");
            Error::new(ErrorKind::TimedOut, format!("not within {deadline:?}: {missing}"))
        })
    }

    fn missing(&self, waits: &Waits) -> Vec<String> {
        let state = self.lock();
        let streams = state.open_streams();
        let have = [
            ("streams", streams.sse + streams.web_socket, waits.streams),
            ("deliveries", state.deliveries.len(), waits.deliveries),
            ("completions", state.completions.len(), waits.completions),
            ("orders", state.orders.all().len(), waits.orders),
        ];
        let short = have.iter().filter(|(_, have, want)| have < want);
        short.map(|(name, have, want)| format!("{name} {have} of {want}")).collect()
    }

    /// Completes saved orders by itself, each when the delay has passed since it was saved, for as long as a
    /// delay is set. Runs until it is aborted.
    pub(crate) async fn complete_by_itself(self: Arc<Self>) {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            let due = self.read(|state| {
                let delay = state.auto_complete?;
                state.orders.waiting.front().map(|(since, _)| *since + delay)
            });
            let Some(due) = due else {
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep_until(due) => self.change(|state| {
                    // Looked at again: the delay may have been switched off in between.
                    let Some(delay) = state.auto_complete else { return };
                    let now = tokio::time::Instant::now();
                    while let Some(&(since, number)) = state.orders.waiting.front() {
                        if since + delay > now {
                            break;
                        }
                        state.orders.waiting.pop_front();
                        state.complete_waiting(number, self.rules);
                    }
                }),
                _ = changes.changed() => {}
            }
        }
    }
}

impl OpenStreams {
    fn of(&mut self, transport: Transport) -> &mut usize {
        match transport {
            Transport::Sse => &mut self.sse,
            Transport::WebSocket => &mut self.web_socket,
        }
    }
}

struct Reader {
    floor: Arc<Floor>,
    changes: watch::Receiver<u64>,
    next: usize,
    fetched: VecDeque<Event>,
}

/// Keeps a stream counted as open.
pub(crate) struct StreamGuard {
    floor: Arc<Floor>,
    number: u64,
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.floor.change(|state| state.streams.remove(&self.number));
    }
}
