//! Name look-up by the operating system, with a failure that can be told from other connection failures.

use std::net::SocketAddr;
use std::{fmt, io};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Asks the operating system, as every other program on the machine does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemResolver;

/// A host name that could not be resolved. [`super::diagnosis`] looks for it in a failed request's causes.
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

/// The addresses of `host`, with port 0.
pub(crate) async fn look_up(host: &str) -> Result<Vec<SocketAddr>, DnsError> {
    match tokio::net::lookup_host((host, 0)).await {
        Ok(found) => Ok(found.collect()),
        Err(cause) => Err(DnsError { host: host.to_owned(), cause }),
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = look_up(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
