//! The server's process. It must not outlive the test, not even one that is killed, and a process that died cannot stop
//! another. So a shell stands between them: it waits for a line in its standard input, which is a pipe of the test's, and
//! stops the server as the line says. When the test dies, the pipe ends: the shell stops the server at once and removes
//! its folder.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::user::User;

/// `$1` is the folder to remove, `$2` the program, then come its arguments. The signal is sent by number-free names, as
/// POSIX has them; QUIT is PostgreSQL's immediate shutdown.
const WATCHER: &str = r#"
folder=$1; shift
"$@" </dev/null & server=$!
exec 2>/dev/null
if read -r signal; then
    kill -s "$signal" $server; wait $server
else
    kill -s QUIT $server; wait $server; rm -rf "$folder"
fi
"#;

/// How long a start, with the recovery after a crash, or a stop may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// How much of what the server says is kept for a failure's message.
const LINES: usize = 100;

/// How a server is stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// Connections are closed, and everything is written: PostgreSQL's fast shutdown.
    Fast,
    /// SIGKILL: what is not on the disk is lost with the process.
    Hard,
}

/// What the server says while it starts.
enum Said {
    Ready,
    PortTaken,
}

/// Why a server did not start.
pub(crate) enum Refusal {
    /// Another process has the port.
    PortTaken,
    /// With everything it said.
    Other(String),
}

/// A server that runs and accepts connections.
pub(crate) struct Server {
    shell: Child,
    said: Receiver<Said>,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// Starts it and waits until it accepts connections; a server after a crash has recovered by then.
    pub(crate) fn start(
        programs: &Path,
        folder: &Path,
        user: User,
        arguments: &[String],
    ) -> Result<Self, Refusal> {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(WATCHER).arg("sh").arg(folder).arg(programs.join("postgres")).args(arguments);
        // Of a group of its own: Ctrl-C at the test is for the test, whose end stops the server.
        command.current_dir(folder).env("LC_ALL", "C").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        user.run(&mut command);
        let mut shell =
            command.spawn().unwrap_or_else(|error| panic!("/bin/sh could not be started: {error}"));
        let (say, said) = sync_channel(16);
        let last = Arc::new(Mutex::new(VecDeque::new()));
        let stderr = shell.stderr.take().expect("it was asked for");
        let kept = Arc::clone(&last);
        std::thread::Builder::new()
            .name("postgres".to_owned())
            // It ends with the server's last process, for which `stop` waits.
            .spawn(move || listen(stderr, &say, &kept))
            .expect("a thread can be started");
        let server = Self { shell, said, last };
        match server.said.recv_timeout(DEADLINE) {
            Ok(Said::Ready) => Ok(server),
            // Stopped by a line: at the end of the pipe the shell would remove the folder.
            Ok(Said::PortTaken) => {
                server.stop(Stop::Fast);
                Err(Refusal::PortTaken)
            }
            Err(error) => {
                let why = format!("{error}; it said:\n{}", server.log());
                server.stop(Stop::Hard);
                Err(Refusal::Other(why))
            }
        }
    }

    /// What the server said last.
    pub(crate) fn log(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Stops it and waits until the last of its processes is gone.
    pub(crate) fn stop(mut self, how: Stop) {
        let signal = match how {
            Stop::Fast => "INT",
            Stop::Hard => "KILL",
        };
        let mut stdin = self.shell.stdin.take().expect("it was asked for");
        writeln!(stdin, "{signal}").expect("the shell waits for a line");
        // Only now may the pipe end.
        let end = Instant::now() + DEADLINE;
        loop {
            match self.said.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the server did not stop within {DEADLINE:?}; it said:\n{}", self.log())
                }
            }
        }
        self.shell.wait().expect("a child can be waited for");
    }
}

impl Drop for Server {
    /// What is not stopped by then ends as when the test dies, with its folder.
    fn drop(&mut self) {
        if self.shell.stdin.take().is_some() {
            let _ = self.shell.wait();
        }
    }
}

/// Reads what the server and its processes say to the end, which comes when the last of them is gone.
fn listen(stderr: ChildStderr, say: &SyncSender<Said>, last: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let said = if line.contains("database system is ready to accept connections") {
            Some(Said::Ready)
        } else if line.contains("could not create any TCP/IP sockets") || line.contains("could not bind IPv4")
        {
            Some(Said::PortTaken)
        } else {
            None
        };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        last.push_back(line);
        if last.len() > LINES {
            last.pop_front();
        }
        drop(last);
        if let Some(said) = said {
            // Nobody asks any more after the start; what does not fit is not needed.
            let _ = say.try_send(said);
        }
    }
}
