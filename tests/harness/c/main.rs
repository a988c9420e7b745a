//! The C ABI as a C programmer meets it: the header, the shared and the static library, the examples and
//! the contract tests, compiled strictly and run against the sandbox, natively and under valgrind.

mod alpha;
mod examples;
mod failures;
mod feeds;
mod generations;
mod header;
mod outboxes;
mod streams;
mod workshop;
