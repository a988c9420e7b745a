//! `cargo xtask soak [ROUNDS]`: what is too slow for every run of the tests. The Rust tests under AddressSanitizer, the model of
//! what the C ABI's threads share under loom, and the tests that depend on timing again and again.
//! `cargo xtask soak crash [MINUTES]`: only the programs that are killed and whose power is cut, for that long.
//! `cargo xtask soak nodes [MINUTES]`: only the nodes that share a database and are killed, paused and cut off.

use std::time::Duration;

use crate::Outcome;
use crate::report::Report;
use crate::test;
use crate::tools;
use crate::tree::Tree;

const ROUNDS: u32 = 10;
/// How long `soak crash` and `soak nodes` kill.
const MINUTES: u64 = 10;
/// How long each round of the whole kills.
const KILLING: Duration = Duration::from_secs(60);
/// Sanitizers need the target spelled out, so that build scripts are not built with them.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Runs everything, and prints the table; true when every step passed.
pub(crate) fn run(tree: &Tree, rounds: Option<&str>) -> Outcome<bool> {
    let rounds = match rounds {
        None => ROUNDS,
        Some(text) => text.parse().map_err(|_| format!("ROUNDS: `{text}` is not a number"))?,
    };
    let mut report = Report::new();
    report.step("address sanitizer: core", || {
        sanitized(tree, &["-p", "pico-erp", "--lib", "--test", "network"])
    });
    report.step("address sanitizer: C ABI", || sanitized(tree, &["-p", "pico-erp-ffi", "--lib"]));
    report.step("loom: C ABI", || loom(tree));

    let suites = [test::Suite::C];
    let mut variables = tools::built(tree);
    for (tool, find) in tools::for_suites(tree, &suites) {
        variables.extend(report.step(&format!("tool: {tool}"), find).unwrap_or_default());
    }
    report.step("build", || test::build(tree));
    for round in 1..=rounds {
        report.step(&format!("network tests, round {round} of {rounds}"), || {
            tree.cargo(["test", "-q", "-p", "pico-erp", "--test", "network"]).run()
        });
        report.step(&format!("C tests, natively and under valgrind, round {round} of {rounds}"), || {
            test::with(tree.cargo(["test", "-q", "-p", "pico-erp-tests", "--test", "c"]), &variables).run()
        });
        kill(tree, &mut report, KILLING, &format!("round {round} of {rounds}"));
    }
    Ok(report.finish())
}

/// Runs the crash tests for `minutes`, and the power cuts once.
pub(crate) fn crash(tree: &Tree, minutes: Option<&str>) -> Outcome<bool> {
    let minutes = match minutes {
        None => MINUTES,
        Some(text) => text.parse().map_err(|_| format!("MINUTES: `{text}` is not a number"))?,
    };
    let mut report = Report::new();
    kill(tree, &mut report, Duration::from_secs(60 * minutes), &format!("{minutes} min"));
    Ok(report.finish())
}

/// Runs the test of several nodes again and again for `minutes`, each time from a new start: the list of what a plant has built,
/// which its nodes read every other second, is not to grow for ever.
pub(crate) fn nodes(tree: &Tree, minutes: Option<&str>) -> Outcome<bool> {
    let minutes: u64 = match minutes {
        None => MINUTES,
        Some(text) => text.parse().map_err(|_| format!("MINUTES: `{text}` is not a number"))?,
    };
    let mut report = Report::new();
    let mut variables = tools::built(tree);
    for (tool, find) in tools::for_suites(tree, &[test::Suite::Nodes]) {
        variables.extend(report.step(&format!("tool: {tool}"), find).unwrap_or_default());
    }
    for minute in 1..=minutes {
        report.step(&format!("nodes, minute {minute} of {minutes}"), || {
            let test =
                tree.cargo(["test", "-q", "-p", "pico-erp-tests", "--test", "nodes", "--", "--nocapture"]);
            test::with(test, &variables).env("PICO_NODES_SECONDS", "60").run()
        });
    }
    Ok(report.finish())
}

/// The crash tests, all at once for that long, and the power cuts; each time with other seeds, which they print.
fn kill(tree: &Tree, report: &mut Report, time: Duration, which: &str) {
    report.step(&format!("kill -9, {which}"), || {
        tree.cargo(["test", "-q", "-p", "pico-erp-tests", "--test", "crash", "--"])
            .args(["--nocapture", "--test-threads", "8"])
            .env("PICO_CRASH_SECONDS", time.as_secs().to_string())
            .run()
    });
    report.step(&format!("power cuts, {which}"), || {
        tree.cargo(["test", "-q", "-p", "pico-erp-tests", "--test", "power_loss", "--", "--nocapture"]).run()
    });
}

/// A nightly feature of the compiler, which the environment variable lets a stable one use too.
fn sanitized(tree: &Tree, what: &[&str]) -> Outcome {
    tree.cargo(["test", "--target", TARGET])
        .args(what)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("CARGO_TARGET_DIR", tree.target().join("asan"))
        .run()
}

fn loom(tree: &Tree) -> Outcome {
    tree.cargo(["test", "-p", "pico-erp-ffi", "--lib", "model"])
        .env("RUSTFLAGS", "--cfg pico_loom")
        .env("CARGO_TARGET_DIR", tree.target().join("loom"))
        .run()
}
