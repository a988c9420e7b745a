//! Link arguments of the shared library.
//!
//! They are given here and not in a cargo configuration, so that every way of building the crate gives the same
//! library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // The number is raised when a program built against an older library would no longer run.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libpico_erp.so.0");
        // The library has threads that outlive `dlclose`: their code must stay mapped.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
