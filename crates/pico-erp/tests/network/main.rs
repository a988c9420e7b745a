//! The core over real sockets: against a server that says exactly what a test tells it to, and against the sandbox.

#![allow(clippy::duplicate_mod, reason = "the tests of what is stored run on each kind of store")]

#[cfg(feature = "alpha")]
mod alpha;

mod calls;
#[cfg(unix)]
mod delivery;
mod event_streams;
mod failures;
mod generations;
mod metrics;
mod plants;
mod proxies;
mod scripted;
mod stored;
mod streams;
mod tls;
mod transports;
mod waiting;
mod web_socket;
mod webhooks;
