//! A fault of the sandbox as Python gives it: a kind by name, and what belongs to that kind.

use std::time::Duration;

use pico_erp::Error;
use pico_erp_sandbox::{Fault, FaultKind, HUGE_BODY};

use crate::settings::{limit, seconds};

/// The arguments of `Sandbox.add_fault`.
pub(crate) struct ToldFault {
    pub(crate) kind: String,
    pub(crate) times: Option<u32>,
    pub(crate) lasting: Option<f64>,
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<u64>,
    pub(crate) seconds: Option<f64>,
    pub(crate) size: Option<u64>,
    pub(crate) head: Option<bool>,
    pub(crate) new_too: Option<bool>,
    pub(crate) code: Option<u16>,
    pub(crate) reason: Option<String>,
}

impl ToldFault {
    /// The fault; an error names the argument that is missing or does not belong to the kind.
    pub(crate) fn fault(self) -> Result<Fault, Error> {
        self.check_strays()?;
        let kind = &self.kind;
        let needs = |field: &str| Error::invalid(field, format!("is required with \"{kind}\""));
        let size = || self.size.ok_or_else(|| needs("size"));
        let status = || match self.status {
            Some(status @ 200..=599) => Ok(status),
            Some(status) => Err(Error::invalid("status", format!("is {status}; it can be 200 to 599"))),
            None => Err(needs("status")),
        };
        let kind = match kind.as_str() {
            "split" => FaultKind::Split { bytes: usize::try_from(size()?).unwrap_or(usize::MAX) },
            "stall" => FaultKind::Stall,
            "delay" => FaultKind::Delay(seconds("seconds", self.seconds.ok_or_else(|| needs("seconds"))?)?),
            "status" => FaultKind::Status {
                status: status()?,
                retry_after: self.retry_after.map(Duration::from_secs),
            },
            "html" => FaultKind::Html,
            "hang" => FaultKind::Hang,
            "cut_before" => FaultKind::CutBefore,
            "cut_after" => FaultKind::CutAfter,
            "cut_body" => FaultKind::CutBody,
            "huge_body" => FaultKind::HugeBody { bytes: self.size.unwrap_or(HUGE_BODY) },
            "malformed_json" => FaultKind::MalformedJson,
            "malformed_event" => FaultKind::MalformedEvent,
            "huge_event" => FaultKind::HugeEvent { bytes: size()? },
            "refuse_batch" => FaultKind::RefuseBatch,
            "buffer_sse" => FaultKind::BufferSse { head: self.head.unwrap_or(true), bytes: self.size },
            "half_open" => FaultKind::HalfOpen { new_too: self.new_too.unwrap_or(false) },
            "close_ws" => FaultKind::CloseWs {
                code: self.code.ok_or_else(|| needs("code"))?,
                reason: self.reason.clone().unwrap_or_default(),
            },
            "refuse_upgrade" => FaultKind::RefuseUpgrade { status: status()? },
            "no_ack" => FaultKind::NoAck,
            _ => return Err(Error::invalid("kind", format!("is \"{kind}\", which is no fault"))),
        };
        let mut fault = Fault::new(kind);
        if let Some(times) = self.times {
            fault = fault.times(times);
        }
        if let Some(lasting) = limit("lasting", self.lasting)? {
            fault = fault.lasting(lasting);
        }
        Ok(fault)
    }

    /// An argument that the kind does not look at is a mistake in the test that gives it.
    fn check_strays(&self) -> Result<(), Error> {
        let kind = self.kind.as_str();
        let strays = [
            (
                "size",
                self.size.is_some(),
                matches!(kind, "split" | "huge_body" | "huge_event" | "buffer_sse"),
            ),
            ("seconds", self.seconds.is_some(), kind == "delay"),
            ("status", self.status.is_some(), matches!(kind, "status" | "refuse_upgrade")),
            ("retry_after", self.retry_after.is_some(), kind == "status"),
            ("head", self.head.is_some(), kind == "buffer_sse"),
            ("new_too", self.new_too.is_some(), kind == "half_open"),
            ("code", self.code.is_some(), kind == "close_ws"),
            ("reason", self.reason.is_some(), kind == "close_ws"),
        ];
        match strays.iter().find(|(_, given, fits)| *given && !fits) {
            Some((field, ..)) => {
                Err(Error::invalid(field, format!("has no meaning with the kind \"{kind}\"")))
            }
            None => Ok(()),
        }
    }
}
