//! Running other programs: a thin layer over `std::process::Command` whose errors name the program and the
//! way out.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{self, Stdio};

use crate::Outcome;

/// One program to run, with its arguments.
pub(crate) struct Command {
    inner: process::Command,
    shown: String,
}

impl Command {
    /// A program by name (looked for in PATH) or by path.
    pub(crate) fn new(program: impl Into<OsString>) -> Self {
        let program = program.into();
        let shown = Path::new(&program).file_name().unwrap_or(&program).to_string_lossy().into_owned();
        Self { inner: process::Command::new(program), shown }
    }

    /// Adds one argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&argument.as_ref().to_string_lossy());
        self.inner.arg(argument);
        self
    }

    /// Adds several arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Runs in this directory.
    pub(crate) fn dir(mut self, directory: &Path) -> Self {
        self.inner.current_dir(directory);
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(name, value);
        self
    }

    /// Unsets a variable.
    pub(crate) fn without(mut self, name: &OsStr) -> Self {
        self.inner.env_remove(name);
        self
    }

    /// Shows the command line, runs it with this process's output and waits; a non-zero exit is an error.
    pub(crate) fn run(mut self) -> Outcome {
        println!("$ {}", self.shown);
        let status = self.inner.stdin(Stdio::null()).status().map_err(|error| self.unstartable(&error))?;
        if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", self.shown)) }
    }

    /// Runs silently and gives what it wrote to standard output; on failure the error ends with its other
    /// output.
    pub(crate) fn output(mut self) -> Outcome<String> {
        let output = self.inner.stdin(Stdio::null()).output().map_err(|error| self.unstartable(&error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{}` ended with {}\n{}", self.shown, output.status, said.trim()))
    }

    fn unstartable(&self, error: &std::io::Error) -> String {
        format!("cannot run `{}`: {error}", self.shown)
    }
}
