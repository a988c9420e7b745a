//! `pico-erp alpha`: uploads that are interrupted and go on, and work instructions from files.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use pico_erp_sandbox::{Config, Fault, Sandbox};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);
const TOKEN: &str = "cli-token";

async fn sandbox() -> Sandbox {
    Sandbox::start(Config { token: Some(TOKEN.into()), ..Config::default() }).await.unwrap()
}

async fn output(sandbox: &Sandbox, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pico-erp"));
    command
        .arg("alpha")
        .args(arguments)
        .current_dir(folder)
        .env("PICO_API_ENDPOINT", sandbox.endpoint())
        .env("PICO_API_TOKEN", TOKEN)
        .env("NO_PROXY", "127.0.0.1,localhost")
        .kill_on_drop(true);
    timeout(DEADLINE, command.output()).await.expect("the command ends in time").unwrap()
}

async fn printed(sandbox: &Sandbox, folder: &Path, arguments: &[&str]) -> String {
    let output = output(sandbox, folder, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn written(folder: &TempDir, name: &str, start: &[u8], length: usize) {
    let mut bytes: Vec<u8> = (0..length as u32).map(|at| (at ^ (at >> 8)) as u8).collect();
    bytes[..start.len()].copy_from_slice(start);
    std::fs::write(folder.path().join(name), bytes).unwrap();
}

#[tokio::test]
async fn an_image_is_uploaded_and_its_path_printed() {
    let (sandbox, folder) = (sandbox().await, TempDir::new().unwrap());
    written(&folder, "step1.png", b"\x89PNG\r\n\x1a\n", 1_000);
    let upload = ["upload", "step1.png", "--destination", "stepImage"];
    let lines = printed(&sandbox, folder.path(), &upload).await;
    assert_eq!(lines, format!("{}\n", sandbox.media()[0].path));
    let json = printed(&sandbox, folder.path(), &[&upload[..], &["--json"]].concat()).await;
    assert_eq!(json, format!("{{\"path\":\"{}\"}}\n", sandbox.media()[1].path));

    let wrong = ["upload", "step1.png", "--destination", "stepVideo"];
    let wrong = output(&sandbox, folder.path(), &wrong).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("file: is a PNG, but stepVideo takes MP4"),
        "{wrong:?}"
    );
    assert_eq!(output(&sandbox, folder.path(), &["upload", "step1.png"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn an_interrupted_upload_goes_on_where_it_was() {
    let (sandbox, folder) = (sandbox().await, TempDir::new().unwrap());
    written(&folder, "step1.mp4", b"\0\0\0\x18ftypmp42", 45_000);
    let ticket = folder.path().join("step1.ticket");
    sandbox.set_faults(Fault::refuse_upload(Some(2), 400).times(1));
    let start = ["upload", "step1.mp4", "--destination", "stepVideo", "--resume", "step1.ticket"];
    let broken = output(&sandbox, folder.path(), &[&start[..], &["--chunk-bytes", "10000"]].concat()).await;
    assert_eq!(broken.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("to go on"), "{broken:?}");
    let kept = std::fs::read_to_string(&ticket).unwrap();
    assert!(kept.contains("\"nextChunk\":2"), "{kept}");

    let other = ["upload", "step1.mp4", "--destination", "stepImage", "--resume", "step1.ticket"];
    assert_eq!(output(&sandbox, folder.path(), &other).await.status.code(), Some(2));
    let before = sandbox.requests();
    let lines = printed(&sandbox, folder.path(), &start).await;
    assert_eq!(sandbox.requests() - before, 3, "only what was missing");
    let media = &sandbox.media()[0];
    assert_eq!((lines, media.chunks), (format!("{}\n", media.path), 5));
    assert!(
        media.content == std::fs::read(folder.path().join("step1.mp4")).unwrap(),
        "the file came as it was"
    );
    assert!(!ticket.exists(), "there is nothing to go on with");
}

#[tokio::test]
async fn work_instructions_are_created_from_files() {
    let (sandbox, folder) = (sandbox().await, TempDir::new().unwrap());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("good.json", r#"{"process": {"id": "assembly_1", "name": "n", "steps": [{"id": "step_1"}]}}"#);
    write("bad.json", r#"{"process": {"id": "assembly_1", "steps": [{"id": "s 1"}]}}"#);
    write("any.json", r#"{"id": "any_1"}"#);
    let lines = printed(&sandbox, folder.path(), &["process", "create", "good.json"]).await;
    assert_eq!(lines, "created or overwritten: \"assembly_1\"\n");
    printed(&sandbox, folder.path(), &["product", "create", "any.json"]).await;
    assert_eq!(
        printed(&sandbox, folder.path(), &["station", "create", "any.json", "--json"]).await,
        "\"any_1\"\n"
    );
    assert_eq!(sandbox.work_instructions().len(), 3);

    let bad = output(&sandbox, folder.path(), &["process", "create", "bad.json"]).await;
    assert_eq!(bad.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("process.steps[0].id: "), "{bad:?}");
    assert_eq!(sandbox.requests(), 3);
}
