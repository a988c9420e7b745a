//! The commands that work on a store: each run goes on where the last one stopped, however it stopped.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use pico_erp::{Client, OrderSave, Proxy, Token};
use pico_erp_sandbox::{CompletionSpec, Config, Generation, NoteSpec, Sandbox, Waits};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);
const TOKEN: &str = "cli-token";
const OPERATION: &str = "op-abc-123";

struct Plant {
    sandbox: Sandbox,
    client: Client,
    folder: tempfile::TempDir,
}

impl Plant {
    async fn new() -> Self {
        let sandbox =
            Sandbox::start(Config { token: Some(TOKEN.into()), ..Config::default() }).await.unwrap();
        let client = Client::builder(sandbox.endpoint())
            .token(Token::fixed(TOKEN))
            .proxy(Proxy::None)
            .build()
            .unwrap();
        Self { sandbox, client, folder: tempfile::tempdir().unwrap() }
    }

    async fn complete(&self, order: &str) {
        self.client.save_order(&OrderSave::new(OPERATION, order)).await.unwrap();
        self.sandbox.complete(CompletionSpec::new(order)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pico-erp"));
        command
            .args(arguments)
            .env("PICO_API_ENDPOINT", self.sandbox.endpoint())
            .env("PICO_API_TOKEN", TOKEN)
            .env("PICO_STORE", self.folder.path().join("erp.pico"))
            .env("NO_PROXY", "127.0.0.1,localhost")
            .kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let output =
            timeout(DEADLINE, self.command(arguments).output()).await.expect("it ends in time").unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn json_lines(&self, arguments: &[&str]) -> Vec<Value> {
        self.run(arguments).await.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut child =
            self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        Running { child, output, errors }
    }
}

struct Running {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Running {
    async fn order(&mut self) -> String {
        let line =
            timeout(DEADLINE, self.output.next_line()).await.expect("a line in time").unwrap().unwrap();
        let completion: Value = serde_json::from_str(&line).unwrap();
        completion["externalOrderId"].as_str().unwrap().to_owned()
    }
}

fn orders(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["externalOrderId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn following_goes_on_where_it_was_killed() {
    let plant = Plant::new().await;
    plant.complete("A").await;
    let mut running = plant.start(&["completions", "follow"]);
    assert_eq!(running.order().await, "A");
    plant.complete("B").await;
    assert_eq!(running.order().await, "B");
    running.child.kill().await.unwrap();
    plant.complete("C").await;
    // B was printed; whether it was acknowledged before the kill is a matter of microseconds. It comes before C if it comes.
    let next = plant.json_lines(&["completions", "follow", "--count", "1"]).await;
    if orders(&next) == ["B"] {
        let last = plant.json_lines(&["completions", "follow", "--count", "1"]).await;
        assert_eq!(orders(&last), ["C"]);
    } else {
        assert_eq!(orders(&next), ["C"]);
    }
    let all = plant.json_lines(&["inbox", "list", "--json"]).await;
    assert_eq!(orders(&all), ["A", "B", "C"]);
    assert_eq!(all[0]["state"], "acked");
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_books_each_completion_and_says_what_became_of_it() {
    let plant = Plant::new().await;
    for order in ["good", "never", "later"] {
        plant.complete(order).await;
    }
    let folder = plant.folder.path();
    let script = format!(
        "body=$(cat); case \"$body\" in *never*) exit 65;; *later*) \
         if [ \"$PICO_COMPLETION_ATTEMPT\" -lt 2 ]; then exit 75; fi;; esac; echo \"$PICO_COMPLETION_KEY\" >> {}",
        folder.join("booked").display()
    );
    plant.run(&["completions", "follow", "--count", "2", "--exec", "sh", "-c", &script]).await;
    let booked = std::fs::read_to_string(folder.join("booked")).unwrap();
    let booked: Vec<&str> = booked.lines().map(|key| key.split('/').next().unwrap()).collect();
    assert_eq!(booked, ["good", "later"]);
    let dead = plant.json_lines(&["inbox", "list", "--state", "dead", "--json"]).await;
    assert_eq!(orders(&dead), ["never"]);
    assert!(dead[0]["reason"].as_str().unwrap().contains("65"), "{dead:?}");
    assert_eq!(plant.run(&["inbox", "replay", "--dead"]).await, "1 to be handed out again\n");
    assert_eq!(orders(&plant.json_lines(&["completions", "follow", "--count", "1"]).await), ["never"]);
    let table = plant.run(&["inbox", "list"]).await;
    assert!(table.contains("acked") && table.contains("3 in all"), "{table}");
}

#[tokio::test]
async fn webhooks_are_received_registered_and_handed_out() {
    let plant = Plant::new().await;
    // A free port, for the URL must be known before the receiver listens. Somebody else may take it in between; nobody
    // on this machine looks for one there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}/pico"));
    let receive =
        ["webhooks", "receive", "--listen", &listen, "--url", &url, "--secret", "x-key: s3cret", "--notices"];
    let mut running = plant.start(&receive);
    loop {
        let line = timeout(DEADLINE, running.errors.next_line()).await.unwrap().unwrap().unwrap();
        if line.contains("webhook: registered") {
            break;
        }
    }
    plant.complete("A").await;
    assert_eq!(running.order().await, "A");
    plant.sandbox.wait_for(Waits { deliveries: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    assert!(plant.sandbox.deliveries()[0].delivered);
    let listed = plant.json_lines(&["inbox", "list", "--json"]).await;
    assert_eq!(listed[0]["source"], "webhook");
}

#[tokio::test]
async fn mistakes_are_told_from_one_another() {
    let plant = Plant::new().await;
    for (arguments, code, text) in [
        (&["inbox", "list"][..], 2, "there is no store at"),
        (&["completions", "follow", "--start", "yesterday"], 2, "--start yesterday: give beginning, now"),
        (&["inbox", "replay"], 2, "required"),
    ] {
        let output = timeout(DEADLINE, plant.command(arguments).output()).await.unwrap().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(text), "{told}");
    }
    assert!(!Path::new(plant.folder.path()).join("erp.pico").exists());
    std::fs::write(plant.folder.path().join("erp.pico"), "no store".repeat(1000)).unwrap();
    let output = plant.command(&["completions", "follow"]).output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("no store, or it is damaged"), "{told}");
    assert!(plant.run(&["store", "set-aside"]).await.contains("erp.pico.set-aside-"));
    plant.complete("A").await;
    assert_eq!(orders(&plant.json_lines(&["completions", "follow", "--count", "1"]).await), ["A"]);
}

#[tokio::test]
async fn a_file_is_ordered_once_however_often_it_is_imported() {
    let plant = Plant::new().await;
    let file = plant.folder.path().join("orders.csv");
    let result = plant.folder.path().join("result.csv");
    let mut text = "externalOrderId;operationId;partNumber;quantity\r\n".to_owned();
    for number in 0..120 {
        text.push_str(&format!("E-{number};{OPERATION};;1\r\n"));
    }
    text.push_str(
        "BY-PART;;PROD-101;3\r\nNO-PART;;PROD-999;1\r\nREFUSED;no-such-operation;;1\r\nBROKEN;;;x\r\n",
    );
    std::fs::write(&file, text).unwrap();
    let (file, result) = (file.to_str().unwrap(), result.to_str().unwrap());
    let import = ["orders", "import", file, "--result", result, "--json"];
    for (run, queued) in [(1, 124), (2, 0)] {
        let output = timeout(DEADLINE, plant.command(&import).output()).await.unwrap().unwrap();
        assert_eq!(output.status.code(), Some(5), "run {run}: {}", String::from_utf8_lossy(&output.stderr));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&told["queued"], &told["known"]), (&queued.into(), &(124 - queued).into()), "run {run}");
        let outcome = (&told["lines"], &told["sent"], &told["failed"], &told["refused"]);
        assert_eq!(outcome, (&124.into(), &123.into(), &1.into(), &2.into()), "run {run}");
    }
    let calls = plant.sandbox.order_calls();
    assert_eq!((calls.created, calls.saves), (123, 123));
    let lines = std::fs::read_to_string(result).unwrap();
    for text in ["BY-PART", "PROD-999", "no-such-operation", "quantity"] {
        assert!(lines.contains(text), "{text}: {lines}");
    }
    let failed = plant.json_lines(&["outbox", "list", "--state", "failed", "--json"]).await;
    assert_eq!(orders(&failed), ["REFUSED"]);
    let id = failed[0]["id"].to_string();
    assert_eq!(plant.run(&["outbox", "retry", &id]).await, "1 queued again\n");
    assert!(plant.run(&["outbox", "send"]).await.contains("1 failed"));
    assert_eq!(plant.run(&["outbox", "drop", &id]).await, format!("{id} dropped\n"));
    assert!(plant.run(&["outbox", "list", "--order", "BY-PART"]).await.contains("3 in all"));
}

#[tokio::test]
async fn an_import_goes_on_after_it_was_killed() {
    let plant = Plant::new().await;
    let file = plant.folder.path().join("orders.jsonl");
    let line =
        |number: u32| format!("{{\"externalOrderId\":\"E-{number}\",\"operationId\":\"{OPERATION}\"}}\n");
    std::fs::write(&file, (0..3000).map(line).collect::<String>()).unwrap();
    let import = ["orders", "import", file.to_str().unwrap(), "--json"];
    for orders in [1, 400, 1100] {
        let mut running = plant.start(&import);
        // As soon as Pico has that many, whatever the import is doing then.
        plant.sandbox.wait_for(Waits { orders, ..Waits::default() }, DEADLINE).await.unwrap();
        running.child.kill().await.unwrap();
    }
    let told = plant.json_lines(&import).await;
    assert_eq!(told[0]["sent"], 3000);
    let orders = plant.sandbox.orders();
    assert_eq!(orders.len(), 3000);
    assert!(orders.iter().all(|order| order.creations == 1));
}

#[tokio::test]
async fn the_numbers_of_a_store_are_told_and_those_of_a_running_feed_are_served() {
    let plant = Plant::new().await;
    plant.complete("A").await;
    // A program that is never content: the completion stays.
    let arguments = ["--trace", "completions", "follow", "--metrics", "127.0.0.1:0", "--exec", "false"];
    let mut running = plant.start(&arguments);
    let told = timeout(DEADLINE, running.errors.next_line()).await.unwrap().unwrap().unwrap();
    let address = told.strip_prefix("metrics on http://").unwrap().strip_suffix("/metrics").unwrap();
    let served = timeout(DEADLINE, async {
        loop {
            let page = get(address, "/metrics").await;
            let retried = "\npico_erp_retries_total{plant=\"\"} ";
            if page.split_once(retried).is_some_and(|(_, rest)| !rest.starts_with('0')) {
                return page;
            }
        }
    });
    let served = served.await.unwrap();
    for line in [
        "pico_erp_store_up 1",
        "pico_erp_acks_total{plant=\"\"} 0",
        "# TYPE pico_erp_ack_lag_seconds histogram",
    ] {
        assert!(served.lines().any(|served| served == line), "{line}: {served}");
    }
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200 "));
    // Beside the running feed: what the store knows, and nothing of what this process did not do.
    let page = plant.run(&["metrics", "--prometheus"]).await;
    let ready: u64 = page
        .lines()
        .filter(|line| line.starts_with("pico_erp_inbox_completions"))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum();
    assert_eq!(ready, 1, "{page}");
    assert!(page.ends_with('\n') && !page.contains("pico_erp_acks_total"), "{page}");
    let json = plant.json_lines(&["metrics", "--json"]).await;
    assert_eq!(json[0]["plants"][0]["feed"], Value::Null);
    assert_eq!(json[0]["plants"][0]["kept"]["inbox"]["acked"], 0);
    assert!(plant.run(&["metrics"]).await.contains("completions to be booked"));
    running.child.kill().await.unwrap();
}

async fn get(address: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_store_is_prepared_parted_into_plants_and_rebound() {
    let plant = Plant::new().await;
    let ready = plant.run(&["store", "prepare"]).await;
    assert!(ready.contains("erp.pico is ready"), "{ready}");
    plant.complete("A").await;
    let berlin = ["completions", "follow", "--count", "1", "--plant", "berlin"];
    assert_eq!(orders(&plant.json_lines(&berlin).await), ["A"]);
    // Another plant of the same store has not heard of it.
    assert_eq!(
        orders(&plant.json_lines(&["completions", "follow", "--count", "1", "--plant", "munich"]).await),
        ["A"]
    );
    assert_eq!(plant.run(&["inbox", "list", "--plant", "berlin", "--json"]).await.lines().count(), 1);
    assert_eq!(plant.run(&["inbox", "list", "--json"]).await, "");
    let names = plant.run(&["store", "plants"]).await;
    assert!(names.ends_with("berlin\nmunich\n"), "{names}");
    // Berlin's Pico has moved.
    let moved = ["--endpoint", "http://pico.invalid"];
    let output = plant.command(&[&moved[..], &berlin[..]].concat()).output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("plant \"berlin\": belongs to the Pico at localhost"), "{told}");
    let rebound = plant.run(&[&moved[..], &["store", "rebind", "--plant", "berlin"][..]].concat()).await;
    assert!(rebound.ends_with("belongs to the Pico at http://pico.invalid/graphql\n"), "{rebound}");
    let output = plant.command(&["inbox", "list", "--plant", "two words"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = plant.command(&["store", "plants", "--store", "mysql://h/d"]).output().await.unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("is no kind of store"));
}

#[tokio::test]
async fn notes_are_followed_until_they_are_taken_and_have_an_inbox_of_their_own() {
    let config = Config { token: Some(TOKEN.into()), generation: Generation::G3, ..Config::default() };
    let plant = Plant { sandbox: Sandbox::start(config).await.unwrap(), ..Plant::new().await };
    // One note and its change: these come in order, while two notes may change places.
    for text in ["worn", "mended"] {
        plant.sandbox.add_note(NoteSpec { id: Some("n-1".into()), ..NoteSpec::new(text) }).unwrap();
    }
    let follow = ["--generation", "auto", "notes", "follow", "--count", "1"];
    let first = plant.json_lines(&follow).await;
    let second = plant.json_lines(&follow).await;
    assert_eq!((&first[0]["text"], &second[0]["text"]), (&"worn".into(), &"mended".into()));
    let notes = plant.json_lines(&["inbox", "list", "--notes", "--json"]).await;
    assert_eq!(
        notes.iter().map(|note| note["state"].as_str().unwrap()).collect::<Vec<_>>(),
        ["acked", "acked"]
    );
    assert!(plant.json_lines(&["inbox", "list", "--json"]).await.is_empty());
}
