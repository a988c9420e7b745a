//! What the cross-language tests share: where the tools are, how a program is run with a deadline.
//!
//! `cargo xtask test` installs the tools and passes their places by `PICO_TEST_*` variables. Without them a test
//! fails and says so: a language that is not tested is never a silent pass.

pub mod journal;
pub mod seed;
pub mod sudden_death;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// The place of a tool, from the variable that `cargo xtask test` sets.
///
/// # Panics
/// When the variable is not set.
#[must_use]
pub fn tool(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(place) if !place.is_empty() => PathBuf::from(place),
        _ => panic!("{variable} is not set; run these tests by: cargo xtask test"),
    }
}

/// The top of the source tree.
#[must_use]
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// Runs a program to its end and returns what it printed.
///
/// # Panics
/// With all its output when it fails, or does not end within `deadline`, after which it is killed.
pub async fn run(command: &mut Command, deadline: Duration) -> String {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} could not be started: {error}"));
    let output = timeout(deadline, child.wait_with_output())
        .await
        .unwrap_or_else(|_| panic!("{command:?} did not end within {deadline:?}"))
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n--- stdout\n{stdout}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}
