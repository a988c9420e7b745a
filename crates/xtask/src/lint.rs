//! The checks that need no test to run: rustfmt, clippy with warnings as errors, the committed C header, and
//! the project's source rules. Called by `cargo xtask lint` and first thing by `cargo xtask test`.

use crate::Outcome;
use crate::command::Command;
use crate::report::Report;
use crate::tree::Tree;
use crate::{header, source_rules};

/// Adds each check to the report as a step.
pub(crate) fn run(tree: &Tree, report: &mut Report) {
    report.step("lint: rustfmt", || {
        component(tree, "rustfmt", "fmt")?;
        tree.cargo(["fmt", "--all", "--check"]).run()
    });
    report.step("lint: clippy", || {
        component(tree, "clippy", "clippy")?;
        tree.cargo(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]).run()
    });
    report.step("lint: C header is current", || header::check(tree));
    report.step("lint: source rules", || source_rules::check(tree));
}

/// Makes sure that a part of the Rust toolchain is there, adding it by rustup when it is not.
fn component(tree: &Tree, name: &str, subcommand: &str) -> Outcome {
    if tree.cargo([subcommand, "--version"]).output().is_ok() {
        return Ok(());
    }
    Command::new("rustup").args(["component", "add", name]).run().map_err(|error| {
        format!(
            "{name} is missing: {error}; get it by `rustup component add {name}`, or from your distribution"
        )
    })
}
