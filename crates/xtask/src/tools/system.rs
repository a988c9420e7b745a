//! Programs of the operating system: looked for in PATH; where one is missing its Debian package is
//! installed, which takes root. Everyone else is told what to install.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Variables;
use crate::Outcome;
use crate::command::Command;
use crate::tree::Tree;

/// The C compiler, which cargo's linker needs too.
pub(super) fn c_compiler(_: &Tree) -> Outcome<Variables> {
    Ok(vec![("PICO_TEST_CC", program(&["cc", "gcc", "clang"], "gcc libc6-dev")?)])
}

/// The C++ compiler.
pub(super) fn cxx_compiler(_: &Tree) -> Outcome<Variables> {
    Ok(vec![("PICO_TEST_CXX", program(&["c++", "g++", "clang++"], "g++")?)])
}

/// What people try the API with by hand.
pub(super) fn curl(_: &Tree) -> Outcome<Variables> {
    Ok(vec![("PICO_TEST_CURL", program(&["curl"], "curl")?)])
}

/// The memory checker for the C tests.
pub(super) fn valgrind(_: &Tree) -> Outcome<Variables> {
    // Without the C library's symbols valgrind refuses to start; Debian has them in a package of their own.
    Ok(vec![("PICO_TEST_VALGRIND", program(&["valgrind"], "valgrind libc6-dbg")?)])
}

/// Finds one of these programs, installing the Debian packages when there is none.
pub(super) fn program(names: &[&str], packages: &str) -> Outcome<PathBuf> {
    if let Some(found) = names.iter().find_map(|name| in_path(name)) {
        return Ok(found);
    }
    install(packages).map_err(|error| format!("`{}` is not in PATH: {error}", names[0]))?;
    names
        .iter()
        .find_map(|name| in_path(name))
        .ok_or_else(|| format!("`{}` is not in PATH, not even after `apt-get install {packages}`", names[0]))
}

/// The program's path, when PATH has it.
pub(super) fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| runnable(file))
}

#[cfg(unix)]
fn runnable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn runnable(file: &Path) -> bool {
    file.is_file()
}

/// Installs Debian packages; only root can, and only where there is apt-get.
pub(super) fn install(packages: &str) -> Outcome {
    let by_hand =
        format!("install it by `apt-get install {packages}` as root, or from your system's packages");
    if in_path("apt-get").is_none() {
        return Err(format!("there is no apt-get here; {by_hand}"));
    }
    if Command::new("id").arg("-u").output().as_deref() != Ok("0") {
        return Err(format!("only root may install packages; {by_hand}"));
    }
    update_lists().clone().and_then(|()| {
        apt_get()
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(packages.split(' '))
            .run()
            .map_err(|error| format!("{error}; {by_hand}"))
    })
}

/// Brings apt's package lists up to date, once in this process.
fn update_lists() -> &'static Outcome {
    static UPDATED: OnceLock<Outcome> = OnceLock::new();
    UPDATED.get_or_init(|| apt_get().args(["update", "-qq"]).run())
}

fn apt_get() -> Command {
    Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive")
}
