//! An ERP that orders, to be killed: queues orders in an outbox, notes in its own journal what was confirmed, and sends.
//! `tests/harness/crash` starts it, kills it, and reads the journal.
//!
//! producer ENDPOINT STORE JOURNAL SEED live|drain
//!
//! | line | when |
//! |---|---|
//! | `{"stage":"started"}`, `"store"`, `"sender"`, `"drained"` | the program has come that far |
//! | `{"intends":["O-1"],"by_id":true}` | these orders are about to be queued together; with a request id or without |
//! | `{"queued":["O-1"]}` | that has returned |
//!
//! What was intended with a request id and is not noted as queued is queued again by the next life, as an ERP does it.
//! What was intended without one is left alone: it may have been queued or not.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use pico_erp::{Backoff, Client, OrderSave, Outbox, OutboxSender, Proxy, Store};
use pico_erp_tests::journal::{self, Journal};
use pico_erp_tests::sudden_death;
use serde_json::{Value, json};

const OPERATION: &str = "op-abc-123";
const DEADLINE: Duration = Duration::from_secs(30);
/// In a database the next life waits so long for this one's place, once this is killed.
const LEASE: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, store, journal, seed, end] = arguments.as_slice() else {
        panic!("usage: producer ENDPOINT STORE JOURNAL SEED live|drain");
    };
    let path = PathBuf::from(journal);
    let journal = Arc::new(Journal::open(&path));
    let stage = |name: &str| journal.append(&json!({ "stage": name }));
    stage("started");
    let before = journal::lines(&path);

    let store = Store::builder(store).node_lease(LEASE).open().await.expect("the store opens");
    stage("store");
    let client = Client::builder(endpoint).proxy(Proxy::None).build().expect("a client");
    let backoff = Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(20) };
    let mut dice = Rng::with_seed(seed.parse().expect("a number"));
    let sender = OutboxSender::builder(&client, &store).backoff(backoff).batch(dice.usize(1..20));
    let sender = sender.start().await.expect("the sender starts");
    stage("sender");

    let outbox = store.outbox();
    for keys in unconfirmed(&before) {
        queue(&outbox, &journal, &keys, true, &mut dice).await;
    }
    if end == "drain" {
        sender.drained().await.expect("the sender goes on");
        sender.close(DEADLINE).await.expect("the sender ends");
        store.close().await;
        stage("drained");
        return;
    }

    let used = before.iter().flat_map(|line| keys(line, "intends")).filter_map(|key| number(&key)).max();
    let next = Arc::new(AtomicU64::new(used.unwrap_or(0) + 1));
    for _ in 0..2 {
        let (outbox, journal, next) = (outbox.clone(), Arc::clone(&journal), Arc::clone(&next));
        let mut dice = dice.fork();
        tokio::spawn(async move {
            loop {
                let together = if dice.u8(..4) == 0 { dice.u64(2..12) } else { 1 };
                let first = next.fetch_add(together, Ordering::Relaxed);
                let keys: Vec<String> =
                    (first..first + together).map(|number| format!("O-{number}")).collect();
                let by_id = dice.bool();
                journal.append(&json!({ "intends": keys, "by_id": by_id }));
                if dice.u8(..24) == 0 {
                    sudden_death::after(Duration::from_micros(dice.u64(..4000)));
                }
                queue(&outbox, &journal, &keys, by_id, &mut dice).await;
                // An ERP does other things too, and the list of orders is not to grow beyond all bounds.
                tokio::time::sleep(Duration::from_micros(dice.u64(..20_000))).await;
            }
        });
    }
    std::future::pending::<()>().await;
}

/// Queues these orders, all in one call, and notes that it is done.
async fn queue(outbox: &Outbox, journal: &Journal, keys: &[String], by_id: bool, dice: &mut Rng) {
    let orders = keys.iter().map(|key| OrderSave::new(OPERATION, key));
    if by_id {
        let orders = orders.zip(keys).map(|(order, key)| order.request_id(key));
        outbox.save_all(orders).await.expect("orders are queued");
    } else if let [key] = keys {
        outbox.save(OrderSave::new(OPERATION, key)).await.expect("an order is queued");
    } else {
        outbox.save_all(orders).await.expect("orders are queued");
    }
    journal.append(&json!({ "queued": keys }));
    if dice.u8(..8) == 0 {
        // Changed at once: this takes the place of the first, or follows it.
        let changed = OrderSave::new(OPERATION, &keys[0]).select_optional_operations(["op-opt-1"]);
        outbox.save(changed).await.expect("an order is queued");
    }
}

fn keys(line: &Value, what: &str) -> Vec<String> {
    let keys = line[what].as_array().into_iter().flatten();
    keys.filter_map(|key| key.as_str().map(str::to_owned)).collect()
}

fn number(key: &str) -> Option<u64> {
    key.strip_prefix("O-")?.parse().ok()
}

/// What an earlier life was about to queue with a request id, and perhaps did not.
fn unconfirmed(before: &[Value]) -> Vec<Vec<String>> {
    let queued: HashSet<String> = before.iter().flat_map(|line| keys(line, "queued")).collect();
    let intended = before.iter().filter(|line| line["by_id"] == true).map(|line| keys(line, "intends"));
    intended.filter(|keys| keys.iter().any(|key| !queued.contains(key))).collect()
}
