//! Rules on the sources that no compiler lint holds everywhere: only `crates/pico-erp-ffi` may leave safe
//! Rust, and nobody else may switch the lint that forbids it off.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::tree::Tree;

/// Where Rust sources of ours lie.
const SOURCES: [&str; 5] = ["crates", "python", "tests", "examples", "benches"];

/// The one crate that may use it.
const EXEMPT: &str = "crates/pico-erp-ffi";

/// Levels at which the lint that forbids it lets it pass.
const LENIENT: [&str; 3] = ["allow", "expect", "warn"];

/// All levels of a lint.
const LEVELS: [&str; 5] = ["allow", "expect", "warn", "deny", "forbid"];

/// Fails with a list of all places that break a rule.
pub(crate) fn check(tree: &Tree) -> Outcome {
    let mut files = Vec::new();
    for folder in SOURCES {
        rust_files(&tree.path(folder), &tree.path(EXEMPT), &mut files)?;
    }
    let mut broken = Vec::new();
    for file in &files {
        let source =
            fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        for (line, word) in forbidden_words(&source) {
            broken.push(format!("{}:{line}: `{word}` is allowed in {EXEMPT} only", file.display()));
        }
    }
    println!("{} files looked at", files.len());
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

/// Collects the Rust sources under a folder, which need not exist.
fn rust_files(folder: &Path, exempt: &Path, found: &mut Vec<PathBuf>) -> Outcome {
    if folder == exempt || !folder.is_dir() {
        return Ok(());
    }
    let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target" && name != "node_modules") {
                rust_files(&path, exempt, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}

/// The forbidden words in code, with their line numbers: the keyword, and the lint where it is weakened.
/// Those in comments and literals do not count.
fn forbidden_words(source: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut level = "";
    for (start, word) in code_words(source) {
        if LEVELS.contains(&word) {
            level = word;
        }
        if word == "unsafe" || (word == "unsafe_code" && LENIENT.contains(&level)) {
            found.push((source[..start].matches('\n').count() + 1, word));
        }
    }
    found
}

/// The identifiers and keywords of a Rust source with their offsets, comments and literals left out.
fn code_words(source: &str) -> Vec<(usize, &str)> {
    let bytes = source.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += block_comment(rest);
        } else if let Some(length) = raw_string(rest) {
            at += length;
        } else if bytes[at] == b'"' {
            at += quoted(rest.as_bytes(), b'"');
        } else if bytes[at] == b'\'' {
            at += character(rest);
        } else if bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_' {
            let length =
                rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
            words.push((at, &rest[..length]));
            at += length;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    words
}

/// Length of a block comment, which may hold others.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Length of a raw string with any of its prefixes, when one starts here.
fn raw_string(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| rest.starts_with(prefix))?;
    let after = &rest[prefix.len()..];
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |found| found + end.len());
    Some(prefix.len() + hashes + 1 + length)
}

/// Length of a literal that ends with `quote`, counted from its opening quote.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of a character literal, or 1 when the quote starts a lifetime.
fn character(rest: &str) -> usize {
    let mut characters = rest[1..].chars();
    match (characters.next(), characters.next()) {
        (Some('\\'), _) => quoted(rest.as_bytes(), b'\''),
        (Some(inner), Some('\'')) => inner.len_utf8() + 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyword_and_the_weakened_lint_count_in_code_only() {
        for (source, lines) in [
            ("fn a() {}\nunsafe { b() }", vec![2]),
            ("#![forbid(unsafe_code)]\n#[allow(dead_code, unsafe_code)]\n#![deny(unsafe_code)]", vec![2]),
            ("// unsafe\n/* unsafe /* unsafe */ unsafe */ fn a() {}", vec![]),
            ("let a = \"unsafe \\\" unsafe\"; let b = r#\"unsafe \" unsafe\"#;", vec![]),
            ("let a = '\"'; unsafe {} let b = '\\''; unsafe {}", vec![1, 1]),
            ("fn a<'a>(b: &'a str) { unsafe {} }", vec![1]),
            ("let unsafely = not_unsafe;", vec![]),
            ("let é = 'é'; /* ü */ unsafe {}", vec![1]),
        ] {
            let found: Vec<usize> = forbidden_words(source).into_iter().map(|(line, _)| line).collect();
            assert_eq!(found, lines, "{source}");
        }
    }
}
