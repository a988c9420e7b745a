//! [`TraceContext`]: the `traceparent` header that ties a request to a trace, so that what an ERP, a proxy and Pico each
//! record of one call can be put together.
//!
//! Source: W3C Recommendation "Trace Context", sections 3.2 (the header) and 4.3 (what to do with one that is wrong). This
//! library records no spans itself. So a caller's parent is sent as it stands, retries included: with a span id of ours
//! between, which nobody has recorded, the tree of the trace would fall apart.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderName, HeaderValue};

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Section 3.2.2.3: the caller may have recorded the trace. What has no opinion says so too: samplers that follow their parent
/// would else drop what they record without a header.
const SAMPLED: u8 = 1;
/// The length of version 00.
const LENGTH: usize = 55;

type Provider = dyn Fn() -> Option<String> + Send + Sync;

tokio::task_local! {
    static PARENT: Option<String>;
}

/// Whether requests carry a [`traceparent`](https://www.w3.org/TR/trace-context/) header, and which. Default off.
#[derive(Clone, Default)]
pub struct TraceContext(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    Off,
    Generate,
    Provider(Arc<Provided>),
}

struct Provided {
    provider: Box<Provider>,
    /// Whether it was said already that what it gives is wrong.
    warned: AtomicBool,
}

impl TraceContext {
    /// No header.
    #[must_use]
    pub fn off() -> Self {
        Self(Source::Off)
    }

    /// Begins a trace for each call, stream and batch of orders. Its id stands in the log and in
    /// [`Error::trace_id`](crate::Error::trace_id); a retry has the same one and a span id of its own.
    #[must_use]
    pub fn generate() -> Self {
        Self(Source::Generate)
    }

    /// Sends the `traceparent` that `provider` gives, as OpenTelemetry's propagator writes it for the current span. It is
    /// asked once for each call, inside the call's future, and must be quick. With `None`, as in tasks of this
    /// library's own, and with what is no `traceparent`, which is warned of once, a trace is begun as by
    /// [`TraceContext::generate`].
    #[must_use]
    pub fn provider(provider: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        let provided = Provided { provider: Box::new(provider), warned: AtomicBool::new(false) };
        Self(Source::Provider(Arc::new(provided)))
    }

    /// Runs `call` with this `traceparent` for what it sends, in place of what a provider would give. Nothing is sent by a
    /// client whose trace context is off.
    pub async fn scope<F: Future>(traceparent: Option<String>, call: F) -> F::Output {
        PARENT.scope(traceparent, call).await
    }

    /// What the requests of one call carry.
    pub(crate) fn begin(&self) -> Option<Trace> {
        let scoped = || PARENT.try_with(Clone::clone).ok().flatten();
        let given = match &self.0 {
            Source::Off => return None,
            Source::Generate => scoped(),
            Source::Provider(provided) => scoped().or_else(|| (provided.provider)()),
        };
        let parent = given.and_then(|text| {
            let parent = TraceParent::parse(&text);
            if parent.is_none() {
                self.warn();
            }
            parent
        });
        Some(match parent {
            Some(parent) => Trace { parent, own: false },
            None => Trace { parent: TraceParent::random(), own: true },
        })
    }

    fn warn(&self) {
        let first = match &self.0 {
            Source::Provider(provided) => !provided.warned.swap(true, Ordering::Relaxed),
            _ => true,
        };
        if first {
            // Not what it is: it came from somewhere else.
            tracing::warn!(
                "what was given as traceparent is none by W3C Trace Context; a new trace is begun"
            );
        }
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Off => "TraceContext(off)",
            Source::Generate => "TraceContext(generate)",
            Source::Provider(_) => "TraceContext(from a provider)",
        })
    }
}

/// The trace that a call belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    parent: TraceParent,
    /// Whether it was begun here.
    own: bool,
}

impl Trace {
    /// The same for the next try.
    pub(crate) fn again(self) -> Self {
        let parent = if self.own { self.parent.with_span(random_span()) } else { self.parent };
        Self { parent, ..self }
    }

    pub(crate) fn header(self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.parent.to_string()).ok()
    }

    /// As it stands in logs.
    pub(crate) fn id(self) -> String {
        format!("{:032x}", self.parent.trace_id)
    }
}

/// What the header says. Neither id is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TraceParent {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

fn random_span() -> u64 {
    fastrand::u64(1..)
}

impl TraceParent {
    fn random() -> Self {
        Self { trace_id: fastrand::u128(1..), span_id: random_span(), flags: SAMPLED }
    }

    fn with_span(self, span_id: u64) -> Self {
        Self { span_id, ..self }
    }

    /// Reads a header of any version: those to come begin as version 00 does (section 3.2.4).
    fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let hex = |from: usize, to: usize| {
            let digits = bytes.get(from..to)?;
            let lower = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
            let digits = std::str::from_utf8(digits).ok().filter(|_| lower)?;
            u128::from_str_radix(digits, 16).ok()
        };
        let dash = |at: usize| bytes.get(at) == Some(&b'-');
        let version = hex(0, 2).filter(|version| *version != 0xff)?;
        let ends = bytes.len() == LENGTH || (version > 0 && dash(LENGTH));
        if !(ends && dash(2) && dash(35) && dash(52)) {
            return None;
        }
        let trace_id = hex(3, 35).filter(|id| *id != 0)?;
        let span_id = u64::try_from(hex(36, 52)?).ok().filter(|id| *id != 0)?;
        let flags = u8::try_from(hex(53, 55)?).ok()?;
        // Of a version that is not known only this flag is.
        Some(Self { trace_id, span_id, flags: if version > 0 { flags & SAMPLED } else { flags } })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

#[cfg(test)]
#[path = "trace_context_tests.rs"]
mod tests;
