//! `cargo xtask bench`: builds the measurements of `benches/` as a release and runs them. They print tables; nothing here
//! judges a figure.

use crate::Outcome;
use crate::tools::python;
use crate::tree::Tree;

/// The measurements, by the name of their program.
const MEASUREMENTS: &[&str] = &["thousand_streams", "durable_webhooks", "import_orders", "nodes_and_plants"];

/// Runs one measurement with its arguments, or all of them.
pub(crate) fn run(tree: &Tree, words: &[&str]) -> Outcome {
    match words {
        [] => MEASUREMENTS.iter().try_for_each(|name| measure(tree, name, &[])),
        [name, arguments @ ..] if MEASUREMENTS.contains(name) => measure(tree, name, arguments),
        [other, ..] => Err(format!("no measurement `{other}`; there are {}", MEASUREMENTS.join(", "))),
    }
}

fn measure(tree: &Tree, name: &str, arguments: &[&str]) -> Outcome {
    println!("## {name}\n");
    let interpreter = python::with_peers(tree)?;
    tree.cargo(["run", "--release", "--quiet", "--package", "pico-erp-benches", "--bin", name, "--"])
        .args(arguments)
        .env("PICO_BENCH_PYTHON", interpreter)
        .run()
}
