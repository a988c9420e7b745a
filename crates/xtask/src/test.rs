//! `cargo xtask test`: the order of all checks and tests. First the checks of style, then one cargo build of
//! everything and the Python wheel, built for real and installed as a user would, then one cargo test of everything
//! (the package `pico-erp-tests` in it compiles and runs the C, .NET, GraphQL peers, curl, fault, crash and nodes tests
//! with the tools whose places it is told by variables), then the tests of the installed wheel.
//!
//! Every step is tried even when an earlier one failed, unless it cannot work without it; a tool that is
//! missing, a language that cannot be tried and a suite without a test are failures.

use std::fs;
use std::str::FromStr;

use crate::Outcome;
use crate::command::Command;
use crate::lint;
use crate::report::Report;
use crate::tools::{self, Variables, python};
use crate::tree::{PYTHON_PACKAGE, Tree};

/// A part of the tests that can be run alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    /// The checks that run nothing.
    Lint,
    /// The workspace's own unit, integration and documentation tests.
    Rust,
    /// Test targets `c`, `c_*` and `cpp`, `cpp_*` of `pico-erp-tests`.
    C,
    /// Test targets `dotnet` and `dotnet_*` of `pico-erp-tests`.
    Dotnet,
    /// Test targets `peers` and `peers_*` of `pico-erp-tests`.
    Peers,
    /// Test targets `curl` and `curl_*` of `pico-erp-tests`.
    Curl,
    /// Test targets `faults` and `faults_*` of `pico-erp-tests`, which run programs in C, Python and Rust.
    Faults,
    /// Test targets `crash` and `power_loss` of `pico-erp-tests`, which kill programs and take their power away.
    Crash,
    /// Test target `nodes` of `pico-erp-tests`, in which nodes that share a store are killed, paused and cut off.
    Nodes,
    /// The wheel, pytest and the check of the stubs.
    Python,
}

impl Suite {
    /// In the order in which they run.
    pub(crate) const ALL: &[Self] = &[
        Self::Lint,
        Self::Rust,
        Self::C,
        Self::Dotnet,
        Self::Peers,
        Self::Curl,
        Self::Faults,
        Self::Crash,
        Self::Nodes,
        Self::Python,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Lint => "lint",
            Self::Rust => "rust",
            Self::C => "c",
            Self::Dotnet => "dotnet",
            Self::Peers => "peers",
            Self::Curl => "curl",
            Self::Faults => "faults",
            Self::Crash => "crash",
            Self::Nodes => "nodes",
            Self::Python => "python",
        }
    }

    /// Whether a test target of `pico-erp-tests` belongs to this suite; its name starts with the language's.
    fn owns(self, target: &str) -> bool {
        let language = target.split('_').next().unwrap_or(target);
        match self {
            Self::C => matches!(language, "c" | "cpp"),
            Self::Crash => matches!(language, "crash" | "power"),
            _ => language == self.name(),
        }
    }
}

impl FromStr for Suite {
    type Err = String;

    fn from_str(name: &str) -> Outcome<Self> {
        Self::ALL.iter().copied().find(|suite| suite.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|suite| suite.name()).collect();
            format!("no suite `{name}`; there are {}", names.join(", "))
        })
    }
}

/// Runs everything, or one suite, and prints the table; true when every step passed.
pub(crate) fn run(tree: &Tree, only: Option<Suite>) -> bool {
    let mut report = Report::new();
    if only.is_none_or(|suite| suite == Suite::Lint) {
        lint::run(tree, &mut report);
    }
    if only == Some(Suite::Lint) {
        return report.finish();
    }
    let suites = only.map_or_else(|| Suite::ALL.to_vec(), |suite| vec![suite]);
    let mut variables = tools::built(tree);
    for (tool, find) in tools::for_suites(tree, &suites) {
        if let Some(found) = report.step(&format!("tool: {tool}"), find) {
            found.iter().for_each(|(name, value)| println!("{name}={}", value.display()));
            variables.extend(found);
        }
    }
    let built = report.step("build", || build(tree)).is_some();
    let python = suites.iter().any(|suite| matches!(suite, Suite::Faults | Suite::Python))
        && install_wheel(tree, &variables, &mut report);
    if only != Some(Suite::Python) {
        let name = format!(
            "{}: cargo test",
            only.map_or("rust, c, dotnet, peers, curl, faults, crash, nodes", Suite::name)
        );
        if built {
            report.step(&name, || cargo_tests(tree, &variables, only));
        } else {
            report.blocked(&name, "the build failed");
        }
    }
    if suites.contains(&Suite::Python) {
        python_tests(tree, &variables, python, &mut report);
    }
    report.finish()
}

/// Builds the libraries, the command and all test programs in one go, so that cargo resolves features once
/// and builds each dependency once. The Python module is left to maturin.
pub(crate) fn build(tree: &Tree) -> Outcome {
    tree.cargo(["build", "--workspace", "--exclude", PYTHON_PACKAGE, "--all-targets"]).run()
}

/// `cargo test` of everything, or of one suite's part, with the tools' places; goes on after a program that
/// failed.
///
/// Always for the whole workspace: another choice of packages would have cargo choose other features, and
/// build anew.
fn cargo_tests(tree: &Tree, variables: &Variables, only: Option<Suite>) -> Outcome {
    let test = tree.cargo(["test", "--workspace", "--exclude", PYTHON_PACKAGE, "--no-fail-fast"]);
    let test = match only {
        None => test,
        Some(Suite::Rust) => test.args(["--exclude", "pico-erp-tests"]),
        Some(suite) => {
            let targets = test_targets(tree)?;
            let mut wanted = targets.iter().filter(|name| suite.owns(name)).peekable();
            if wanted.peek().is_none() {
                return Err(format!("tests/Cargo.toml has no test target for {}", suite.name()));
            }
            wanted.fold(test, |test, name| test.arg("--test").arg(name))
        }
    };
    with(test, variables).run()
}

/// Names of the `[[test]]` targets in `tests/Cargo.toml`, where they are all spelled out.
fn test_targets(tree: &Tree) -> Outcome<Vec<String>> {
    let manifest = tree.path("tests/Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .map_err(|error| format!("cannot read {}: {error}", manifest.display()))?;
    let mut section = "";
    let mut names = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if section == "[[test]]"
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "name"
        {
            names.push(value.trim().trim_matches('"').to_owned());
        }
    }
    Ok(names)
}

/// Installs the wheel as a user would; true when it is there.
fn install_wheel(tree: &Tree, variables: &Variables, report: &mut Report) -> bool {
    const STEP: &str = "python: pip install ./python";
    if !variables.iter().any(|(name, _)| *name == python::VARIABLE) {
        report.blocked(STEP, "there is no Python environment");
        return false;
    }
    let installed = report.step(STEP, || {
        // maturin is in the environment already; the dev profile and the common target directory save a
        // second build.
        let pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-build-isolation", "./python"];
        in_python(tree, variables, &pip)?.env("MATURIN_PEP517_ARGS", "--profile dev").run()
    });
    installed.is_some()
}

/// Runs the tests of the wheel that is installed and compares its stubs with the module.
fn python_tests(tree: &Tree, variables: &Variables, installed: bool, report: &mut Report) {
    let steps: [(&str, &[&str]); 2] = [
        ("python: pytest", &["-m", "pytest", "python/tests", "-q", "-p", "no:cacheprovider"]),
        ("python: stubs", &["-m", "mypy.stubtest", "pico_erp"]),
    ];
    for (step, arguments) in steps {
        if installed {
            report.step(step, || in_python(tree, variables, arguments)?.run());
        } else {
            report.blocked(step, "the wheel is not installed");
        }
    }
}

/// The environment's interpreter with these arguments.
fn in_python(tree: &Tree, variables: &Variables, arguments: &[&str]) -> Outcome<Command> {
    let command = tree.command(python::interpreter(tree)).args(arguments).env("PATH", python::path(tree)?);
    Ok(with(command, variables)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MYPY_CACHE_DIR", tree.tool("mypy-cache")))
}

/// Adds the variables that name the tools.
pub(crate) fn with(command: Command, variables: &Variables) -> Command {
    variables.iter().fold(command, |command, (name, value)| command.env(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_target_belongs_to_the_language_its_name_starts_with() {
        for (target, suite) in [
            ("c", Suite::C),
            ("cpp", Suite::C),
            ("c_valgrind", Suite::C),
            ("dotnet", Suite::Dotnet),
            ("peers", Suite::Peers),
            ("peers_websocket", Suite::Peers),
            ("faults", Suite::Faults),
            ("crash", Suite::Crash),
            ("power_loss", Suite::Crash),
            ("nodes", Suite::Nodes),
        ] {
            let owners: Vec<Suite> = Suite::ALL.iter().copied().filter(|suite| suite.owns(target)).collect();
            assert_eq!(owners, [suite], "{target}");
        }
        assert!(!Suite::C.owns("completions"));
    }

    #[test]
    fn a_suite_is_named_on_the_command_line() {
        assert_eq!("peers".parse(), Ok(Suite::Peers));
        assert!(
            "perl"
                .parse::<Suite>()
                .unwrap_err()
                .contains("lint, rust, c, dotnet, peers, curl, faults, crash, nodes, python")
        );
    }
}
