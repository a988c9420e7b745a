//! [`LogLine`]: a line of this library's log in parts, for hosts that have no [`tracing`] subscriber of their own: C and
//! Python. Rust programs need none of this.
//!
//! [`LogLines`] is a subscriber that makes the lines and hands them to a function. Whether it is installed is the host's
//! decision; the core never does so.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// A line of the log.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogLine {
    /// When it was written.
    pub timestamp: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// Where it comes from: a module of this library.
    pub target: &'static str,
    /// What happened.
    pub message: String,
    /// What it is about, by name: numbers and booleans as such, everything else as text.
    pub fields: Vec<(&'static str, Value)>,
}

impl LogLine {
    /// A line.
    #[must_use]
    pub fn new(level: Level, target: &'static str, message: impl Into<String>) -> Self {
        Self { timestamp: Timestamp::now(), level, target, message: message.into(), fields: Vec::new() }
    }

    fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut line = Self::new(*metadata.level(), metadata.target(), String::new());
        event.record(&mut line);
        line
    }

    /// The message, and ` name=value` for each field behind it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.message.clone();
        for (name, value) in &self.fields {
            // Writing to a string does not fail.
            let _ = match value {
                Value::String(value) => write!(text, " {name}={value}"),
                value => write!(text, " {name}={value}"),
            };
        }
        text
    }

    /// `{"timestamp","level","target","message", ...}` with the fields behind, on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let level = match self.level {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let timestamp = self.timestamp.to_string();
        let head = [
            ("timestamp", Value::from(timestamp)),
            ("level", Value::from(level)),
            ("target", Value::from(self.target)),
            ("message", Value::from(self.message.as_str())),
        ];
        let mut text = String::from("{");
        for (name, value) in head.iter().chain(&self.fields) {
            let comma = if text.len() > 1 { "," } else { "" };
            let _ = write!(text, "{comma}{}:{value}", Value::from(*name));
        }
        text.push('}');
        text
    }
}

impl Visit for LogLine {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => self.fields.push((name, value.into())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // The message comes this way too.
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Makes lines of this library's events, and of no others': its dependencies may log what a server sent.
pub struct LogLines<W, S> {
    wanted: W,
    sink: S,
}

impl<W, S> LogLines<W, S>
where
    W: Fn(&Level) -> bool + Send + Sync + 'static,
    S: Fn(LogLine) + Send + Sync + 'static,
{
    /// One that hands lines of the levels that are `wanted` to `sink`, on the thread that writes them: it must be quick, and
    /// must not block. After another level is wanted, call `tracing::callsite::rebuild_interest_cache()`.
    pub fn new(wanted: W, sink: S) -> Self {
        Self { wanted, sink }
    }

    /// Has it take the process's events from now on.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] when there is another subscriber already.
    pub fn install(self) -> Result<(), crate::Error> {
        tracing::subscriber::set_global_default(self).map_err(|_| {
            let message = "another subscriber takes this library's log already";
            crate::Error::new(crate::ErrorKind::Internal, message)
        })
    }
}

impl<W, S> fmt::Debug for LogLines<W, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLines").finish_non_exhaustive()
    }
}

impl<W, S> Subscriber for LogLines<W, S>
where
    W: Fn(&Level) -> bool + Send + Sync + 'static,
    S: Fn(LogLine) + Send + Sync + 'static,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let ours = target == "pico_erp" || target.starts_with("pico_erp::");
        metadata.is_event() && ours && (self.wanted)(metadata.level())
    }

    fn event(&self, event: &Event<'_>) {
        (self.sink)(LogLine::of(event));
    }

    // Spans are not shown.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_are_told_as_text_and_as_json() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let subscriber = LogLines::new(
            |level: &Level| *level <= Level::INFO,
            move |line: LogLine| sink.lock().unwrap().push(line),
        );
        tracing::subscriber::with_default(subscriber, || {
            let (wait, trace_id) = (Duration::from_secs(1), None::<String>);
            let error = "a \"b\"\nc";
            tracing::warn!(target: "pico_erp::test", attempt = 2, last = true, share = 0.5, ?wait, trace_id, %error, "as {}", 1);
            tracing::info!(target: "pico_erp", transport = "sse", "plain");
            tracing::debug!(target: "pico_erp::test", "too fine");
            tracing::error!(target: "pico_erpx", "not ours");
            tracing::error!(target: "somebody_else", "not ours");
        });
        let lines = lines.lock().unwrap();
        let texts: Vec<String> = lines.iter().map(LogLine::to_text).collect();
        assert_eq!(
            texts,
            ["as 1 attempt=2 last=true share=0.5 wait=1s error=a \"b\"\nc", "plain transport=sse"]
        );
        let json = lines[0].to_json();
        let (head, rest) = json.split_once("Z\",").unwrap();
        assert!(head.starts_with("{\"timestamp\":\"2"), "{json}");
        assert_eq!(
            rest,
            r#""level":"warn","target":"pico_erp::test","message":"as 1","attempt":2,"last":true,"share":0.5,"wait":"1s","error":"a \"b\"\nc"}"#
        );
        assert!(serde_json::from_str::<Value>(&lines[1].to_json()).is_ok());
    }
}
