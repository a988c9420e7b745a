//! What can be made to go wrong, and the list of what is to go wrong now. The faults below HTTP are carried out by
//! `wire`, the others by the handlers that ask here for their turn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::Error;
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
    kind: FaultKind,
    times: Option<u32>,
    lasts: Option<Duration>,
}

/// What goes wrong. All but [`Split`](FaultKind::Split) and [`Stall`](FaultKind::Stall) are about requests to the
/// GraphQL paths; those two are about all connections except the control API's.
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

    /// Only that often: requests, or events for the faults of events. Split and stall have no such count.
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
    wire: Arc<Wire>,
}

impl FaultBox {
    pub(crate) fn new(wire: Arc<Wire>) -> Self {
        FaultBox { active: Mutex::default(), wire }
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
                _ => {}
            }
            active.push(Active { left: fault.times, until, fault });
        }
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

/// A fault as the control API reads and writes it: one flat object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FaultBody {
    kind: KindName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_seconds: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindName {
    Split,
    Stall,
    Delay,
    Status,
    Html,
    Hang,
    CutBody,
    HugeBody,
    MalformedJson,
    MalformedEvent,
    HugeEvent,
    RefuseBatch,
}

impl FaultBody {
    fn of(fault: &Fault, left: Option<u32>) -> Self {
        let kind = match fault.kind {
            FaultKind::Split { .. } => KindName::Split,
            FaultKind::Stall => KindName::Stall,
            FaultKind::Delay(_) => KindName::Delay,
            FaultKind::Status { .. } => KindName::Status,
            FaultKind::Html => KindName::Html,
            FaultKind::Hang => KindName::Hang,
            FaultKind::CutBody => KindName::CutBody,
            FaultKind::HugeBody { .. } => KindName::HugeBody,
            FaultKind::MalformedJson => KindName::MalformedJson,
            FaultKind::MalformedEvent => KindName::MalformedEvent,
            FaultKind::HugeEvent { .. } => KindName::HugeEvent,
            FaultKind::RefuseBatch => KindName::RefuseBatch,
        };
        let mut body = FaultBody {
            kind,
            bytes: None,
            seconds: None,
            status: None,
            retry_after_seconds: None,
            times: left,
            for_seconds: fault.lasts.map(|lasts| lasts.as_secs_f64()),
        };
        match fault.kind {
            FaultKind::Split { bytes } => body.bytes = Some(bytes as u64),
            FaultKind::HugeBody { bytes } | FaultKind::HugeEvent { bytes } => body.bytes = Some(bytes),
            FaultKind::Delay(delay) => body.seconds = Some(delay.as_secs_f64()),
            FaultKind::Status { status, retry_after } => {
                body.status = Some(status);
                body.retry_after_seconds = retry_after.map(|after| after.as_secs());
            }
            _ => {}
        }
        body
    }

    /// The fault it describes; the error names the field that is missing, wrong, or not for this kind.
    pub(crate) fn fault(self) -> Result<Fault, Error> {
        use KindName as K;
        let needs = |field: &str| Error::invalid(format!("{field}: is required with this kind"));
        let positive = |field: &str, bytes: Option<u64>| match bytes {
            Some(0) => Err(Error::invalid(format!("{field}: must be at least 1"))),
            other => Ok(other),
        };
        let strays = [
            ("bytes", self.bytes.is_some(), matches!(self.kind, K::Split | K::HugeBody | K::HugeEvent)),
            ("seconds", self.seconds.is_some(), self.kind == K::Delay),
            ("status", self.status.is_some(), self.kind == K::Status),
            ("retryAfterSeconds", self.retry_after_seconds.is_some(), self.kind == K::Status),
            ("times", self.times.is_some(), !matches!(self.kind, K::Split | K::Stall)),
        ];
        if let Some((field, ..)) = strays.iter().find(|(_, given, fits)| *given && !*fits) {
            return Err(Error::invalid(format!("{field}: has no meaning with this kind")));
        }
        let bytes = positive("bytes", self.bytes)?;
        let kind = match self.kind {
            K::Split => FaultKind::Split { bytes: bytes.ok_or_else(|| needs("bytes"))? as usize },
            K::Stall => FaultKind::Stall,
            K::Delay => FaultKind::Delay(seconds("seconds", self.seconds.ok_or_else(|| needs("seconds"))?)?),
            K::Status => {
                let status = self.status.ok_or_else(|| needs("status"))?;
                if !(200..=599).contains(&status) {
                    return Err(Error::invalid("status: must be from 200 to 599"));
                }
                let retry_after = self.retry_after_seconds.map(Duration::from_secs);
                FaultKind::Status { status, retry_after }
            }
            K::Html => FaultKind::Html,
            K::Hang => FaultKind::Hang,
            K::CutBody => FaultKind::CutBody,
            K::HugeBody => FaultKind::HugeBody { bytes: bytes.unwrap_or(HUGE_BODY) },
            K::MalformedJson => FaultKind::MalformedJson,
            K::MalformedEvent => FaultKind::MalformedEvent,
            K::HugeEvent => FaultKind::HugeEvent { bytes: bytes.ok_or_else(|| needs("bytes"))? },
            K::RefuseBatch => FaultKind::RefuseBatch,
        };
        let lasts = self.for_seconds.map(|lasts| seconds("forSeconds", lasts)).transpose()?;
        Ok(Fault { kind, times: self.times, lasts })
    }
}

/// A duration from a field that holds seconds.
pub(crate) fn seconds(field: &str, value: f64) -> Result<Duration, Error> {
    // A day: far more than a test waits, and far from what overflows a clock.
    match Duration::try_from_secs_f64(value) {
        Ok(duration) if duration <= Duration::from_secs(86_400) => Ok(duration),
        _ => Err(Error::invalid(format!("{field}: must be a number of seconds from 0 to 86400"))),
    }
}
