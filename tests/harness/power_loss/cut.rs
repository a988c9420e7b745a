//! Running the program on the disk that forgets, until its power is cut.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

const PROGRAM: &str = env!("CARGO_BIN_EXE_power-ledger");
const DEADLINE: Duration = Duration::from_secs(60);
/// How `shadow.c` ends a process.
const DIED: i32 = 77;

/// When the power goes: before the sync has done anything, or when it has done all and nobody was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// The disk that forgets, compiled.
pub(crate) struct PowerCut {
    folder: TempDir,
    lies: bool,
}

/// What one cut has left.
pub(crate) struct Cut {
    folder: TempDir,
    pub(crate) sync: usize,
    pub(crate) moment: Moment,
    /// What the program printed before.
    pub(crate) told: Vec<Value>,
    /// The program came to its end first.
    pub(crate) ended: bool,
}

impl Cut {
    /// The files as the processes of the machine saw them.
    pub(crate) fn live(&self) -> PathBuf {
        self.folder.path().join("live")
    }

    /// The files as they were at their last sync.
    pub(crate) fn synced(&self) -> PathBuf {
        self.folder.path().join("synced")
    }
}

impl PowerCut {
    /// Compiles it.
    pub(crate) fn new(lies: bool) -> Self {
        if !cfg!(target_env = "gnu") {
            panic!(
                "this test works by LD_PRELOAD, which is tried with glibc only; power cuts cannot be tested here"
            );
        }
        let folder = tempfile::tempdir().expect("a folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("power/shadow.c");
        let output = std::process::Command::new("cc")
            .args(["-Wall", "-Wextra", "-O2", "-shared", "-fPIC", "-pthread", "-o"])
            .arg(folder.path().join("shadow.so"))
            .arg(&source)
            .output()
            .unwrap_or_else(|error| panic!("this test needs a C compiler: cc: {error}"));
        assert!(
            output.status.success(),
            "{} does not compile:\n{}",
            source.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        Self { folder, lies }
    }

    /// Runs the program until that sync.
    pub(crate) async fn cut(&self, endpoint: &str, sync: usize, moment: Moment) -> Cut {
        let folder = tempfile::tempdir().expect("a folder");
        // `shadow.c` compares with what the kernel says a file is called.
        let folder_path = folder.path().canonicalize().expect("the folder is there");
        let (live, synced) = (folder_path.join("live"), folder_path.join("synced"));
        for path in [&live, &synced] {
            std::fs::create_dir(path).expect("a folder");
        }
        let mut command = Command::new(PROGRAM);
        command
            .arg(endpoint)
            .arg(live.join("erp.pico"))
            .env("LD_PRELOAD", self.folder.path().join("shadow.so"))
            .env("PICO_SHADOW_OF", &live)
            .env("PICO_SHADOW_TO", &synced)
            .env("PICO_DIE_AT_SYNC", sync.to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if moment == Moment::Before {
            command.env("PICO_DIE_BEFORE", "1");
        }
        if self.lies {
            command.env("PICO_SHADOW_LIE", "1");
        }
        let output = timeout(DEADLINE, command.output())
            .await
            .unwrap_or_else(|_| panic!("the program did not end within {DEADLINE:?}"))
            .expect("the program can be started");
        let ended = output.status.success();
        assert!(
            ended || output.status.code() == Some(DIED),
            "at sync {sync} the program ended with {}:\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            !ended || synced.join("erp.pico").exists(),
            "LD_PRELOAD has no effect: the program ran to its end, and none of its syncs was seen"
        );
        let told = String::from_utf8_lossy(&output.stdout);
        let told = told.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        Cut { folder, sync, moment, told, ended }
    }
}
