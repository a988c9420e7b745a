//! The `pico-erp` command. All of it is in the library, so that the Python wheel can ship it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    pico_erp_cli::run(std::env::args_os())
}
