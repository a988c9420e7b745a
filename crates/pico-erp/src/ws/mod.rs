//! GraphQL over WebSocket.
//!
//! [`session`] is the protocol, sans-IO; [`connection`] moves its bytes. All subscriptions of a client share one
//! connection.

pub(crate) mod connection;
pub(crate) mod session;

#[cfg(test)]
mod session_tests;
