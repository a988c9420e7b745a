//! `pico-erp plants`: one process, several Picos, one file that may change while it runs.

use std::process::Stdio;
use std::time::Duration;

use pico_erp::{Client, OrderSave, Proxy, Token};
use pico_erp_sandbox::{CompletionSpec, Config, Sandbox};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines};
use tokio::process::Command;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(30);
const TOKEN: &str = "cli-token";

struct Pico(Sandbox);

impl Pico {
    async fn new() -> Self {
        Self(Sandbox::start(Config { token: Some(TOKEN.into()), ..Config::default() }).await.unwrap())
    }

    async fn complete(&self, order: &str) {
        let client =
            Client::builder(self.0.endpoint()).token(Token::fixed(TOKEN)).proxy(Proxy::None).build().unwrap();
        client.save_order(&OrderSave::new("op-abc-123", order)).await.unwrap();
        self.0.complete(CompletionSpec::new(order)).unwrap();
    }
}

fn write(folder: &tempfile::TempDir, plants: &[(&str, &Pico)], more: &str) {
    let mut text = format!("store = \"erp.pico\"\n[defaults]\ntoken = \"{TOKEN}\"\nproxy = \"none\"\n");
    for (name, pico) in plants {
        text.push_str(&format!("[plants.{name}]\nendpoint = \"{}\"\n", pico.0.endpoint()));
    }
    std::fs::write(folder.path().join("plants.toml"), text + more).unwrap();
}

fn command(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pico-erp"));
    command.args(arguments).env("PICO_PLANTS", folder.path().join("plants.toml")).kill_on_drop(true);
    command
}

async fn told(folder: &tempfile::TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = timeout(DEADLINE, command(folder, arguments).output()).await.expect("it ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn next<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>) -> String {
    timeout(DEADLINE, lines.next_line()).await.expect("a line in time").unwrap().expect("a line")
}

async fn line_with<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>, part: &str) -> String {
    loop {
        let line = next(lines).await;
        if line.contains(part) {
            return line;
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn plants_run_and_are_reloaded_by_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let (berlin, munich) = (Pico::new().await, Pico::new().await);
    berlin.complete("B-1").await;
    write(&folder, &[("berlin", &berlin)], "");
    let mut running =
        command(&folder, &["plants", "run"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let mut errors = BufReader::new(running.stderr.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&next(&mut lines).await).unwrap();
    assert_eq!((&first["plant"], &first["completion"]["externalOrderId"]), (&"berlin".into(), &"B-1".into()));
    munich.complete("M-1").await;
    let process = running.id().unwrap().to_string();
    // The shell's own: the program `kill` is not on every system.
    let send = |signal: &str| {
        let order = format!("kill -{signal} {process}");
        std::process::Command::new("sh").args(["-c", &order]).status().unwrap().success()
    };
    write(&folder, &[("berlin", &berlin), ("munich", &munich)], "colour = \"red\"\n");
    assert!(send("HUP"));
    let refused = line_with(&mut errors, "not reloaded").await;
    assert!(refused.contains("colour"), "{refused}");
    write(&folder, &[("berlin", &berlin), ("munich", &munich)], "");
    assert!(send("HUP"));
    let reloaded = line_with(&mut errors, "reloaded").await;
    assert!(reloaded.contains("added [munich], removed [], changed [], 1 kept"), "{reloaded}");
    let second: Value = serde_json::from_str(&next(&mut lines).await).unwrap();
    assert_eq!(second["plant"], "munich");
    assert!(send("INT"));
    assert!(timeout(DEADLINE, running.wait()).await.expect("it ends").unwrap().success());
    let (code, out, _) = told(&folder, &["plants", "status", "--json"]).await;
    assert_eq!(code, Some(0));
    let rows: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), &rows[1]["plant"], &rows[1]["inbox"]["acked"]), (2, &"munich".into(), &1.into()));
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_is_told_the_plant_and_a_watched_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (berlin, munich) = (Pico::new().await, Pico::new().await);
    berlin.complete("B-1").await;
    munich.complete("M-1").await;
    write(&folder, &[("berlin", &berlin)], "");
    let booked = folder.path().join("booked");
    let script =
        format!("cat > /dev/null; echo \"$PICO_PLANT $PICO_COMPLETION_KEY\" >> {}", booked.display());
    let arguments = ["plants", "run", "--watch", "--count", "2", "--exec", "sh", "-c", &script];
    let mut running = command(&folder, &arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut errors = BufReader::new(running.stderr.take().unwrap()).lines();
    assert_eq!(next(&mut errors).await, "1 plants");
    write(&folder, &[("berlin", &berlin), ("munich", &munich)], "");
    line_with(&mut errors, "added [munich]").await;
    assert!(timeout(DEADLINE, running.wait()).await.expect("it ends").unwrap().success());
    let text = std::fs::read_to_string(booked).unwrap();
    let mut lines: Vec<&str> = text.lines().map(|line| line.split('/').next().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["berlin B-1", "munich M-1"]);
}

#[tokio::test]
async fn a_check_says_what_would_run_and_hides_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let berlin = Pico::new().await;
    write(&folder, &[("berlin", &berlin)], "");
    let (code, out, err) = told(&folder, &["plants", "check"]).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("berlin") && out.contains("***") && !out.contains(TOKEN), "{out}");
    write(&folder, &[("berlin", &berlin)], "[plants.paris]\nendpoint = \"paris\"\n");
    let (code, out, _) = told(&folder, &["plants", "check", "--json"]).await;
    assert_eq!(code, Some(2));
    let paris: Value = serde_json::from_str(out.lines().nth(1).unwrap()).unwrap();
    assert!(paris["problem"].as_str().unwrap().starts_with("endpoint: "), "{paris}");
    write(&folder, &[("berlin", &berlin)], "feed.max_atempts = 3\n");
    let (code, _, err) = told(&folder, &["plants", "check"]).await;
    assert_eq!(code, Some(2));
    assert!(err.contains("line 7 (feed.max_atempts)"), "{err}");
}
