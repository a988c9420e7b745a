//! Server-Sent Events, sans-IO: bytes in, events out.
//!
//! [`decoder`] knows the WHATWG event-stream format and nothing of GraphQL; [`framing`] knows how GraphQL results
//! travel in it. Neither opens a socket or reads a clock.

pub(crate) mod decoder;
pub(crate) mod framing;

#[cfg(test)]
mod decoder_tests;
