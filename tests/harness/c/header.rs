//! The header against the sources, the library and the compilers.

use std::collections::BTreeSet;

use pico_erp_tests::{repository, run, tool};
use tokio::process::Command;

use crate::workshop::{BOTH, DEADLINE, Workshop, command};

/// The functions that wait are those that go through that guard; what the header says must agree.
#[test]
fn every_function_that_waits_says_so_and_is_tried_inside_a_callback() {
    let header = std::fs::read_to_string(repository().join("include/pico_erp.h")).expect("the header");
    let tried = std::fs::read_to_string(repository().join("tests/c/callbacks.c")).expect("the test's source");
    let mut waiting = 0;
    for file in std::fs::read_dir(repository().join("crates/pico-erp-ffi/src")).expect("the sources") {
        let source = std::fs::read_to_string(file.expect("a source").path()).expect("a source");
        for function in source.split("extern \"C\" fn ").skip(1).filter(|it| it.contains("guard::waiting(")) {
            let name = function.split_once('(').expect("a function").0;
            let (before, _) = header.split_once(&format!("PICO_CALL {name}(")).expect("it is declared");
            let comment = before.rsplit_once("/**").expect("it has a comment").1;
            assert!(comment.to_lowercase().contains("waits"), "{name} does not say that it waits");
            let call = tried.split_once("static void call_all_that_waits").expect("the test").1;
            assert!(call.contains(&format!("{name}(")), "tests/c/callbacks.c does not call {name}");
            waiting += 1;
        }
    }
    assert!(waiting >= 14, "only {waiting} functions that wait were found");
}

#[tokio::test(flavor = "multi_thread")]
async fn null_is_refused_by_every_function() {
    let source = "tests/c/null_arguments.c";
    let text = std::fs::read_to_string(repository().join(source)).expect("the test's source");
    let missing: Vec<_> =
        functions().into_iter().filter(|name| !text.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "{source} does not call {missing:?}");

    let workshop = Workshop::new();
    let program = workshop.compile(source).await;
    for how in BOTH {
        assert_eq!(run(&mut command(&program, how), DEADLINE).await, "passed\n");
    }
}

/// The functions that the header declares.
fn functions() -> BTreeSet<String> {
    let header = std::fs::read_to_string(repository().join("include/pico_erp.h")).expect("the header");
    let names = header.split("PICO_CALL ").skip(1).filter_map(|rest| rest.split_once('('));
    names.map(|(name, _)| name.to_owned()).filter(|name| name.starts_with("pico_")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_exports_what_the_header_declares_and_nothing_else() {
    let library = tool("PICO_TEST_LIB_DIR").join("libpico_erp.so");
    let listed = run(Command::new("nm").args(["-D", "--defined-only"]).arg(&library), DEADLINE).await;
    let exported: BTreeSet<_> = listed.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    let declared = functions();
    assert_eq!(exported, declared.iter().map(String::as_str).collect());
    assert!(declared.len() > 100, "only {} functions were found in the header", declared.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_has_its_soname_and_stays_mapped() {
    let library = tool("PICO_TEST_LIB_DIR").join("libpico_erp.so");
    let dynamic = run(Command::new("readelf").args(["-d", "-W"]).arg(&library), DEADLINE).await;
    assert!(dynamic.contains("[libpico_erp.so.0]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
    assert!(!dynamic.contains("libssl"), "{dynamic}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_alone_is_valid_c_and_cxx() {
    let header = repository().join("include/pico_erp.h");
    let flags = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"];
    for (compiler, language, standard) in [
        (tool("PICO_TEST_CC"), "c", "-std=c99"),
        (tool("PICO_TEST_CC"), "c", "-std=c11"),
        (tool("PICO_TEST_CXX"), "c++", "-std=c++11"),
        (tool("PICO_TEST_CXX"), "c++", "-std=c++17"),
    ] {
        run(Command::new(compiler).args(flags).args([standard, "-x", language]).arg(&header), DEADLINE).await;
    }
}
