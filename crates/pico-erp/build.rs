//! Makes the documents of each generation of Pico's API out of `graphql/`, and checks them against its schema.
//!
//! A document is written once, as generation G2 takes it. What only G3 has stands in it as a comment, `# G3: fields`, which
//! becomes a line of the document for G3. A first line `# G3 only` says that G2 has nothing of the kind. G2's schema is
//! `schema.graphql`; G3's is that and `schema.g3.graphql`.
//!
//! A misspelt field, a wrong argument or a wrong variable type fails the build here, with the file, the line
//! and the reason, and not at the first call to a plant.

use std::path::{Path, PathBuf};
use std::{env, fs, process::exit};

use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};

const SCHEMA: &str = "schema.graphql";
const EXTENSION: &str = "schema.g3.graphql";
const G3_ONLY: &str = "# G3 only";
const G3_FIELDS: &str = "# G3: ";

fn main() {
    let folder = folder_of("CARGO_MANIFEST_DIR").join("graphql");
    let made = folder_of("OUT_DIR");
    println!("cargo::rerun-if-changed={}", folder.display());

    let g2 = schema(&folder, &[SCHEMA]);
    let g3 = schema(&folder, &[SCHEMA, EXTENSION]);
    for entry in fs::read_dir(&folder).expect("graphql/ is readable") {
        let path = entry.expect("graphql/ is readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if name == SCHEMA || name == EXTENSION || !name.ends_with(".graphql") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a GraphQL document is readable");
        let for_g3 = with_g3_fields(&text);
        check(&g3, "G3", &for_g3, &path);
        // What G2 does not have is asked for all the same: the server's refusal says it best.
        let for_g2 = if text.starts_with(G3_ONLY) {
            for_g3.clone()
        } else {
            let text = without_comments(&text);
            check(&g2, "G2", &text, &path);
            text
        };
        for (generation, text) in [("g2", for_g2), ("g3", for_g3)] {
            let folder = made.join(generation);
            fs::create_dir_all(&folder).expect("OUT_DIR is writable");
            fs::write(folder.join(&name), text).expect("OUT_DIR is writable");
        }
    }
}

fn folder_of(variable: &str) -> PathBuf {
    env::var_os(variable).map(PathBuf::from).unwrap_or_else(|| fail(&format!("{variable} is not set")))
}

fn schema(folder: &Path, files: &[&str]) -> Valid<Schema> {
    let mut builder = Schema::builder();
    for file in files {
        let path = folder.join(file);
        let text = fs::read_to_string(&path).expect("a schema is readable");
        builder = builder.parse(text, &path);
    }
    let built = builder.build().unwrap_or_else(|error| {
        fail(&format!("{} do not make a schema:\n{}", files.join(" and "), error.errors))
    });
    built.validate().unwrap_or_else(|error| {
        fail(&format!("{} are not a valid schema:\n{}", files.join(" and "), error.errors))
    })
}

fn check(schema: &Valid<Schema>, generation: &str, text: &str, path: &Path) {
    if let Err(error) = ExecutableDocument::parse_and_validate(schema, text, path) {
        fail(&format!("a document does not fit the schema of {generation}:\n{}", error.errors));
    }
}

fn with_g3_fields(text: &str) -> String {
    without_comments(&text.replace(G3_FIELDS, ""))
}

fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

fn fail(message: &str) -> ! {
    eprintln!("{message}");
    exit(1);
}
