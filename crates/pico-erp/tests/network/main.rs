//! The core over real sockets: against a server that says exactly what a test tells it to, and against the sandbox.

mod calls;
mod catalogue;
#[cfg(unix)]
mod delivery;
mod event_streams;
mod failures;
mod feeds;
mod generations;
mod outbox;
mod proxies;
mod scripted;
mod streams;
mod tls;
mod transports;
mod waiting;
mod web_socket;
mod webhooks;
