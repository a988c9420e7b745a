//! The project's own commands, run as `cargo xtask <verb>`: the demonstration, all tests, the generated C
//! header, the style checks and the tools that the tests need. This file reads the command line and hands
//! over; each verb has a file of its own. Nothing here is part of the product.

mod bench;
mod command;
mod header;
mod lint;
mod report;
mod soak;
mod source_rules;
mod test;
mod tools;
mod tree;

use std::process::ExitCode;

use test::Suite;
use tree::Tree;

/// Result of anything that can fail here; the text is shown to the person who ran the command.
pub(crate) type Outcome<T = ()> = Result<T, String>;

const USAGE: &str = "\
The project's own commands.

Usage: cargo xtask <verb>

  demo                 build and run the demonstration against the local sandbox
  test [--only SUITE]  run every check and test, or one SUITE:
                       lint, rust, c, dotnet, peers, curl, faults, crash, nodes or python
  lint                 rustfmt, clippy, the C header and the source rules
  header [--check]     write include/pico_erp.h from crates/pico-erp-ffi, or fail when it is not current
  bench [NAME [ARG…]]  build and run the measurements of benches/, or one of them
  soak [ROUNDS]        what is too slow for every run: sanitizers, models, and timing and crash tests over and over
  soak crash [MINUTES] kill -9 for so many minutes, 10 unless told, and power cuts
  soak nodes [MINUTES] nodes that share a database are killed, paused and cut off for so long, 10 unless told
  tools                install every tool the tests need and print the variables that name them

What is missing is installed into target/tools, or by apt-get when run as root.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the verb that the words name; false when what failed has been told already.
fn run(words: &[&str]) -> Outcome<bool> {
    let tree = Tree::find()?;
    let done = |()| true;
    match words {
        ["demo", rest @ ..] => demo(&tree, rest).map(done),
        ["test"] => Ok(test::run(&tree, None)),
        ["test", "--only", suite] => Ok(test::run(&tree, Some(suite.parse()?))),
        ["test", only] if only.starts_with("--only=") => {
            Ok(test::run(&tree, Some(only["--only=".len()..].parse()?)))
        }
        ["lint"] => Ok(test::run(&tree, Some(Suite::Lint))),
        ["header"] => header::write(&tree).map(done),
        ["header", "--check"] => header::check(&tree).map(done),
        ["bench", rest @ ..] => bench::run(&tree, rest).map(done),
        ["soak"] => soak::run(&tree, None),
        ["soak", "crash"] => soak::crash(&tree, None),
        ["soak", "crash", minutes] => soak::crash(&tree, Some(minutes)),
        ["soak", "nodes"] => soak::nodes(&tree, None),
        ["soak", "nodes", minutes] => soak::nodes(&tree, Some(minutes)),
        ["soak", rounds] => soak::run(&tree, Some(rounds)),
        ["tools"] => print_tools(&tree).map(done),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(true)
        }
        [] => Err(format!("no verb given\n\n{USAGE}")),
        other => Err(format!("not understood: {}\n\n{USAGE}", other.join(" "))),
    }
}

/// Runs the command's `demo`; it needs nothing but Rust.
fn demo(tree: &Tree, more: &[&str]) -> Outcome {
    tree.cargo(["run", "--package", "pico-erp-cli", "--bin", "pico-erp", "--", "demo"]).args(more).run()
}

/// Installs all tools and then prints their variables, one `NAME=value` a line.
fn print_tools(tree: &Tree) -> Outcome {
    let mut variables = tools::built(tree);
    let mut missing = Vec::new();
    for (tool, install) in tools::for_suites(tree, Suite::ALL) {
        match install() {
            Ok(found) => variables.extend(found),
            Err(message) => missing.push(format!("{tool}: {message}")),
        }
    }
    for (name, value) in variables {
        println!("{name}={}", value.display());
    }
    if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
}
