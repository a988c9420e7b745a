//! The one error type of this crate. It is what the Rust API returns; over HTTP the control API turns it into
//! a JSON body, and the GraphQL layer into a GraphQL error. It carries no error of the GraphQL protocol itself.

use std::error::Error as StdError;
use std::fmt;

/// What kind of thing went wrong, for code that branches on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A socket could not be bound or a file could not be read.
    Io,
    /// A seed is not valid.
    Seed,
    /// An argument or a setting is not valid.
    Invalid,
    /// What was named does not exist, for example no open order with that id.
    NotFound,
    /// Something did not happen before its deadline.
    TimedOut,
    /// The TLS client for webhook deliveries could not be set up.
    Tls,
}

/// An error of the sandbox. The message names the field or the setting that is wrong.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), source: None }
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn seed(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Seed, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::NotFound, message)
    }

    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
