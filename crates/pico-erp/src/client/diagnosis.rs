//! Why there is no connection, sorted by what a person would do about it.
//!
//! The layers below (reqwest, hyper, rustls, the operating system) nest their errors in each other; this is the one
//! place that looks through them.

use std::error::Error as StdError;
use std::time::Duration;

use super::dns::DnsError;
use crate::error::{Error, ErrorKind};

/// How far a request had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The connection was being made.
    Connecting,
    /// The connection took longer than it may.
    TimedOut,
    /// The connection was up.
    Sending,
}

/// Where a request was going.
#[derive(Debug)]
pub(crate) struct Route<'a> {
    /// Host and port of the server.
    pub(crate) target: &'a str,
    /// The proxy's address without credentials, where one applies.
    pub(crate) proxy: Option<String>,
    /// How long a connection may take.
    pub(crate) connect_timeout: Duration,
}

impl Route<'_> {
    /// The error that a failure before any reply stands for.
    pub(crate) fn diagnose(&self, error: &(dyn StdError + 'static), stage: Stage) -> Error {
        let target = self.target;
        let mut dns = None;
        let mut tls = None;
        let mut tunnel = false;
        let mut cause = Some(error);
        while let Some(current) = cause {
            dns = dns.or_else(|| current.downcast_ref::<DnsError>().map(|error| error.host.clone()));
            tls = tls.or_else(|| tls_error(current).cloned());
            // hyper-util's proxy errors are not public; their texts are stable ("tunnel error: ...").
            let text = current.to_string();
            tunnel |= text.starts_with("tunnel error") || text.to_ascii_lowercase().starts_with("socks");
            cause = current.source();
        }
        if let Some(tls) = tls {
            let advice = match tls {
                rustls::Error::InvalidCertificate(_) => {
                    "the server's certificate is not trusted; if a company proxy signs it, add that authority as an extra CA"
                }
                _ => "the TLS handshake failed",
            };
            return Error::new(ErrorKind::Tls, format!("no connection to {target}: {advice}"))
                .with_source(tls)
                .with_never_sent();
        }
        if let Some(proxy) = self.proxy.as_ref().filter(|_| stage != Stage::Sending || tunnel) {
            let message = format!("no connection to {target} through the proxy {proxy}");
            return Error::new(ErrorKind::Proxy, message).with_source(innermost(error)).with_never_sent();
        }
        if let Some(host) = dns {
            return Error::new(ErrorKind::Dns, format!("the host name \"{host}\" could not be resolved"))
                .with_source(innermost(error));
        }
        match stage {
            Stage::TimedOut => {
                let message = format!("no connection to {target} within {:?}", self.connect_timeout);
                Error::new(ErrorKind::Timeout, message).with_never_sent()
            }
            Stage::Connecting => Error::new(ErrorKind::Connect, format!("no connection to {target}"))
                .with_source(innermost(error)),
            Stage::Sending => Error::new(
                ErrorKind::ConnectionLost,
                format!("the connection to {target} broke before the reply"),
            )
            .with_source(innermost(error)),
        }
    }
}

/// The TLS error that an error is or wraps. `io::Error` hides what is inside it from `source`, layer by layer.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().and_then(|inner| tls_error(inner)),
        None => error.downcast_ref(),
    }
}

/// The text of the innermost cause: the outer layers only say that sending failed.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> Box<dyn StdError + Send + Sync> {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().into()
}
