//! The C header: `include/pico_erp.h` is generated from `crates/pico-erp-ffi` by cbindgen and committed. This
//! file writes it, and compares the committed one with what would be written.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::Outcome;
use crate::tree::Tree;

/// Lines of difference shown before the rest is cut.
const SHOWN: usize = 60;

/// Generates the header and writes it where it differs.
pub(crate) fn write(tree: &Tree) -> Outcome {
    let path = path(tree);
    let generated = generate(tree)?;
    if fs::read_to_string(&path).ok().as_deref() == Some(generated.as_str()) {
        println!("{} is current", path.display());
        return Ok(());
    }
    fs::create_dir_all(tree.path("include")).map_err(|error| format!("cannot make include/: {error}"))?;
    fs::write(&path, generated).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// Fails when the committed header is not what would be generated, showing how they differ.
pub(crate) fn check(tree: &Tree) -> Outcome {
    let path = path(tree);
    let committed = fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}; run `cargo xtask header`", path.display()))?;
    let generated = generate(tree)?;
    if committed == generated {
        println!("include/pico_erp.h is current");
        return Ok(());
    }
    print!("{}", difference(&committed, &generated));
    Err("include/pico_erp.h differs from what crates/pico-erp-ffi gives; run `cargo xtask header`".to_owned())
}

fn path(tree: &Tree) -> PathBuf {
    tree.path("include/pico_erp.h")
}

/// Runs cbindgen on the FFI crate with the configuration that lies in it.
fn generate(tree: &Tree) -> Outcome<String> {
    let package = tree.path("crates/pico-erp-ffi");
    let configuration = package.join("cbindgen.toml");
    let config = cbindgen::Config::from_file(&configuration)
        .map_err(|error| format!("{}: {error}", configuration.display()))?;
    let bindings = cbindgen::Builder::new()
        .with_crate(&package)
        .with_config(config)
        .generate()
        .map_err(|error| format!("cbindgen: {error}"))?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    String::from_utf8(bytes).map_err(|error| format!("cbindgen wrote what is not UTF-8: {error}"))
}

/// The lines between the first and the last that differ, `-` for the committed file and `+` for the generated
/// one.
fn difference(committed: &str, generated: &str) -> String {
    let old: Vec<&str> = committed.lines().collect();
    let new: Vec<&str> = generated.lines().collect();
    let same_start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let same_end = old[same_start..]
        .iter()
        .rev()
        .zip(new[same_start..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let removed = &old[same_start..old.len() - same_end];
    let added = &new[same_start..new.len() - same_end];

    let mut text = String::from("--- include/pico_erp.h (committed)\n+++ include/pico_erp.h (generated)\n");
    let line = same_start + 1;
    let _ = writeln!(text, "@@ -{line},{} +{line},{} @@", removed.len(), added.len());
    for (sign, lines) in [('-', removed), ('+', added)] {
        for line in lines.iter().take(SHOWN) {
            let _ = writeln!(text, "{sign}{line}");
        }
        if lines.len() > SHOWN {
            let _ = writeln!(text, "{sign}... {} more lines", lines.len() - SHOWN);
        }
    }
    if removed.is_empty() && added.is_empty() {
        text.push_str("(they differ in line ends only)\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_only_what_lies_between_equal_lines() {
        let text = difference("a\nb\nc\nd\n", "a\nx\ny\nd\n");
        assert!(text.ends_with("@@ -2,2 +2,2 @@\n-b\n-c\n+x\n+y\n"), "{text}");
    }

    #[test]
    fn an_added_line_is_shown_alone() {
        let text = difference("a\na\n", "a\na\na\n");
        assert!(text.ends_with("@@ -3,0 +3,1 @@\n+a\n"), "{text}");
    }

    #[test]
    fn a_difference_in_line_ends_is_named() {
        assert!(difference("a\n", "a").ends_with("(they differ in line ends only)\n"));
    }
}
