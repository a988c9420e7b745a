//! The graphql-yoga server of `tests/yoga`, put into `target/tools/yoga` together with the packages it
//! imports.

use std::fs;
use std::path::Path;

use super::{Variables, node, stamp};
use crate::Outcome;
use crate::tree::Tree;

/// The directory that holds `server.mjs` and what it imports.
pub(super) fn tool(tree: &Tree) -> Outcome<Variables> {
    let from = tree.path("tests/yoga");
    let to = tree.tool("yoga");
    fs::create_dir_all(&to).map_err(|error| format!("cannot make {}: {error}", to.display()))?;
    for file in ["package.json", "server.mjs"] {
        copy(&from.join(file), &to.join(file))?;
    }
    let wanted = fs::read_to_string(from.join("package.json")).map_err(|error| error.to_string())?;
    stamp::once(tree, "yoga", &wanted, || {
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
    Ok(vec![("PICO_TEST_YOGA_DIR", to)])
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::copy(from, to).map(drop).map_err(|error| format!("cannot copy {}: {error}", from.display()))
}
