//! Where things are: the repository, the one cargo target directory, and the directory of installed tools.

use std::env;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::command::Command;

/// The package that maturin builds. It is left out of the plain cargo builds, so that it is built once.
pub(crate) const PYTHON_PACKAGE: &str = "pico-erp-python";

/// The checked-out repository and where its build results go.
pub(crate) struct Tree {
    root: PathBuf,
    target: PathBuf,
}

impl Tree {
    /// Finds the repository from where cargo says this package is.
    pub(crate) fn find() -> Outcome<Self> {
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = package
            .parent()
            .and_then(Path::parent)
            .ok_or_else(|| format!("{} is not two folders below the repository", package.display()))?
            .to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(target) => root.join(target),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A path in the repository.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// Cargo's target directory, shared by everything that is built.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// What the dev profile builds: `libpico_erp.so`, `libpico_erp.a`, `pico-erp`.
    pub(crate) fn built(&self) -> PathBuf {
        self.target.join("debug")
    }

    /// Where a tool is installed. Deleting the whole directory is always safe.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.target.join("tools").join(name)
    }

    /// A cargo call at the root of the repository, with the shared target directory.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        self.command(cargo).args(arguments)
    }

    /// Any program, run at the root of the repository without what cargo told this process about itself.
    ///
    /// Some build scripts (ring's) watch `CARGO_PKG_NAME` and the like and would be run anew each time the
    /// same build is started through xtask instead of directly.
    pub(crate) fn command(&self, program: impl Into<std::ffi::OsString>) -> Command {
        let mut command = Command::new(program).dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
                .iter()
                .any(|start| text.starts_with(start))
            {
                command = command.without(&name);
            }
        }
        command
    }
}
