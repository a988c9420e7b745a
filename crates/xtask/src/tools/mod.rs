//! The tools that the tests need besides Rust: found in PATH where that will do, else installed into
//! `target/tools`, or as a Debian package when run as root. Each tool gives the variables by which the tests
//! find it; a tool that can neither be found nor installed gives the reason, and the run that asked for it
//! fails.

mod dotnet;
mod node;
mod peers;
mod postgres;
pub(crate) mod python;
mod stamp;
mod system;

use std::fs::File;
use std::path::PathBuf;

use crate::Outcome;
use crate::test::Suite;
use crate::tree::Tree;

/// Variables that name a tool to the tests.
pub(crate) type Variables = Vec<(&'static str, PathBuf)>;

/// What finds or installs one tool.
type Install = fn(&Tree) -> Outcome<Variables>;

/// Every tool by the name shown to people, the suites that need it, and what installs it; a tool comes after
/// those it builds on.
const TOOLS: &[(&str, &[Suite], Install)] = &[
    ("C compiler", &[Suite::C, Suite::Faults, Suite::Crash, Suite::Rust], system::c_compiler),
    ("C++ compiler", &[Suite::C], system::cxx_compiler),
    ("valgrind", &[Suite::C], system::valgrind),
    ("curl", &[Suite::Curl], system::curl),
    ("PostgreSQL", &[Suite::Rust, Suite::Faults, Suite::Crash, Suite::Nodes], postgres::tool),
    ("Python", &[Suite::Python, Suite::Dotnet, Suite::Faults], python::tool),
    ("Node.js", &[Suite::Dotnet, Suite::Peers], node::tool),
    (".NET", &[Suite::Dotnet], dotnet::tool),
    ("GraphQL peers", &[Suite::Peers], peers::tool),
];

/// The variables for what the workspace itself builds.
pub(crate) fn built(tree: &Tree) -> Variables {
    let command = tree.built().join(format!("pico-erp{}", std::env::consts::EXE_SUFFIX));
    vec![("PICO_TEST_LIB_DIR", tree.built()), ("PICO_TEST_CLI", command)]
}

/// What finds or installs each tool that these suites need, in the order in which the tools build on each
/// other.
pub(crate) fn for_suites<'a>(
    tree: &'a Tree,
    suites: &'a [Suite],
) -> impl Iterator<Item = (&'static str, impl FnOnce() -> Outcome<Variables> + 'a)> {
    let needed = TOOLS.iter().filter(|(_, users, _)| users.iter().any(|suite| suites.contains(suite)));
    needed.map(move |&(name, _, install)| {
        (name, move || {
            let _lock = alone(tree)?;
            install(tree)
        })
    })
}

/// Waits until no other xtask installs into the same directory; the lock ends with the file's.
fn alone(tree: &Tree) -> Outcome<File> {
    let path = tree.tool(".lock");
    std::fs::create_dir_all(tree.tool(""))
        .map_err(|error| format!("cannot make {}: {error}", tree.tool("").display()))?;
    let file = File::create(&path).map_err(|error| format!("cannot create {}: {error}", path.display()))?;
    file.lock().map_err(|error| format!("cannot lock {}: {error}", path.display()))?;
    Ok(file)
}
