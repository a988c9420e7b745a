//! An ERP that books completions, to be killed: takes them from a feed, books each in its own journal once, acknowledges
//! it, and notes every step there. `tests/harness/crash` starts it, kills it, and reads the journal.
//!
//! consumer ENDPOINT STORE JOURNAL SOURCE TASKS SEED OVERLAP live|drain
//!
//! | line | when |
//! |---|---|
//! | `{"stage":"started"}`, `"store"`, `"feed"`, `"opened"`, `"drained"` | the program has come that far |
//! | `{"handed":KEY,"id":N,"attempt":N}` | a completion was handed out |
//! | `{"again":KEY}` | it is about to be given back, by a retry or without an answer |
//! | `{"booked":KEY,"raw":{}}` | it is booked; not written when the journal has that line already, as an ERP does it |
//! | `{"acked":KEY}` | the acknowledgement has returned |

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pico_erp::{
    Backoff, Client, Delivery, Feed, FeedNotice, FeedPolicy, KeeperPolicy, Proxy, Store, StreamPolicy,
    StreamTransport, WebhookSubscribe,
};
use pico_erp_tests::journal::{self, Journal};
use pico_erp_tests::sudden_death;
use serde_json::{Value, json};

const INSTANT: Duration = Duration::from_micros(1);
const MOMENT: Duration = Duration::from_millis(5);
/// In a database the next life waits so long for this one's place, once this is killed.
const LEASE: Duration = Duration::from_secs(1);

struct Erp {
    journal: Journal,
    booked: Mutex<HashSet<String>>,
    dice: Mutex<fastrand::Rng>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, store, journal, source, tasks, seed, overlap, end] = arguments.as_slice() else {
        panic!("usage: consumer ENDPOINT STORE JOURNAL SOURCE TASKS SEED OVERLAP live|drain");
    };
    let journal_path = PathBuf::from(journal);
    let journal = Journal::open(&journal_path);
    let stage = |name: &str| journal_stage(&journal, name);
    stage("started");
    let booked = journal::lines(&journal_path).iter().filter_map(|line| key(line, "booked")).collect();

    let store = Store::builder(store).node_lease(LEASE).open().await.expect("the store opens");
    stage("store");
    let policy = FeedPolicy {
        live: source != "webhook",
        catch_up_every: Duration::from_secs(1),
        catch_up_overlap: Duration::from_secs(overlap.parse().expect("seconds")),
        backoff: Backoff { base: INSTANT, cap: MOMENT },
        max_attempts: u32::MAX,
        ..FeedPolicy::default()
    };
    let feed = Feed::builder(&client(endpoint, source), &store).policy(policy).start().await;
    let feed = Arc::new(feed.expect("the feed starts"));
    stage("feed");
    let mut notices = feed.notices();

    let posts = matches!(source.as_str(), "webhook" | "all");
    let receiver = match posts {
        true => Some(feed.receiver().start().await.expect("the receiver starts")),
        false => None,
    };
    let keeper = receiver.as_ref().map(|receiver| {
        let url = format!("http://{}{}", receiver.local_addr(), receiver.url_path());
        let webhook = WebhookSubscribe::order_completes("crash", url);
        feed.keep_webhook(webhook, KeeperPolicy::default()).expect("the webhook is kept")
    });

    let dice = Mutex::new(fastrand::Rng::with_seed(seed.parse().expect("a number")));
    let erp = Arc::new(Erp { journal, booked: Mutex::new(booked), dice });
    let draining = end == "drain";
    let consumers: Vec<_> = (0..tasks.parse().expect("a number"))
        .map(|_| {
            let (feed, erp) = (Arc::clone(&feed), Arc::clone(&erp));
            tokio::spawn(async move {
                while let Some(delivery) = feed.next().await {
                    erp.take(delivery.expect("the store works"), draining).await;
                }
            })
        })
        .collect();
    feed.opened().await.expect("the feed opens");
    journal_stage(&erp.journal, "opened");
    if !draining {
        std::future::pending::<()>().await;
    }

    loop {
        feed.catch_up();
        let found = loop {
            match notices.next().await.expect("the feed goes on") {
                FeedNotice::CaughtUp(caught_up) => break caught_up.found,
                FeedNotice::CatchUpFailed(error) => panic!("nothing fails any more: {error}"),
                _ => {}
            }
        };
        let inbox = feed.status().await.expect("the store works").inbox;
        if found == 0 && inbox.ready + inbox.handed_out + inbox.waiting == 0 {
            break;
        }
    }
    drop(keeper);
    feed.close(Duration::from_secs(10)).await;
    for consumer in consumers {
        consumer.await.expect("no consumer panics");
    }
    drop(receiver);
    store.close().await;
    journal_stage(&erp.journal, "drained");
}

fn journal_stage(journal: &Journal, name: &str) {
    journal.append(&json!({ "stage": name }));
}

fn key(line: &Value, what: &str) -> Option<String> {
    line[what].as_str().map(str::to_owned)
}

fn client(endpoint: &str, source: &str) -> Client {
    let transport = match source {
        "web_socket" => StreamTransport::WebSocket,
        "poll" => StreamTransport::Poll,
        _ => StreamTransport::Sse,
    };
    let stream = StreamPolicy {
        transport,
        backoff: Backoff { base: INSTANT, cap: MOMENT },
        poll_interval: Duration::from_millis(100),
        ..StreamPolicy::default()
    };
    Client::builder(endpoint).proxy(Proxy::None).stream(stream).build().expect("a client")
}

impl Erp {
    async fn take(&self, delivery: Delivery, draining: bool) {
        let key = delivery.key();
        self.journal.append(&json!({ "handed": key, "id": delivery.id(), "attempt": delivery.attempt() }));
        let (chance, death) = {
            let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
            (dice.u8(..), (dice.u8(..16) == 0).then(|| Duration::from_micros(dice.u64(..4000))))
        };
        if let Some(time) = death.filter(|_| !draining) {
            sudden_death::after(time);
        }
        if chance < 24 && !draining {
            self.journal.append(&json!({ "again": key }));
            if chance < 16 {
                delivery.retry(Some(MOMENT), "the period is closed").await.expect("a retry is taken");
            }
            // Otherwise it is dropped here, without an answer.
            return;
        }
        let new = self.booked.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        if new {
            let raw: Value = serde_json::from_str(delivery.raw().as_str()).expect("JSON");
            self.journal.append(&json!({ "booked": key, "raw": raw }));
        }
        if chance.is_multiple_of(2) && !draining {
            // The ERP's own work, so that many a kill comes between its books and the acknowledgement.
            tokio::time::sleep(Duration::from_micros(u64::from(chance) * 25)).await;
        }
        delivery.ack().await.expect("an acknowledgement is taken");
        self.journal.append(&json!({ "acked": key }));
    }
}
