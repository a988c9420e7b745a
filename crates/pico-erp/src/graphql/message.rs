//! [`StreamMessage`]: what a transport of streams has to say about one subscription, whichever transport it is.

use bytes::Bytes;

use super::Reply;
use crate::error::Error;
use crate::json::Json;

/// One message about a subscription.
#[derive(Debug)]
pub(crate) enum StreamMessage {
    /// A GraphQL result.
    Next(Reply),
    /// What should have been a GraphQL result is none.
    Malformed(Error),
    /// The server has finished the operation.
    Complete,
}

impl StreamMessage {
    /// Reads a result from JSON text, or says that it is none.
    pub(crate) fn result(text: Bytes) -> Self {
        match Json::new(text.clone()).and_then(|json| Reply::parse(json, None)) {
            Ok(reply) => Self::Next(reply),
            Err(error) => {
                Self::Malformed(error.context("an event of the stream is no GraphQL result").with_body(&text))
            }
        }
    }
}
