//! The servers of `tests/peers`, put into `target/tools/peers` together with the packages they import.

use std::fs;
use std::path::Path;

use super::{Variables, node, stamp};
use crate::Outcome;
use crate::tree::Tree;

/// The directory that holds the servers and what they import.
pub(super) fn tool(tree: &Tree) -> Outcome<Variables> {
    let from = tree.path("tests/peers");
    let to = tree.tool("peers");
    fs::create_dir_all(&to).map_err(|error| format!("cannot make {}: {error}", to.display()))?;
    let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", from.display());
    for entry in fs::read_dir(&from).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let ours = file.extension().is_some_and(|extension| extension == "mjs" || extension == "json");
        if let (true, Some(name)) = (ours, file.file_name()) {
            copy(&file, &to.join(name))?;
        }
    }
    let wanted = fs::read_to_string(from.join("package.json")).map_err(unreadable)?;
    stamp::once(tree, "peers", &wanted, || {
        let _ = fs::remove_dir_all(to.join("node_modules"));
        node::npm(tree)?
            .args([
                "install",
                "--no-package-lock",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--loglevel=error",
            ])
            .dir(&to)
            .run()
    })?;
    Ok(vec![("PICO_TEST_PEERS_DIR", to)])
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::copy(from, to).map(drop).map_err(|error| format!("cannot copy {}: {error}", from.display()))
}
