//! GraphQL over HTTP: a request, a reply, and what can be told of a document before it is sent.
//!
//! No sockets here; [`crate::transport`] moves the bytes. Source for the reply's form: GraphQL specification,
//! section 7 (Response), and the GraphQL-over-HTTP draft.

pub(crate) mod document;
pub(crate) mod documents;
mod message;
mod reply;
mod request;

pub(crate) use message::StreamMessage;
pub use reply::{GraphqlError, Reply};
pub use request::Request;
