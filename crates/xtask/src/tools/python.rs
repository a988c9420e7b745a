//! The Python environment at `target/tools/venv`, with pinned packages: maturin builds the wheel, pytest and
//! mypy check it. Other tools that come as Python packages (a .NET runtime, Node.js) are installed into it by
//! their own files.

use std::env;
use std::path::PathBuf;

use super::{Variables, stamp, system};
use crate::Outcome;
use crate::command::Command;
use crate::tree::Tree;

/// What builds and checks the Python binding. These run on Python 3.10 and later.
const PACKAGES: [&str; 3] = ["maturin==1.16.0", "pytest==9.2.0", "mypy==2.4.1"];

/// What the measurements compare with.
const PEERS: [&str; 3] = ["fastapi==0.165.0", "uvicorn==0.54.0", "requests==2.34.2"];

/// Names the environment's interpreter.
pub(crate) const VARIABLE: &str = "PICO_TEST_PYTHON";

/// The environment's interpreter, with the packages that the Python tests need.
pub(super) fn tool(tree: &Tree) -> Outcome<Variables> {
    environment(tree)?;
    install(tree, "python", &PACKAGES)?;
    Ok(vec![(VARIABLE, interpreter(tree))])
}

/// The environment's interpreter, with what the measurements compare with.
pub(crate) fn with_peers(tree: &Tree) -> Outcome<PathBuf> {
    environment(tree)?;
    install(tree, "peers", &PEERS)?;
    Ok(interpreter(tree))
}

/// Where the environment's interpreter is.
pub(crate) fn interpreter(tree: &Tree) -> PathBuf {
    tree.tool("venv/bin/python")
}

/// The environment's programs first, then what PATH had.
pub(crate) fn path(tree: &Tree) -> Outcome<std::ffi::OsString> {
    let old = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tree.tool("venv/bin")).chain(env::split_paths(&old));
    env::join_paths(folders).map_err(|error| format!("{}: {error}", tree.target().display()))
}

/// Installs packages into the environment, given as requirements; `name` is that of the stamp.
pub(super) fn install(tree: &Tree, name: &str, requirements: &[&str]) -> Outcome {
    stamp::once(tree, &format!("venv-{name}"), &requirements.join("\n"), || {
        pip(tree)
            .args(requirements)
            .run()
            .map_err(|error| format!("cannot install {}: {error}", requirements.join(", ")))
    })
}

/// `pip install` in the environment.
pub(super) fn pip(tree: &Tree) -> Command {
    tree.command(interpreter(tree)).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
}

/// Makes the environment; a second call does nothing while its interpreter still starts.
fn environment(tree: &Tree) -> Outcome {
    let works = || tree.command(interpreter(tree)).args(["-m", "pip", "--version"]).output().is_ok();
    if works() {
        return Ok(());
    }
    let base = system::program(&["python3"], "python3 python3-venv")?;
    // Debian's python3 has no ensurepip, without which there is no environment with pip.
    if tree.command(&base).args(["-c", "import ensurepip, venv"]).output().is_err() {
        system::install("python3-venv")
            .map_err(|error| format!("{} cannot make environments: {error}", base.display()))?;
    }
    stamp::forget(tree, "venv-")?;
    tree.command(&base).args(["-m", "venv", "--clear"]).arg(tree.tool("venv")).run()?;
    if works() { Ok(()) } else { Err(format!("{} has no working pip", tree.tool("venv").display())) }
}
