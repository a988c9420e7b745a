//! Name look-up by the operating system, with a failure that can be told from other connection failures.

use std::{fmt, io, net::SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Asks the operating system, as every other program on the machine does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemResolver;

/// A host name that could not be resolved. [`crate::transport`] looks for it in a failed request's causes.
#[derive(Debug)]
pub(crate) struct DnsError {
    pub(crate) host: String,
    cause: io::Error,
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)
    }
}

impl std::error::Error for DnsError {}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await.map(Vec::<SocketAddr>::from_iter);
            match found {
                Ok(all) => Ok(Box::new(all.into_iter()) as Addrs),
                Err(cause) => Err(Box::new(DnsError { host, cause }) as _),
            }
        })
    }
}
