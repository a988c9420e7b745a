//! A PostgreSQL server of the tests' own, and a cable that can be cut. A crate by itself, since both the core's own tests
//! and those that cross a process need it, and the latter depend on the core.

#[cfg(unix)]
mod certificate;
#[cfg(unix)]
mod cluster;
mod cut;
#[cfg(unix)]
mod programs;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod user;

#[cfg(unix)]
pub use cluster::{Cluster, Options, SUPERUSER};
pub use cut::{Cut, Newcomers};
#[cfg(unix)]
pub use programs::{VARIABLE, folder};
