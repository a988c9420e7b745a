//! Checks every GraphQL document in `graphql/` against `graphql/schema.graphql`.
//!
//! A misspelt field, a wrong argument or a wrong variable type fails the build here, with the file, the line
//! and the reason, and not at the first call to a plant.

use std::{env, fs, path::Path, process::exit};

use apollo_compiler::{ExecutableDocument, Schema};

fn main() {
    let folder =
        Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR")).join("graphql");
    println!("cargo::rerun-if-changed={}", folder.display());

    let schema_path = folder.join("schema.graphql");
    let schema_text = fs::read_to_string(&schema_path).expect("graphql/schema.graphql is readable");
    let schema = Schema::parse_and_validate(schema_text, &schema_path)
        .unwrap_or_else(|error| fail(&format!("graphql/schema.graphql is not valid:\n{}", error.errors)));

    for entry in fs::read_dir(&folder).expect("graphql/ is readable") {
        let path = entry.expect("graphql/ is readable").path();
        if path == schema_path || path.extension().is_none_or(|extension| extension != "graphql") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a GraphQL document is readable");
        if let Err(error) = ExecutableDocument::parse_and_validate(&schema, text, &path) {
            fail(&format!("a document does not fit schema.graphql:\n{}", error.errors));
        }
    }
}

fn fail(message: &str) -> ! {
    eprintln!("{message}");
    exit(1);
}
