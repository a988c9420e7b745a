//! The `pico-erp` command as a library: arguments in, exit code out.
//!
//! It is a thin shell over the core: what it prints is what the core returns. Results go to the standard output,
//! everything else to the standard error, so that a pipe gets data and nothing more.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

#[cfg(feature = "alpha")]
mod alpha;
#[cfg(feature = "alpha")]
mod alpha_args;
mod args;
mod calls;
mod demo;
mod durable_args;
mod exit;
mod follow;
mod import;
mod inbox;
mod metrics;
mod outbox;
mod output;
mod plants;
mod progress;
mod sandbox;
mod store;
mod stream;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command, Completions, Notes};
use exit::Failure;

/// Runs the command with `arguments`, the program's name first, and returns its exit code.
///
/// | code | meaning |
/// |---|---|
/// | 0 | done |
/// | 1 | anything else went wrong |
/// | 2 | the arguments or the input are wrong; nothing was sent |
/// | 3 | Pico could not be reached: connection, name, TLS, proxy, time-out |
/// | 4 | Pico refused the token |
/// | 5 | Pico answered, but not with what was asked for |
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap knows where its text belongs: help to the standard output, errors to the other. With a closed
            // pipe there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE));
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::from(error).report(false),
    };
    let json = arguments.connection.json;
    let result = runtime.block_on(dispatch(arguments));
    // A look-up or a token provider that still waits is not worth waiting for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

async fn dispatch(arguments: Arguments) -> Result<(), Failure> {
    let connection = &arguments.connection;
    match arguments.command {
        Command::Sandbox(sandbox) => sandbox::run(sandbox, connection).await,
        Command::Demo => demo::run(connection.json).await,
        Command::Operations(command) => calls::operations(connection, command).await,
        Command::Outbox(command) => outbox::run(connection, command).await,
        Command::Orders(command) => calls::orders(connection, command).await,
        Command::Completions(Completions::Follow(command)) => follow::follow(connection, command).await,
        Command::Completions(Completions::List { operation, order }) => {
            calls::completions(connection, operation, order).await
        }
        Command::Notes(Notes::List(choice)) => calls::notes(connection, choice).await,
        Command::Notes(Notes::Stream { choice, count, transport, states }) => {
            let printing = stream::Printing { count, transport, states };
            stream::notes(connection, choice, &printing).await
        }
        Command::Notes(Notes::Follow(command)) => follow::notes(connection, command).await,
        Command::Webhooks(command) => calls::webhooks(connection, command).await,
        Command::Inbox(command) => inbox::run(command, connection.json).await,
        #[cfg(feature = "alpha")]
        Command::Alpha(command) => alpha::run(connection, command).await,
        Command::Metrics(command) => metrics::run(command, connection.json).await,
        Command::Store(command) => store::run(connection, command).await,
        Command::Plants(command) => plants::run(command, connection.json).await,
        Command::Query(query) => calls::query(connection, query).await,
        Command::Stream(stream) => stream::run(connection, stream).await,
    }
}
