//! What the C tests share: a folder to compile programs in, the ways to run them, and the sandbox they run against.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pico_erp_sandbox::{Config, OperationSpec, Sandbox};
use pico_erp_tests::{repository, run, tool};
use tempfile::TempDir;
use tokio::process::Command;

pub(crate) const TOKEN: &str = "a-token-of-the-tests";
/// For anything that should take seconds: the machine may be busy, and valgrind is slow.
pub(crate) const DEADLINE: Duration = Duration::from_secs(300);
const STRICT: [&str; 5] = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"];
/// What rustc asks for on Linux when a static library is linked (`--print native-static-libs`).
const NATIVE_LIBRARIES: [&str; 7] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];

/// A folder with the shared library under the names that the linker and the loader look for, and room for
/// programs.
pub(crate) struct Workshop {
    folder: TempDir,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let library = tool("PICO_TEST_LIB_DIR").join("libpico_erp.so");
        for name in ["libpico_erp.so", "libpico_erp.so.0"] {
            std::os::unix::fs::symlink(&library, folder.path().join(name)).expect("a link to the library");
        }
        Self { folder }
    }

    fn compiler(&self, source: &str, program: &Path) -> Command {
        let mut compiler = Command::new(tool("PICO_TEST_CC"));
        compiler.args(STRICT).arg("-g").arg("-I").arg(repository().join("include"));
        compiler.arg(repository().join(source)).arg("-o").arg(program).arg("-pthread");
        compiler
    }

    /// Compiles a C file of the repository against the shared library.
    pub(crate) async fn compile(&self, source: &str) -> PathBuf {
        let program = self.folder.path().join(Path::new(source).file_stem().expect("a file"));
        let folder = self.folder.path();
        let mut compiler = self.compiler(source, &program);
        compiler.arg("-L").arg(folder).arg("-lpico_erp").arg(format!("-Wl,-rpath,{}", folder.display()));
        run(&mut compiler, DEADLINE).await;
        program
    }

    pub(crate) async fn compile_statically(&self, source: &str) -> PathBuf {
        let program = self.folder.path().join("linked-statically");
        let mut compiler = self.compiler(source, &program);
        compiler.arg(tool("PICO_TEST_LIB_DIR").join("libpico_erp.a")).args(NATIVE_LIBRARIES);
        run(&mut compiler, DEADLINE).await;
        program
    }
}

/// How a program is run.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum How {
    Natively,
    /// Any error and any block that is lost for good ends with status 99. Nothing is suppressed. Blocks
    /// that threads of the library still use as the process ends are reachable, and no leak.
    UnderValgrind,
}

pub(crate) const BOTH: [How; 2] = [How::Natively, How::UnderValgrind];

pub(crate) fn command(program: &Path, how: How) -> Command {
    let mut command = match how {
        How::Natively => Command::new(program),
        How::UnderValgrind => {
            let mut valgrind = Command::new(tool("PICO_TEST_VALGRIND"));
            valgrind
                .args(["--quiet", "--error-exitcode=99", "--leak-check=full"])
                .args(["--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect"])
                // Threads take turns, so that none starves behind one that spins or is long.
                .arg("--fair-sched=try")
                .arg(program);
            valgrind
        }
    };
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

/// The same, with the environment that tells programs where the sandbox is.
pub(crate) fn against(sandbox: &Sandbox, program: &Path, how: How) -> Command {
    let mut command = command(program, how);
    command.env("PICO_API_ENDPOINT", sandbox.endpoint()).env("PICO_API_TOKEN", TOKEN);
    command
}

pub(crate) async fn sandbox() -> Sandbox {
    let config = Config {
        token: Some(TOKEN.into()),
        auto_complete: Some(Duration::from_millis(100)),
        ..Config::default()
    };
    Sandbox::start(config).await.expect("a sandbox on a free port")
}

/// The id of an operation that orders can be saved for.
pub(crate) fn operation(sandbox: &Sandbox) -> String {
    let spec = OperationSpec::new("op-of-the-tests", "Operation of the tests");
    sandbox.deploy(spec).expect("an operation").id
}

/// Compiles a program and runs it to its end, against a sandbox that completes every order by itself, with room for files.
pub(crate) async fn contract(source: &str) {
    let workshop = Workshop::new();
    let program = workshop.compile(source).await;
    for how in BOTH {
        let sandbox = sandbox().await;
        let mut command = against(&sandbox, &program, how);
        let folder = TempDir::new().expect("a temporary folder");
        command.env("TEST_OPERATION", operation(&sandbox)).env("TEST_FOLDER", folder.path());
        let printed = run(&mut command, DEADLINE).await;
        assert_eq!(printed, "passed\n");
        sandbox.shutdown().await;
    }
}
