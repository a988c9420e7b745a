//! One store in PostgreSQL, and three nodes on it that are written in different languages: the C and the Python program
//! that people copy, and the command. To each of them the database is no more than another text where the path was.

#[path = "../c/workshop.rs"]
#[allow(dead_code, reason = "the C tests use the rest")]
mod workshop;

use std::process::Stdio;
use std::time::Duration;

use pico_erp::{Client, OrderSave, Proxy, Store, Token};
use pico_erp_sandbox::{CompletionSpec, Config, Sandbox};
use pico_erp_test_cluster::Cluster;
use pico_erp_tests::{repository, tool};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;
use workshop::{How, TOKEN, Workshop, against, operation};

const DEADLINE: Duration = Duration::from_secs(120);
/// How many each language is to book, so that none only stands by.
const EACH: usize = 5;

/// Starts a node, and tells of each line that it prints.
fn start(
    mut command: Command,
    language: &'static str,
    lines: &mpsc::UnboundedSender<(&'static str, String)>,
) -> Child {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{language}: {error}"));
    let mut output = BufReader::new(child.stdout.take().expect("its output")).lines();
    let lines = lines.clone();
    tokio::spawn(async move {
        while let Ok(Some(line)) = output.next_line().await {
            if lines.send((language, line)).is_err() {
                return;
            }
        }
    });
    child
}

/// The order that a line is about.
fn order(line: &str) -> Option<String> {
    line.find("ORDER-").map(|at| line[at..].chars().take("ORDER-0000".len()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_in_c_and_python_and_the_command_share_one_database() {
    let url = tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database");
    let (workshop, folder) = (Workshop::new(), TempDir::new().expect("a folder"));
    let sandbox =
        Sandbox::start(Config { token: Some(TOKEN.into()), ..Config::default() }).await.expect("a sandbox");
    let operation = operation(&sandbox);
    let client = Client::builder(sandbox.endpoint()).token(Token::fixed(TOKEN)).proxy(Proxy::None);
    let client = client.build().expect("a client");

    let in_c = workshop.compile("examples/c/durable_completions.c").await;
    let mut c = against(&sandbox, &in_c, How::Natively);
    c.arg(&url).arg(folder.path().join("c.txt"));
    let mut python = against(&sandbox, &tool("PICO_TEST_PYTHON"), How::Natively);
    python.arg(repository().join("examples/python/durable_completions.py"));
    python.arg(&url).arg(folder.path().join("python.sqlite")).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut terminal = against(&sandbox, &tool("PICO_TEST_CLI"), How::Natively);
    terminal.args(["completions", "follow", "--store", &url]);

    let (lines, mut booked) = mpsc::unbounded_channel();
    let _nodes =
        [start(c, "C", &lines), start(python, "Python", &lines), start(terminal, "terminal", &lines)];
    let store = Store::open(&url).await.expect("the store that they share");
    let mut made: u64 = 0;
    let mut seen: Vec<(&str, String)> = Vec::new();
    let all = async {
        loop {
            // As many as there are nodes and more, so that nobody gets all of them.
            for _ in 0..9 {
                let order = format!("ORDER-{made:04}");
                client.save_order(&OrderSave::new(operation.as_str(), &order)).await.expect("an order");
                sandbox.complete(CompletionSpec::new(&order)).expect("it is completed");
                made += 1;
            }
            while store.inbox().counts().await.expect("its counts").acked < made {
                tokio::task::yield_now().await;
            }
            while let Ok((language, line)) = booked.try_recv() {
                seen.extend(order(&line).map(|order| (language, order)));
            }
            // The program in C prints nothing: its file is its books.
            let in_c = std::fs::read_to_string(folder.path().join("c.txt")).unwrap_or_default();
            let in_c: Vec<_> = in_c.lines().filter_map(order).map(|order| ("C", order)).collect();
            let by = |language: &str| seen.iter().filter(|(by, _)| *by == language).count();
            if in_c.len() >= EACH && by("Python") >= EACH && by("terminal") >= EACH {
                seen.extend(in_c);
                return;
            }
        }
    };
    timeout(DEADLINE, all).await.unwrap_or_else(|_| panic!("not each of the three has booked {EACH}"));
    // What was acknowledged last may not have been printed yet.
    let rest = async {
        while (seen.len() as u64) < made {
            let (language, line) = booked.recv().await.expect("the nodes go on");
            seen.extend(order(&line).map(|order| (language, order)));
        }
    };
    timeout(DEADLINE, rest).await.expect("each is booked by somebody");
    let mut orders: Vec<_> = seen.iter().map(|(_, order)| order.clone()).collect();
    orders.sort();
    let expected: Vec<_> = (0..made).map(|number| format!("ORDER-{number:04}")).collect();
    assert_eq!(orders, expected, "each by one of them: {seen:?}");
    store.close().await;
    sandbox.shutdown().await;
}
