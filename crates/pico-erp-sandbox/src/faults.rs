//! What can be made to go wrong, and the list of what is to go wrong now. The faults below HTTP are carried out by
//! `wire`, the others by the handlers that ask here for their turn. How the control API writes them is in
//! `fault_body`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::fault_body::FaultBody;
use crate::wire::Wire;

/// The default size of [`FaultKind::HugeBody`]: 100 MB.
pub const HUGE_BODY: u64 = 100_000_000;

/// One thing that goes wrong, for how often and for how long. Without a limit it goes on until it is cleared.
///
/// ```
/// use pico_erp_sandbox::{Fault, Faults};
///
/// let faults = Faults::new().with(Fault::status(503).times(2)).with(Fault::split(1));
/// # let _ = faults;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) times: Option<u32>,
    pub(crate) lasts: Option<Duration>,
}

/// What goes wrong. All are about requests to the GraphQL paths, except [`Split`](FaultKind::Split),
/// [`Stall`](FaultKind::Stall) and [`HalfOpen`](FaultKind::HalfOpen): these are about all connections that do not
/// serve the control API. Requests to `/uploads` meet [`Delay`](FaultKind::Delay), [`Status`](FaultKind::Status),
/// [`Html`](FaultKind::Html), [`Hang`](FaultKind::Hang), [`CutBefore`](FaultKind::CutBefore) and
/// [`CutAfter`](FaultKind::CutAfter) as well, and have two of their own.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// Every write goes out in pieces of at most that many bytes.
    Split {
        /// The most bytes of one piece, at least 1.
        bytes: usize,
    },
    /// Nothing more is written, until the fault ends; then what was held back follows.
    Stall,
    /// The request waits that long before anything else happens to it.
    Delay(Duration),
    /// The request is answered with that status and not carried out. On WebSocket: the upgrade is.
    Status {
        /// The HTTP status.
        status: u16,
        /// The `Retry-After` header, in whole seconds.
        retry_after: Option<Duration>,
    },
    /// The request is answered 200 with an HTML log-in page, as proxies do, and not carried out.
    Html,
    /// The request is never answered and not carried out.
    Hang,
    /// The connection is reset when the request has arrived, which is not carried out.
    CutBefore,
    /// The request is carried out, but the connection is reset before a byte of the reply is sent. A client sees no
    /// difference to [`CutBefore`](FaultKind::CutBefore).
    CutAfter,
    /// The request is carried out, but the connection breaks half way through the reply.
    CutBody,
    /// The request is answered with that many bytes of valid JSON, a list of operations, and not carried out.
    HugeBody {
        /// The least size of the body.
        bytes: u64,
    },
    /// The request is carried out, but the reply is half a JSON text.
    MalformedJson,
    /// The next event of a stream is half a JSON text. It is not sent again.
    MalformedEvent,
    /// The next event of a stream is padded to that many bytes; it is valid.
    HugeEvent {
        /// The least size of the event's data.
        bytes: u64,
    },
    /// A mutation with more than one root field is refused with a GraphQL error and not carried out.
    RefuseBatch,
    /// An event stream passes a proxy that buffers: what the server writes, comments included, is held back. A stream
    /// that began under this fault stays so to its end. Other replies and WebSockets pass.
    BufferSse {
        /// Whether the head of the response passes at once, or only with the first bytes of the body.
        head: bool,
        /// How many bytes have to pile up to be passed on together; `None` holds them back until the stream ends.
        bytes: Option<u64>,
    },
    /// The server vanishes from every connection that is open, as when a machine loses its power: it reads and writes
    /// nothing any more and does not close either. Ending the fault does not bring such a connection back; it stays
    /// until [`cut_connections`](crate::Sandbox::cut_connections), which is the reset that a machine sends that is up
    /// again and knows nothing of it.
    HalfOpen {
        /// Whether this also befalls connections that are opened while the fault lasts, at their first request.
        /// Otherwise they work.
        new_too: bool,
    },
    /// A WebSocket is closed: every one that is open, and every new one in place of an acknowledgement.
    CloseWs {
        /// The close code, sent as it is even where RFC 6455 (section 7.4) reserves it.
        code: u16,
        /// The reason; what exceeds 123 bytes is not sent.
        reason: String,
    },
    /// The upgrade to WebSocket is answered with that status, as a proxy does that knows no WebSocket.
    RefuseUpgrade {
        /// The HTTP status.
        status: u16,
    },
    /// The `connection_init` of a WebSocket is never answered.
    NoAck,
    /// The connection is reset while a file is uploaded, which is not kept.
    CutUpload {
        /// Only at the chunk with that index; `None` means any request that brings a file.
        chunk: Option<u64>,
        /// After how many bytes of the file, or of the chunk, or at its end.
        bytes: u64,
    },
    /// A file or a chunk is read and then answered with that status, and not kept.
    RefuseUpload {
        /// Only the chunk with that index; `None` means any request that brings a file.
        chunk: Option<u64>,
        /// The HTTP status.
        status: u16,
    },
}

impl Fault {
    /// A fault of that kind, without a limit.
    pub fn new(kind: FaultKind) -> Self {
        Fault { kind, times: None, lasts: None }
    }

    /// Writes split into pieces of at most `bytes` bytes.
    pub fn split(bytes: usize) -> Self {
        Fault::new(FaultKind::Split { bytes })
    }

    /// Writes that pend.
    pub fn stall() -> Self {
        Fault::new(FaultKind::Stall)
    }

    /// Requests that wait first.
    pub fn delay(delay: Duration) -> Self {
        Fault::new(FaultKind::Delay(delay))
    }

    /// Requests answered with a status.
    pub fn status(status: u16) -> Self {
        Fault::new(FaultKind::Status { status, retry_after: None })
    }

    /// Requests answered with a status and a `Retry-After`.
    pub fn status_retry_after(status: u16, retry_after: Duration) -> Self {
        Fault::new(FaultKind::Status { status, retry_after: Some(retry_after) })
    }

    /// An event stream that a proxy holds back: its head or not, and its body until that many bytes or the end.
    pub fn buffer_sse(head: bool, bytes: Option<u64>) -> Self {
        Fault::new(FaultKind::BufferSse { head, bytes })
    }

    /// A server that vanishes from all connections, those opened later included or not.
    pub fn half_open(new_too: bool) -> Self {
        Fault::new(FaultKind::HalfOpen { new_too })
    }

    /// WebSockets closed with a code and a reason.
    pub fn close_ws(code: u16, reason: impl Into<String>) -> Self {
        Fault::new(FaultKind::CloseWs { code, reason: reason.into() })
    }

    /// Upgrades to WebSocket answered with a status.
    pub fn refuse_upgrade(status: u16) -> Self {
        Fault::new(FaultKind::RefuseUpgrade { status })
    }

    /// An upload whose connection is reset after that many bytes of a chunk, or of any file.
    pub fn cut_upload(chunk: Option<u64>, bytes: u64) -> Self {
        Fault::new(FaultKind::CutUpload { chunk, bytes })
    }

    /// A chunk, or any file, that is answered with a status.
    pub fn refuse_upload(chunk: Option<u64>, status: u16) -> Self {
        Fault::new(FaultKind::RefuseUpload { chunk, status })
    }

    /// Only that often: requests, events for the faults of events, sockets for those of WebSocket. Split, stall and
    /// half-open have no such count.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Only that long, from the moment it is set.
    #[must_use]
    pub fn lasting(mut self, lasts: Duration) -> Self {
        self.lasts = Some(lasts);
        self
    }

    /// What goes wrong.
    pub fn kind(&self) -> &FaultKind {
        &self.kind
    }
}

/// A list of faults. A request takes the first one that fits; delays come on top of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// No faults.
    pub fn new() -> Self {
        Faults::default()
    }

    /// The same with one more.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.0.push(fault);
        self
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Faults(vec![fault])
    }
}

struct Active {
    fault: Fault,
    left: Option<u32>,
    until: Option<Instant>,
}

impl Active {
    fn live(&self) -> bool {
        self.left != Some(0) && self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// The faults that are set now.
pub(crate) struct FaultBox {
    active: Mutex<Vec<Active>>,
    changes: watch::Sender<u64>,
    wire: Arc<Wire>,
}

impl FaultBox {
    pub(crate) fn new(wire: Arc<Wire>) -> Self {
        FaultBox { active: Mutex::default(), changes: watch::Sender::new(0), wire }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
        self.wire.mend();
    }

    pub(crate) fn add(&self, faults: Faults) {
        let mut active = self.lock();
        active.retain(Active::live);
        for fault in faults.0 {
            let until = fault.lasts.map(|lasts| Instant::now() + lasts);
            match fault.kind {
                FaultKind::Split { bytes } => self.wire.split(bytes, until),
                FaultKind::Stall => self.wire.stall(until),
                FaultKind::HalfOpen { .. } => {
                    self.wire.vanish();
                }
                _ => {}
            }
            active.push(Active { left: fault.times, until, fault });
        }
        drop(active);
        self.changes.send_modify(|times| *times += 1);
    }

    /// Tells when faults were added, to those who cannot wait for the next request to ask.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether such a fault is in force. It takes no turn.
    pub(crate) fn is_live(&self, fits: impl Fn(&FaultKind) -> bool) -> bool {
        self.lock().iter().any(|one| one.live() && fits(&one.fault.kind))
    }

    /// What is set and still in force.
    pub(crate) fn list(&self) -> Vec<FaultBody> {
        let active = self.lock();
        active.iter().filter(|one| one.live()).map(|one| FaultBody::of(&one.fault, one.left)).collect()
    }

    /// Takes a turn of the first fault that fits.
    pub(crate) fn take(&self, fits: impl Fn(&FaultKind) -> bool) -> Option<FaultKind> {
        let mut active = self.lock();
        let found = active.iter_mut().find(|one| one.live() && fits(&one.fault.kind))?;
        if let Some(left) = &mut found.left {
            *left -= 1;
        }
        Some(found.fault.kind.clone())
    }

    /// How long the next request has to wait.
    pub(crate) fn take_delay(&self) -> Duration {
        match self.take(|kind| matches!(kind, FaultKind::Delay(_))) {
            Some(FaultKind::Delay(delay)) => delay,
            _ => Duration::ZERO,
        }
    }

    /// The text of an event as it is sent: spoilt, when it is the turn of such a fault.
    pub(crate) fn spoil_event(&self, text: String) -> String {
        match self.take(|kind| matches!(kind, FaultKind::MalformedEvent | FaultKind::HugeEvent { .. })) {
            Some(FaultKind::MalformedEvent) => half(&text),
            Some(FaultKind::HugeEvent { bytes }) => pad(&text, bytes),
            _ => text,
        }
    }
}

/// The first half of a text.
pub(crate) fn half(text: &str) -> String {
    shortened(text, text.len() / 2).to_owned()
}

/// As much of a text as fits into that many bytes.
pub(crate) fn shortened(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A result of GraphQL with so much in its `extensions` that it has that size.
fn pad(text: &str, bytes: u64) -> String {
    let open = text.strip_suffix('}').unwrap_or(text);
    let frame = r#","extensions":{"padding":""}}"#;
    let missing = (bytes as usize).saturating_sub(open.len() + frame.len());
    format!(r#"{open},"extensions":{{"padding":"{}"}}}}"#, "x".repeat(missing))
}
