//! Stores, feeds and receivers, as C sees them, and the program that a plug-in author copies: killed again and again, it books
//! every completion once.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use pico_erp::{Client, OrderSave, Proxy, Token};
use pico_erp_sandbox::{CompletionSpec, Config, Sandbox};
use pico_erp_tests::run;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::workshop::{DEADLINE, How, TOKEN, Workshop, against, contract, operation};

#[tokio::test(flavor = "multi_thread")]
async fn feeds_keep_what_the_header_promises() {
    contract("tests/c/feed.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_of_feeds_keep_what_the_header_promises() {
    contract("tests/c/feed_callbacks.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_and_inboxes_keep_what_the_header_promises() {
    contract("tests/c/store.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plants_keep_what_the_header_promises() {
    contract("tests/c/plants.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_received_kept_and_repaired() {
    contract("tests/c/receiver.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_traces_keep_what_the_header_promises() {
    contract("tests/c/metrics.c").await;
}

/// A floor that completes nothing by itself, with many units of one order on it.
struct Floor {
    sandbox: Sandbox,
    completed: usize,
}

const ORDER: &str = "DURABLE";
const UNITS: usize = 200;

impl Floor {
    async fn new() -> Self {
        let config = Config { token: Some(TOKEN.into()), ..Config::default() };
        let sandbox = Sandbox::start(config).await.expect("a sandbox on a free port");
        let client = Client::builder(sandbox.endpoint()).token(Token::fixed(TOKEN)).proxy(Proxy::None);
        let (client, operation) = (client.build().expect("a client"), operation(&sandbox));
        for unit in 0..u32::try_from(UNITS).expect("a small number") {
            let order = OrderSave::new(operation.as_str(), ORDER).order_index(unit);
            client.save_order(&order).await.expect("an order");
        }
        Self { sandbox, completed: 0 }
    }

    /// Completes so many, every third without telling anybody.
    fn complete(&mut self, count: usize) {
        for _ in 0..count {
            let spec = CompletionSpec::new(ORDER);
            let spec = if self.completed % 3 == 2 { spec.silent() } else { spec };
            self.sandbox.complete(spec).expect("an open unit");
            self.completed += 1;
        }
    }

    fn program(&self, program: &Path, folder: &TempDir, how: How) -> Command {
        let mut command = against(&self.sandbox, program, how);
        command.arg(folder.path().join("erp.pico")).arg(folder.path().join("booked.txt"));
        command
    }
}

fn booked(folder: &TempDir) -> Vec<String> {
    let text = std::fs::read_to_string(folder.path().join("booked.txt")).unwrap_or_default();
    text.lines().map(|line| line.split_once('\t').map_or(line, |(_, rest)| rest).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_killed_again_and_again_books_every_completion_once() {
    let (workshop, folder) = (Workshop::new(), TempDir::new().expect("a temporary folder"));
    let program = workshop.compile("examples/c/durable_completions.c").await;
    let mut floor = Floor::new().await;
    for round in 0..8 {
        floor.complete(10);
        let before = booked(&folder).len();
        let mut command = floor.program(&program, &folder, How::Natively);
        let mut child = command.stdout(Stdio::null()).kill_on_drop(true).spawn().expect("it starts");
        let begun = async {
            while booked(&folder).len() <= before {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(DEADLINE, begun).await.expect("it books");
        floor.complete(10);
        // At another moment of its work each time.
        sleep(Duration::from_millis(3 * round)).await;
        // On Unix this is SIGKILL.
        child.kill().await.expect("it is killed");
    }
    for (how, seconds) in [(How::Natively, "2"), (How::UnderValgrind, "20")] {
        floor.complete(10);
        run(floor.program(&program, &folder, how).arg(seconds), DEADLINE).await;
        let mut expected: Vec<String> = floor.sandbox.completions().iter().map(line).collect();
        let mut booked = booked(&folder);
        expected.sort();
        booked.sort();
        assert_eq!(booked, expected);
        assert_eq!(booked.len(), floor.completed);
    }
    floor.sandbox.shutdown().await;
}

/// A completion as the program books it, behind the key.
fn line(done: &pico_erp_sandbox::CompletedOrder) -> String {
    let serial = done.end_state.as_ref().and_then(|state| state.produced_serial.as_deref());
    format!("{}\t{}\t{}", done.external_order_id, done.order_index.unwrap_or(0), serial.unwrap_or("-"))
}
