//! [`Failure`]: why the command failed, as a message and an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use pico_erp::{Error, ErrorKind};

/// The exit code for wrong arguments, which is clap's too.
pub(crate) const USAGE: u8 = 2;
const OTHER: u8 = 1;
const UNREACHABLE: u8 = 3;
const TOKEN: u8 = 4;
const REFUSED: u8 = 5;

/// Why the command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The core's error.
    Core(Error),
    /// A message of the command's own, with its exit code.
    Own(String, u8),
    /// Whoever read our output has gone, as `head` does. Not worth a word.
    OutputClosed,
}

impl Failure {
    /// An argument or a file is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Own(message.into(), USAGE)
    }

    /// Something that is nobody's mistake.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::Own(message.into(), OTHER)
    }

    /// Pico answered, but not with what was asked for.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::Own(message.into(), REFUSED)
    }

    fn code(&self) -> u8 {
        match self {
            Self::Own(_, code) => *code,
            Self::OutputClosed => 0,
            Self::Core(error) => match error.kind() {
                ErrorKind::InvalidArgument => USAGE,
                ErrorKind::Connect
                | ErrorKind::Dns
                | ErrorKind::Tls
                | ErrorKind::Proxy
                | ErrorKind::Timeout
                | ErrorKind::ConnectionLost => UNREACHABLE,
                ErrorKind::Unauthorized => TOKEN,
                ErrorKind::HttpStatus
                | ErrorKind::RateLimited
                | ErrorKind::NotJson
                | ErrorKind::TooLarge
                | ErrorKind::Decode
                | ErrorKind::Graphql => REFUSED,
                _ => OTHER,
            },
        }
    }

    /// Prints the failure to the standard error and returns the exit code.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        let mut stderr = anstream::stderr().lock();
        // There is nowhere to complain to when the standard error is closed.
        let _ = match self {
            Self::OutputClosed => Ok(()),
            Self::Core(error) if json => writeln!(stderr, "{}", error_json(error)),
            Self::Own(message, _) if json => {
                writeln!(stderr, "{}", serde_json::json!({ "error": { "message": message } }))
            }
            Self::Core(error) => complain(&mut stderr, &error.to_string()),
            Self::Own(message, _) => complain(&mut stderr, message),
        };
        ExitCode::from(self.code())
    }
}

fn complain(out: &mut impl Write, message: &str) -> io::Result<()> {
    let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
    writeln!(out, "{red}error:{red:#} {message}")
}

/// The error as JSON, as it also goes into a stream's state lines.
pub(crate) fn error_json(error: &Error) -> serde_json::Value {
    serde_json::json!({ "error": error.to_json().decode::<serde_json::Value>().unwrap_or_default() })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Own(error.to_string(), OTHER),
        }
    }
}

impl From<pico_erp_sandbox::Error> for Failure {
    fn from(error: pico_erp_sandbox::Error) -> Self {
        Self::Own(error.to_string(), OTHER)
    }
}
