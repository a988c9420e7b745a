//! The command as people and scripts use it: what it prints, where, and with which exit code.

use std::process::{Output, Stdio};
use std::time::Duration;

use pico_erp_sandbox::{CompletionSpec, Config, NoteSpec, Sandbox, Waits};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);
const TOKEN: &str = "cli-token";

async fn sandbox() -> Sandbox {
    Sandbox::start(Config { token: Some(TOKEN.into()), ..Config::default() }).await.unwrap()
}

fn command(endpoint: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pico-erp"));
    command
        .args(arguments)
        .env("PICO_API_ENDPOINT", endpoint)
        .env("PICO_API_TOKEN", TOKEN)
        .env("NO_PROXY", "127.0.0.1,localhost")
        .kill_on_drop(true);
    command
}

async fn output(endpoint: &str, arguments: &[&str]) -> Output {
    timeout(DEADLINE, command(endpoint, arguments).output()).await.expect("the command ends in time").unwrap()
}

async fn printed(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let output = output(&sandbox.endpoint(), arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(sandbox, &[arguments, &["--json"]].concat()).await).unwrap()
}

#[tokio::test]
async fn operations_are_a_table_for_people_and_json_for_programs() {
    let sandbox = sandbox().await;
    let table = printed(&sandbox, &["operations", "list"]).await;
    assert!(
        table.contains("PROD-101") && table.contains("Main Assembly") && table.contains("in all"),
        "{table}"
    );
    let one = json(&sandbox, &["operations", "list", "--part", "PROD-101"]).await;
    assert_eq!(one[0]["updatedAt"], "2025-01-15T10:00:00.000Z");
    assert_eq!(one.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_order_is_saved_updated_and_cancelled() {
    let sandbox = sandbox().await;
    let save = ["orders", "save", "--operation", "op-abc-123", "--order", "E-1", "--index", "2"];
    assert_eq!(printed(&sandbox, &save).await, "E-1 created\n");
    assert_eq!(json(&sandbox, &save).await["message"], "updated");
    let cancel = ["orders", "cancel", "--operation", "op-abc-123", "--order", "E-1"];
    let neither = output(&sandbox.endpoint(), &cancel).await;
    assert_eq!(neither.status.code(), Some(2), "one of --index and --all must be given");
    assert_eq!(printed(&sandbox, &[&cancel[..], &["--all"]].concat()).await, "E-1 canceled\n");
    let nothing_left = output(&sandbox.endpoint(), &[&cancel[..], &["--index", "2"]].concat()).await;
    assert_eq!(nothing_left.status.code(), Some(5));
}

#[tokio::test]
async fn the_first_order_waits_for_its_completion() {
    let sandbox =
        Sandbox::start(Config { auto_complete: Some(Duration::from_millis(50)), ..Config::default() });
    let sandbox = sandbox.await.unwrap();
    let save = ["orders", "save", "--operation", "op-abc-123", "--order", "E-1", "--wait", "15"];
    let lines = printed(&sandbox, &save).await;
    let serial = sandbox.completions()[0].end_state.clone().unwrap().produced_serial.unwrap();
    assert_eq!(lines, format!("E-1 created\ncompleted E-1 {serial}\n"));
    let table = printed(&sandbox, &["completions", "list", "--order", "E-1"]).await;
    assert!(table.contains("E-1") && table.contains(&serial), "{table}");
}

#[tokio::test]
async fn a_wait_in_vain_is_a_timeout() {
    let sandbox = sandbox().await;
    let save = ["orders", "save", "--operation", "op-abc-123", "--order", "E-1", "--wait", "0.3"];
    let output = output(&sandbox.endpoint(), &save).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[tokio::test]
async fn a_stream_is_json_lines_and_its_states_go_elsewhere() {
    let sandbox = sandbox().await;
    let mut child = command(&sandbox.endpoint(), &["stream", "completions", "--count", "2", "--states"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for order in ["E-1", "E-2"] {
        printed(&sandbox, &["orders", "save", "--operation", "op-abc-123", "--order", order]).await;
        sandbox.complete(CompletionSpec::new(order)).unwrap();
        let line = timeout(DEADLINE, lines.next_line()).await.expect("the line in time").unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["externalOrderId"], order);
    }
    let output = timeout(DEADLINE, child.wait_with_output()).await.expect("it ends after two").unwrap();
    assert!(output.status.success());
    let states = String::from_utf8(output.stderr).unwrap();
    assert!(states.lines().any(|line| line.contains(r#""state":"open""#)), "{states}");
}

#[tokio::test]
async fn a_stream_can_go_over_websocket_and_by_polling() {
    for transport in ["websocket", "poll"] {
        let sandbox = sandbox().await;
        let arguments = ["stream", "completions", "--count", "1", "--states", "--transport", transport];
        let mut child = command(&sandbox.endpoint(), &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut states = BufReader::new(child.stderr.take().unwrap()).lines();
        loop {
            let line =
                timeout(DEADLINE, states.next_line()).await.expect("it opens in time").unwrap().unwrap();
            let state: Value = serde_json::from_str(&line).unwrap();
            if state["state"] == "open" {
                assert_eq!(state["transport"], transport);
                break;
            }
        }
        if transport == "websocket" {
            printed(&sandbox, &["orders", "save", "--operation", "op-abc-123", "--order", "E-1"]).await;
            sandbox.complete(CompletionSpec::new("E-1")).unwrap();
            let output =
                timeout(DEADLINE, child.wait_with_output()).await.expect("it ends after one").unwrap();
            assert!(String::from_utf8_lossy(&output.stdout).contains("E-1"), "{output:?}");
        }
    }
}

#[tokio::test]
async fn webhooks_are_subscribed_listed_and_unsubscribed() {
    let sandbox = sandbox().await;
    let subscribe = [
        "webhooks",
        "subscribe",
        "--id",
        "w-1",
        "--url",
        "http://127.0.0.1:9/",
        "--header",
        "X-API-Key: s3cret",
    ];
    assert_eq!(json(&sandbox, &subscribe).await["subscriptionId"], "w-1");
    let table = printed(&sandbox, &["webhooks", "list"]).await;
    assert!(table.contains("w-1") && !table.contains("s3cret"), "{table}");
    assert_eq!(printed(&sandbox, &["webhooks", "unsubscribe", "--id", "w-1"]).await, "w-1 removed\n");
    let again = output(&sandbox.endpoint(), &["webhooks", "unsubscribe", "--id", "w-1"]).await;
    assert_eq!(again.status.code(), Some(1));
}

#[tokio::test]
async fn any_query_is_sent_and_its_errors_make_it_fail_after_the_reply() {
    let sandbox = sandbox().await;
    let document = "query($id: String) { operations(where: {id: {_eq: $id}}) { name } }";
    let reply = json(&sandbox, &["query", document, "--variables", r#"{"id": "op-abc-123"}"#]).await;
    assert_eq!(reply["data"]["operations"][0]["name"], "Main Assembly");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.graphql");
    std::fs::write(&file, "{ operations { noSuchField } }").unwrap();
    let output = output(&sandbox.endpoint(), &["query", &format!("@{}", file.display())]).await;
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"errors\""), "{output:?}");
}

#[tokio::test]
async fn each_sort_of_failure_has_its_exit_code_and_a_message() {
    let sandbox = sandbox().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let list = ["operations", "list"];
    for (endpoint, arguments, code, says) in [
        (sandbox.endpoint(), &["operations"][..], 2, "Usage"),
        ("ftp://pico".into(), &list[..], 2, "endpoint: "),
        (format!("http://{closed}"), &list[..], 3, "refused"),
        (sandbox.endpoint(), &["operations", "list", "--token", "wrong"][..], 4, "token"),
        (sandbox.url() + "/no/such/path", &list[..], 5, "404"),
    ] {
        let output = output(&endpoint, arguments).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
    let output = output(&format!("http://{closed}"), &["operations", "list", "--json"]).await;
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&error["error"]["kind"], &error["error"]["code"]), (&"connect".into(), &300.into()));
}

/// Starts `pico-erp sandbox` with these arguments; the process and its endpoint.
async fn own_sandbox(arguments: &[&str]) -> (Child, String) {
    let start = ["sandbox", "--listen", "127.0.0.1:0", "--token", TOKEN, "--json"];
    let mut child = command("", &[&start[..], arguments].concat()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(DEADLINE, lines.next_line()).await.expect("it starts in time").unwrap().unwrap();
    let endpoint = serde_json::from_str::<Value>(&line).unwrap()["endpoint"].as_str().unwrap().to_owned();
    (child, endpoint)
}

#[tokio::test]
async fn the_sandbox_can_filter_by_time_and_do_without_websocket() {
    let (mut child, endpoint) = own_sandbox(&["--time-filter", "--web-socket", "none"]).await;
    let query = r#"{ operationOrderCompletes(where: {at: {_gte: "2026-01-01T00:00:00Z"}}) { at } }"#;
    let filtered = output(&endpoint, &["query", query]).await;
    assert!(filtered.status.success(), "{filtered:?}");
    let stream = ["stream", "completions", "--transport", "websocket", "--states"];
    let mut stream = command(&endpoint, &stream).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(stream.stderr.take().unwrap()).lines();
    let refused = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("400") {
                return true;
            }
        }
        false
    };
    assert!(timeout(DEADLINE, refused).await.expect("a refusal in time"));
    child.kill().await.unwrap();
}

#[tokio::test]
async fn notes_are_listed_and_streamed() {
    let sandbox = sandbox().await;
    let stream = ["notes", "stream", "--external-id", "T-1", "--count", "1"];
    let mut child = command(&sandbox.endpoint(), &stream).stdout(Stdio::piped()).spawn().unwrap();
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    sandbox.add_note(NoteSpec::new("another")).unwrap();
    sandbox.add_note(NoteSpec { external_id: "T-1".into(), ..NoteSpec::new("worn") }).unwrap();
    let output = timeout(DEADLINE, child.wait()).await.expect("it ends after one").unwrap();
    assert!(output.success());
    let mut line = String::new();
    tokio::io::AsyncReadExt::read_to_string(child.stdout.as_mut().unwrap(), &mut line).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["text"], "worn");

    let table = printed(&sandbox, &["notes", "list"]).await;
    assert!(table.contains("another") && table.contains("worn") && table.contains("T-1"), "{table}");
    let one = json(&sandbox, &["notes", "list", "--external-id", "T-1"]).await;
    assert_eq!((one.as_array().unwrap().len(), &one[0]["seq"]), (1, &2.into()));
}

#[tokio::test]
async fn the_sandbox_speaks_the_generation_it_is_told_and_the_client_finds_it_out() {
    let older = ["--generation", "g2", "--no-introspection", "--legacy-webhooks"];
    for (arguments, has_notes) in [(&["--generation", "G3"][..], true), (&older, false)] {
        let (mut child, endpoint) = own_sandbox(arguments).await;
        let host = endpoint.trim_end_matches("/graphql");
        let list = ["operations", "list", "--json", "--generation", "auto"];
        let listed = output(host, &list).await;
        assert!(listed.status.success(), "{listed:?}");
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(listed[0].get("externalCodes").is_some(), has_notes, "{listed}");
        let notes = output(host, &["notes", "list", "--generation", "auto"]).await;
        assert_eq!(notes.status.success(), has_notes, "{notes:?}");
        assert_eq!(String::from_utf8_lossy(&notes.stderr).contains("G3"), !has_notes, "{notes:?}");
        let hook =
            ["webhooks", "subscribe", "--id", "w", "--url", "http://127.0.0.1:9/", "--generation", "auto"];
        let registered = output(host, &hook).await;
        assert!(registered.status.success(), "{registered:?}");
        child.kill().await.unwrap();
    }
    for wrong in [&["operations", "list", "--generation", "G9"][..], &["sandbox", "--generation", "auto"]] {
        let refused = output("http://127.0.0.1:9/", wrong).await;
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    }
}

#[tokio::test]
async fn further_fields_of_an_order_are_sent_as_they_are() {
    let sandbox = sandbox().await;
    let save = ["orders", "save", "--operation", "op-abc-123", "--order", "E-1", "--extra"];
    let unknown = output(&sandbox.endpoint(), &[&save[..], &["nameThatIsNotThere=\"R\""]].concat()).await;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("nameThatIsNotThere"), "{unknown:?}");
    for wrong in ["noValue", "name=no json", "orderIndex=1"] {
        let refused = output(&sandbox.endpoint(), &[&save[..], &[wrong]].concat()).await;
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    }
    assert!(sandbox.orders().is_empty());
}

#[tokio::test]
async fn the_sandbox_pings_as_often_as_it_is_told_to() {
    let (mut child, endpoint) = own_sandbox(&["--ping-interval", "0.01"]).await;
    let stream = "subscription { operationOrderCompletesStream { at } }";
    let body = serde_json::json!({ "query": stream }).to_string();
    let address = endpoint.trim_start_matches("http://").trim_end_matches("/graphql");
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: {address}\r\nx-pico-api-org: {TOKEN}\r\nContent-Type: application/json\r\n\
         Accept: text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(socket).lines();
    let pings = async {
        let mut pings = 0;
        while pings < 5 {
            pings += usize::from(lines.next_line().await.unwrap().expect("an open stream") == ":");
        }
    };
    timeout(DEADLINE, pings).await.expect("pings in time");
    child.kill().await.unwrap();
    let never = output("", &["sandbox", "--listen", "127.0.0.1:0", "--ping-interval", "0"]).await;
    assert_eq!(never.status.code(), Some(2), "{never:?}");
}

#[tokio::test]
async fn the_sandbox_serves_until_it_is_ended() {
    let (mut child, endpoint) = own_sandbox(&["--auto-complete", "0.05"]).await;
    let save = ["orders", "save", "--operation", "op-abc-123", "--order", "E-1", "--wait", "15"];
    let saved = output(&endpoint, &save).await;
    assert!(saved.status.success(), "{saved:?}");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn the_demo_does_the_whole_job() {
    let output = output("", &["demo"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for line in [
        "ERP-ORDER-123 created",
        "ERP-ORDER-123 unit 0 is ASSY-20250115-007",
        "reported by sse and webhook",
        "ERP-ORDER-124 is built while nobody listens",
        "by catch_up",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "no colour where there is no terminal");
}
