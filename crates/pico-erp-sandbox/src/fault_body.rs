//! A fault as the control API reads and writes it: one flat JSON object. What the kinds mean is in `faults`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::faults::{Fault, FaultKind, HUGE_BODY};

/// A fault as the control API reads and writes it: one flat object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    head: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    new_too: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chunk: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_seconds: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindName {
    Split,
    #[default]
    Stall,
    Delay,
    Status,
    Html,
    Hang,
    CutBefore,
    CutAfter,
    CutBody,
    HugeBody,
    MalformedJson,
    MalformedEvent,
    HugeEvent,
    RefuseBatch,
    BufferSse,
    HalfOpen,
    CloseWs,
    RefuseUpgrade,
    NoAck,
    CutUpload,
    RefuseUpload,
}

impl FaultBody {
    pub(crate) fn of(fault: &Fault, left: Option<u32>) -> Self {
        let kind = match fault.kind {
            FaultKind::Split { .. } => KindName::Split,
            FaultKind::Stall => KindName::Stall,
            FaultKind::Delay(_) => KindName::Delay,
            FaultKind::Status { .. } => KindName::Status,
            FaultKind::Html => KindName::Html,
            FaultKind::Hang => KindName::Hang,
            FaultKind::CutBefore => KindName::CutBefore,
            FaultKind::CutAfter => KindName::CutAfter,
            FaultKind::CutBody => KindName::CutBody,
            FaultKind::HugeBody { .. } => KindName::HugeBody,
            FaultKind::MalformedJson => KindName::MalformedJson,
            FaultKind::MalformedEvent => KindName::MalformedEvent,
            FaultKind::HugeEvent { .. } => KindName::HugeEvent,
            FaultKind::RefuseBatch => KindName::RefuseBatch,
            FaultKind::BufferSse { .. } => KindName::BufferSse,
            FaultKind::HalfOpen { .. } => KindName::HalfOpen,
            FaultKind::CloseWs { .. } => KindName::CloseWs,
            FaultKind::RefuseUpgrade { .. } => KindName::RefuseUpgrade,
            FaultKind::NoAck => KindName::NoAck,
            FaultKind::CutUpload { .. } => KindName::CutUpload,
            FaultKind::RefuseUpload { .. } => KindName::RefuseUpload,
        };
        let mut body = FaultBody {
            kind,
            times: left,
            for_seconds: fault.lasts.map(|lasts| lasts.as_secs_f64()),
            ..FaultBody::default()
        };
        match &fault.kind {
            FaultKind::Split { bytes } => body.bytes = Some(*bytes as u64),
            FaultKind::HugeBody { bytes } | FaultKind::HugeEvent { bytes } => body.bytes = Some(*bytes),
            FaultKind::Delay(delay) => body.seconds = Some(delay.as_secs_f64()),
            FaultKind::Status { status, retry_after } => {
                body.status = Some(*status);
                body.retry_after_seconds = retry_after.map(|after| after.as_secs());
            }
            FaultKind::BufferSse { head, bytes } => (body.head, body.bytes) = (Some(*head), *bytes),
            FaultKind::HalfOpen { new_too } => body.new_too = Some(*new_too),
            FaultKind::CloseWs { code, reason } => {
                (body.code, body.reason) = (Some(*code), Some(reason.clone()));
            }
            FaultKind::RefuseUpgrade { status } => body.status = Some(*status),
            FaultKind::CutUpload { chunk, bytes } => (body.chunk, body.bytes) = (*chunk, Some(*bytes)),
            FaultKind::RefuseUpload { chunk, status } => (body.chunk, body.status) = (*chunk, Some(*status)),
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
            (
                "bytes",
                self.bytes.is_some(),
                matches!(self.kind, K::Split | K::HugeBody | K::HugeEvent | K::BufferSse | K::CutUpload),
            ),
            ("seconds", self.seconds.is_some(), self.kind == K::Delay),
            (
                "status",
                self.status.is_some(),
                matches!(self.kind, K::Status | K::RefuseUpgrade | K::RefuseUpload),
            ),
            ("retryAfterSeconds", self.retry_after_seconds.is_some(), self.kind == K::Status),
            ("chunk", self.chunk.is_some(), matches!(self.kind, K::CutUpload | K::RefuseUpload)),
            ("head", self.head.is_some(), self.kind == K::BufferSse),
            ("newToo", self.new_too.is_some(), self.kind == K::HalfOpen),
            ("code", self.code.is_some(), self.kind == K::CloseWs),
            ("reason", self.reason.is_some(), self.kind == K::CloseWs),
            ("times", self.times.is_some(), !matches!(self.kind, K::Split | K::Stall | K::HalfOpen)),
        ];
        if let Some((field, ..)) = strays.iter().find(|(_, given, fits)| *given && !*fits) {
            return Err(Error::invalid(format!("{field}: has no meaning with this kind")));
        }
        let bytes = positive("bytes", self.bytes)?;
        let status = || match self.status {
            None => Err(needs("status")),
            Some(status) if (200..=599).contains(&status) => Ok(status),
            Some(_) => Err(Error::invalid("status: must be from 200 to 599")),
        };
        let kind = match self.kind {
            K::Split => FaultKind::Split { bytes: bytes.ok_or_else(|| needs("bytes"))? as usize },
            K::Stall => FaultKind::Stall,
            K::Delay => FaultKind::Delay(seconds("seconds", self.seconds.ok_or_else(|| needs("seconds"))?)?),
            K::Status => {
                let retry_after = self.retry_after_seconds.map(Duration::from_secs);
                FaultKind::Status { status: status()?, retry_after }
            }
            K::Html => FaultKind::Html,
            K::Hang => FaultKind::Hang,
            K::CutBefore => FaultKind::CutBefore,
            K::CutAfter => FaultKind::CutAfter,
            K::CutBody => FaultKind::CutBody,
            K::HugeBody => FaultKind::HugeBody { bytes: bytes.unwrap_or(HUGE_BODY) },
            K::MalformedJson => FaultKind::MalformedJson,
            K::MalformedEvent => FaultKind::MalformedEvent,
            K::HugeEvent => FaultKind::HugeEvent { bytes: bytes.ok_or_else(|| needs("bytes"))? },
            K::RefuseBatch => FaultKind::RefuseBatch,
            K::BufferSse => FaultKind::BufferSse { head: self.head.unwrap_or(true), bytes },
            K::HalfOpen => FaultKind::HalfOpen { new_too: self.new_too.unwrap_or(false) },
            K::CloseWs => FaultKind::CloseWs {
                code: close_code(self.code.ok_or_else(|| needs("code"))?)?,
                reason: self.reason.unwrap_or_default(),
            },
            K::RefuseUpgrade => FaultKind::RefuseUpgrade { status: status()? },
            K::NoAck => FaultKind::NoAck,
            K::CutUpload => FaultKind::CutUpload { chunk: self.chunk, bytes: bytes.unwrap_or(1) },
            K::RefuseUpload => FaultKind::RefuseUpload { chunk: self.chunk, status: status()? },
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

/// A close code from the field `code`. Those that RFC 6455 (section 7.4) reserves are let through: a peer may break
/// the rules as well.
pub(crate) fn close_code(code: u16) -> Result<u16, Error> {
    if (1000..=4999).contains(&code) {
        Ok(code)
    } else {
        Err(Error::invalid("code: must be from 1000 to 4999"))
    }
}
