//! The .NET example, compiled by Roslyn and run by the .NET runtime, against the sandbox.

use std::path::PathBuf;
use std::time::Duration;

use pico_erp_sandbox::{Config, Fault, Sandbox};
use pico_erp_tests::{repository, run, tool};
use tempfile::TempDir;
use tokio::process::Command;

const TOKEN: &str = "a-token-of-the-tests";
/// The runtime and the compiler start slowly on a busy machine.
const DEADLINE: Duration = Duration::from_secs(300);

/// Compiles the example into the folder.
async fn compile(folder: &TempDir) -> PathBuf {
    let program = folder.path().join("FirstOrder.dll");
    let mut compiler = Command::new(tool("PICO_TEST_PYTHON"));
    compiler.arg(tool("PICO_TEST_DOTNET_COMPILE")).arg("--unsafe").arg("--out").arg(&program);
    run(compiler.arg(repository().join("examples/dotnet/FirstOrder.cs")), DEADLINE).await;
    program
}

/// The program, set up to find the library and the sandbox.
fn first_order(program: &PathBuf, sandbox: &Sandbox, token: &str) -> Command {
    let mut command = Command::new(tool("PICO_TEST_DOTNET"));
    command.arg("exec").arg(program);
    command.env("LD_LIBRARY_PATH", tool("PICO_TEST_LIB_DIR"));
    command.env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1");
    command.env("PICO_API_ENDPOINT", sandbox.endpoint()).env("PICO_API_TOKEN", token);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

async fn sandbox() -> Sandbox {
    let config = Config {
        token: Some(TOKEN.into()),
        auto_complete: Some(Duration::from_millis(100)),
        ..Config::default()
    };
    Sandbox::start(config).await.expect("a sandbox on a free port")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_order_is_listed_saved_and_completed_from_dotnet() {
    let (folder, sandbox) = (TempDir::new().expect("a temporary folder"), sandbox().await);
    let program = compile(&folder).await;

    let order = "ERP-Ördnung-1";
    let printed = run(first_order(&program, &sandbox, TOKEN).arg(order), DEADLINE).await;
    let done = sandbox.completions().into_iter().find(|one| one.external_order_id == order);
    let serial = done.and_then(|one| one.end_state).and_then(|state| state.produced_serial);
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines.first().is_some_and(|line| line.ends_with(" operations")), "{printed}");
    assert!(lines.iter().any(|line| line.starts_with(&format!("created {order} of "))), "{printed}");
    let expected = format!("completed {order} {}", serial.as_deref().unwrap_or("-"));
    assert_eq!(lines.last(), Some(&expected.as_str()), "{printed}");
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_becomes_an_exception_with_the_librarys_message() {
    let (folder, sandbox) = (TempDir::new().expect("a temporary folder"), sandbox().await);
    let program = compile(&folder).await;
    for (token, fault, says) in
        [("wrong", None, "unauthorized: "), (TOKEN, Some(Fault::status(404)), "http_status: ")]
    {
        sandbox.set_faults(fault.map(Into::into).unwrap_or_else(pico_erp_sandbox::Faults::new));
        let mut command = first_order(&program, &sandbox, token);
        let output = tokio::time::timeout(DEADLINE, command.kill_on_drop(true).output()).await;
        let output = output.expect("it ends").expect("it starts");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(says), "{output:?}");
    }
    sandbox.shutdown().await;
}
