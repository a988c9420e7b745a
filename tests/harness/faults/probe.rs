//! The probes of `tests/probes` as running programs: how one is built and started in each language, and its lines
//! held against those that are expected.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use pico_erp_tests::{repository, run, tool};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// For anything that should take a fraction of a second: the machine may be busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// How a program uses the library.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Language {
    C,
    Python,
    Rust,
}

/// How its stream travels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Transport {
    Sse,
    WebSocket,
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
        }
    }
}

/// One cell of the table: a language and a transport.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Case {
    pub(crate) language: Language,
    pub(crate) transport: Transport,
}

/// All of them.
pub(crate) const CASES: [Case; 6] = {
    use {Language::*, Transport::*};
    [
        Case { language: C, transport: Sse },
        Case { language: C, transport: WebSocket },
        Case { language: Python, transport: Sse },
        Case { language: Python, transport: WebSocket },
        Case { language: Rust, transport: Sse },
        Case { language: Rust, transport: WebSocket },
    ]
};

/// A line that a probe prints. The transport in it is the one that the case asks for, unless it is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line {
    Open,
    OpenBy(Transport),
    Retrying(&'static str),
    SwitchedTo(Transport, &'static str),
    Event(&'static str),
    Problem(&'static str),
    Closed(&'static str),
}

impl Line {
    fn json(self, case: Case) -> Value {
        match self {
            Self::Open => json!({ "state": "open", "transport": case.transport.name() }),
            Self::OpenBy(transport) => json!({ "state": "open", "transport": transport.name() }),
            Self::Retrying(cause) => json!({ "state": "retrying", "cause": cause }),
            Self::SwitchedTo(transport, cause) => {
                json!({ "state": "switched", "transport": transport.name(), "cause": cause })
            }
            Self::Event(order) => json!({ "event": order }),
            Self::Problem(kind) => json!({ "problem": kind }),
            Self::Closed(kind) => json!({ "closed": kind }),
        }
    }
}

/// A probe that runs. It is killed with the test.
pub(crate) struct Probe {
    case: Case,
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    told: Vec<Value>,
}

impl Probe {
    /// Starts the probe of the case's language; `transport` is the word on its command line.
    pub(crate) async fn start(
        case: Case,
        endpoint: &str,
        token: &str,
        transport: &str,
        settings: &[String],
    ) -> Self {
        let mut command = match case.language {
            Language::C => Command::new(c_program().await),
            Language::Python => {
                let mut python = Command::new(tool("PICO_TEST_PYTHON"));
                python.arg(repository().join("tests/probes/probe.py")).env("PYTHONDONTWRITEBYTECODE", "1");
                python
            }
            Language::Rust => Command::new(env!("CARGO_BIN_EXE_stream-probe")),
        };
        let mut process = command
            .args([endpoint, token, transport])
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{case:?}: the probe could not be started: {error}"));
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        Self { case, process, lines, told: Vec::new() }
    }

    /// Waits for a line. What may come before it are new connections, and the last failure once more: anything else
    /// would be an event too many, or a state that the row does not know of.
    pub(crate) async fn see(&mut self, line: Line) {
        self.see_json(&line.json(self.case)).await;
    }

    /// Waits for the completion of an order whose id is made up by the test.
    pub(crate) async fn see_event(&mut self, order: &str) {
        self.see_json(&json!({ "event": order })).await;
    }

    async fn see_json(&mut self, wanted: &Value) {
        let last_state = self.told.iter().rfind(|line| line["state"] != "connecting").cloned();
        loop {
            let line = timeout(DEADLINE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("{}: no {wanted} within {DEADLINE:?}", self.so_far()));
            let Some(line) = line.expect("its output is text") else {
                panic!("{}: it ended before {wanted}", self.so_far())
            };
            self.told.push(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}")));
            let line = &self.told[self.told.len() - 1];
            if line == wanted {
                return;
            }
            let again = line["state"] == "retrying" && last_state.as_ref() == Some(line);
            assert!(line["state"] == "connecting" || again, "{}: {wanted} was next", self.so_far());
        }
    }

    /// Closes the probe's standard input and waits for its end. Nothing but states may still come.
    pub(crate) async fn end(mut self) {
        drop(self.process.stdin.take());
        while let Some(line) =
            timeout(DEADLINE, self.lines.next_line()).await.expect("it ends in time").expect("text")
        {
            self.told.push(serde_json::from_str(&line).expect("JSON"));
            let line = &self.told[self.told.len() - 1];
            assert!(line["state"].is_string(), "{}: that was one too many", self.so_far());
        }
        let status =
            timeout(DEADLINE, self.process.wait()).await.expect("it ends in time").expect("a status");
        assert!(status.success(), "{}: it ended with {status}", self.so_far());
    }

    /// The case and all lines, for the message of a failure.
    fn so_far(&self) -> String {
        let lines: Vec<String> = self.told.iter().map(Value::to_string).collect();
        format!("{:?} told\n{}\n", self.case, lines.join("\n"))
    }
}

/// The probe in C, compiled once for all tests of this program.
async fn c_program() -> PathBuf {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    PROGRAM.get_or_init(compile).await.clone()
}

async fn compile() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("stream-probe");
    std::fs::create_dir_all(&folder).expect("a folder");
    let library = tool("PICO_TEST_LIB_DIR").join("libpico_erp.so");
    for name in ["libpico_erp.so", "libpico_erp.so.0"] {
        let link = folder.join(name);
        // Another run may have made it, or make it now.
        let made = std::os::unix::fs::symlink(&library, &link);
        assert!(made.is_ok() || link.is_symlink(), "{made:?}");
    }
    let (program, fresh) = (folder.join("probe"), folder.join(format!("probe-{}", std::process::id())));
    let mut compiler = Command::new(tool("PICO_TEST_CC"));
    compiler
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-I"])
        .arg(repository().join("include"))
        .arg(repository().join("tests/probes/probe.c"))
        .arg("-o")
        .arg(&fresh)
        .arg("-L")
        .arg(&folder)
        .args(["-lpico_erp".to_owned(), format!("-Wl,-rpath,{}", folder.display())]);
    run(&mut compiler, DEADLINE).await;
    // In one go, since another run may be starting the old one.
    std::fs::rename(&fresh, &program).expect("the program in its place");
    program
}
