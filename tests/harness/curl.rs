//! Pico's "ERP Example Calls" page, sent to the sandbox with curl: `examples/curl` as a person would use it.

use std::time::Duration;

use pico_erp_sandbox::{CompletionSpec, Config, OperationSpec, Sandbox, Waits};
use pico_erp_tests::{repository, run, tool};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);
const TOKEN: &str = "your-api-key";

async fn sandbox() -> Sandbox {
    Sandbox::start(Config { token: Some(TOKEN.into()), ..Config::default() }).await.unwrap()
}

fn curl(sandbox: &Sandbox, path: &str, body: &str) -> Command {
    let mut command = Command::new(tool("PICO_TEST_CURL"));
    command
        .args(["-sS", "--noproxy", "*", "-H", "Content-Type: application/json", "-H"])
        .arg(format!("x-pico-api-org: {TOKEN}"))
        .args(["-d", body, &format!("{}{path}", sandbox.url())])
        .current_dir(repository().join("examples/curl"));
    command
}

/// Sends one of the examples and returns the reply.
async fn send(sandbox: &Sandbox, request: &str) -> Value {
    let printed = run(&mut curl(sandbox, "/graphql", &format!("@{request}.request.json")), DEADLINE).await;
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{request}: {error}: {printed}"))
}

fn documented(name: &str) -> Value {
    let file = repository().join("examples/curl").join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// A stream opened by curl, read line by line.
struct Stream {
    _curl: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Stream {
    async fn open(sandbox: &Sandbox, request: &str) -> Self {
        let mut child = curl(sandbox, "/graphql", &format!("@{request}.request.json"))
            .args(["-N", "-H", "Accept: text/event-stream"])
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _curl: child, lines }
    }

    /// The next event: its name and its data. Comments are skipped.
    async fn event(&mut self) -> (String, Value) {
        let mut name = String::new();
        loop {
            let line =
                timeout(DEADLINE, self.lines.next_line()).await.expect("an event in time").unwrap().unwrap();
            if let Some(value) = line.strip_prefix("event: ") {
                name = value.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (name, serde_json::from_str(data).unwrap());
            }
        }
    }
}

/// An HTTP server that takes posts and hands on the head and the body of each.
async fn webhook_receiver() -> (String, mpsc::Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/pico-webhooks", listener.local_addr().unwrap());
    let (sender, posts) = mpsc::channel(8);
    let app = axum::Router::new().route(
        "/api/pico-webhooks",
        axum::routing::post(move |headers: axum::http::HeaderMap, body: String| async move {
            let head = format!("{headers:?}");
            sender.send((head, serde_json::from_str(&body).unwrap())).await.unwrap();
            axum::http::StatusCode::OK
        }),
    );
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, posts)
}

#[tokio::test]
async fn operations_are_listed_as_documented() {
    let sandbox = sandbox().await;
    let reply = send(&sandbox, "operations").await;
    let documented = &documented("operations.response")["data"]["operations"][0];
    let listed = reply["data"]["operations"].as_array().unwrap();
    assert!(listed.contains(documented), "{listed:?}");
}

#[tokio::test]
async fn an_order_is_created_then_updated_then_canceled() {
    let sandbox = sandbox().await;
    assert_eq!(send(&sandbox, "order-save").await, documented("order-save.response"));
    assert_eq!(send(&sandbox, "order-save").await, documented("order-save-updated.response"));
    let cancel = r#"{"query":"mutation CancelOrder($input: OperationOrderCancelInput!) { operationOrderCancel(input: $input) { message } }","variables":{"input":{"operationId":"your-operation-id","externalOrderId":"ERP-ORDER-123","orderIndex":0}}}"#;
    let printed = run(&mut curl(&sandbox, "/graphql", cancel), DEADLINE).await;
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), documented("assumed-order-cancel.response"));
}

#[tokio::test]
async fn the_newer_path_answers_alike() {
    let sandbox = sandbox().await;
    let printed = run(&mut curl(&sandbox, "/graph/v2", "@order-save.request.json"), DEADLINE).await;
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), documented("order-save.response"));
}

#[tokio::test]
async fn a_webhook_is_registered_called_listed_and_removed_as_documented() {
    let sandbox = sandbox().await;
    let (url, mut posts) = webhook_receiver().await;
    let body = documented("webhook-subscribe.request").to_string();
    let body = body.replace("https://your-erp-system.com/api/pico-webhooks", &url);
    let printed = run(&mut curl(&sandbox, "/graphql", &body), DEADLINE).await;
    let registered: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(registered["data"]["webhookSubscribe"]["subscriptionId"], "erp-order-completions");
    assert_eq!(registered["data"]["webhookSubscribe"]["webhookUrl"], url.as_str());

    let save = r#"{"query":"mutation { operationOrderSave(input: {operationId: \"op-abc-123\", externalOrderId: \"ERP-ORDER-123\"}) { message } }"}"#;
    run(&mut curl(&sandbox, "/graphql", save), DEADLINE).await;
    let payload = documented("webhook-payload");
    let floor = serde_json::json!({
        "externalOrderId": payload["externalOrderId"],
        "producedSerial": payload["endState"]["producedSerial"],
        "consumedSerials": payload["operationSummary"]["consumedSerials"],
    });
    run(&mut curl(&sandbox, "/sandbox/orders/complete", &floor.to_string()), DEADLINE).await;
    let (head, mut posted) = timeout(DEADLINE, posts.recv()).await.expect("the post in time").unwrap();
    assert!(head.contains("your-erp-api-key"), "the header it was registered with: {head}");
    // The times are this run's; all else is to the letter what the page shows.
    assert!(posted["at"].as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')), "{posted}");
    posted["at"] = payload["at"].clone();
    posted["operationSummary"]["startedAt"] = payload["operationSummary"]["startedAt"].clone();
    assert_eq!(posted, payload);

    sandbox.wait_for(Waits { deliveries: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    let listed = send(&sandbox, "webhook-list").await;
    let entry = &listed["data"]["webhookSubscriptions"][0];
    assert_eq!(entry["webhookUrl"], url.as_str());
    assert!(entry["lastEventAt"].is_string(), "{entry}");
    assert_eq!(send(&sandbox, "webhook-unsubscribe").await, documented("webhook-unsubscribe.response"));
}

#[tokio::test]
async fn the_streams_run_over_server_sent_events() {
    let sandbox = sandbox().await;
    let mut operations = Stream::open(&sandbox, "operations-stream").await;
    let mut filtered = Stream::open(&sandbox, "filtered-stream").await;
    let mut completions = Stream::open(&sandbox, "completes-stream").await;
    sandbox.wait_for(Waits { streams: 3, ..Waits::default() }, DEADLINE).await.unwrap();

    sandbox.deploy(OperationSpec::new("op-new", "New").part("PART-9")).unwrap();
    sandbox.deploy(OperationSpec::new("prod-123", "Test Bench Adapter")).unwrap();
    let (name, data) = operations.event().await;
    assert_eq!(
        (name.as_str(), &data["data"]["operationsStream"]["externalId"]),
        ("next", &Value::from("PART-9"))
    );
    let (_, data) = filtered.event().await;
    assert_eq!(data["data"]["operationsStream"]["id"], "prod-123");

    send(&sandbox, "order-save").await;
    sandbox.complete(CompletionSpec::new("ERP-ORDER-123").produced("SN-1")).unwrap();
    let (name, data) = completions.event().await;
    assert_eq!(name, "next");
    let done = &data["data"]["operationOrderCompletesStream"];
    assert_eq!(
        (&done["externalOrderId"], &done["endState"]["producedSerial"]),
        (&"ERP-ORDER-123".into(), &"SN-1".into())
    );
}

/// Sends a form as one of the examples describes it, with that file.
async fn send_form(sandbox: &Sandbox, form: &str, id: &str, file: &std::path::Path) -> Value {
    let form = documented(form);
    let mut command = Command::new(tool("PICO_TEST_CURL"));
    command.args(["-sS", "--noproxy", "*", "-H"]).arg(format!("x-pico-api-org: {TOKEN}"));
    command.args(["-X", form["method"].as_str().unwrap()]);
    for (name, value) in form["fields"].as_object().unwrap() {
        let value = match (name.as_str(), value) {
            ("file", _) => format!("@{}", file.display()),
            (_, Value::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        };
        command.arg("-F").arg(format!("{name}={value}"));
    }
    command.arg(format!("{}{}", sandbox.url(), form["path"].as_str().unwrap().replace("<id>", id)));
    let printed = run(&mut command, DEADLINE).await;
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

#[tokio::test]
async fn media_is_uploaded_and_a_process_created_as_documented() {
    let (sandbox, folder) = (sandbox().await, tempfile::tempdir().unwrap());
    let file = folder.path().join("step1.jpg");
    std::fs::write(&file, b"\xff\xd8\xff\xe0 and what follows").unwrap();
    let path =
        send_form(&sandbox, "upload-single.form", "", &file).await["path"].as_str().unwrap().to_owned();
    let (folders, _) = path.rsplit_once('/').unwrap();
    let documented_path = documented("upload-single.response")["path"].as_str().unwrap().to_owned();
    assert!(documented_path.starts_with(folders) && path.ends_with("-step1.jpg"), "{path}");

    let opened = run(&mut curl(&sandbox, "/uploads", r#"{"destinationId":"stepImage"}"#), DEADLINE).await;
    let opened: Value = serde_json::from_str(&opened).unwrap();
    let id = opened["streamId"].as_str().unwrap();
    let mut expected = documented("assumed-upload-chunk.response");
    expected["streamId"] = id.into();
    assert_eq!(send_form(&sandbox, "upload-chunk.form", id, &file).await, expected);

    let created = send(&sandbox, "process-create").await;
    assert_eq!(created["data"]["processCreate"], "assembly_step_1");
    assert_eq!(sandbox.work_instructions()[0].input["process"]["name"], "Main Assembly");
}
