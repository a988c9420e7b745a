//! A program that does some dozens of things to a store, and prints what the library has confirmed, one JSON object a line:
//! `tests/harness/power_loss` takes the power away at each of its syncs.
//!
//! ledger ENDPOINT STORE
//!
//! `{"confirmed":"acked","order":"E-1"}`: from now on that must survive. `{"intends":"replayed","order":"E-1"}`: from now
//! on that may have happened. What may be confirmed of a completion is `stored` (posted and answered 2xx, or handed out),
//! `acked`, `waiting`, `dead`, `replayed` and `skipped`; of an order for Pico `queued`, `sent` and `dropped`.
//! `{"confirmed":"opened"}` says that the store is open, and `{"confirmed":"listed","count":N}` that so many completions of
//! Pico's list are stored.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pico_erp::{
    Client, Delivery, Feed, FeedNotice, FeedPolicy, InboxState, OrderSave, Outbox, OutboxEntry, OutboxSender,
    Proxy, Store, WebhookReceiver,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const LONG: Duration = Duration::from_secs(24 * 60 * 60);
/// Three of these fill the write-ahead log so far that a checkpoint comes in the middle of the work.
const BIG: usize = 1_600_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, path] = arguments.as_slice() else { panic!("usage: ledger ENDPOINT STORE") };
    first_day(endpoint, Path::new(path)).await;
    second_day(endpoint, Path::new(path)).await;
}

/// Takes Pico's list in, is posted to, and settles things in every way.
async fn first_day(endpoint: &str, path: &Path) {
    let (store, feed, receiver) = open(endpoint, path).await;
    let listed = feed.status().await.expect("the store works").inbox.ready;
    for number in 0..listed {
        let delivery = next(&feed).await;
        settle(delivery, number % 4).await;
    }
    for number in 0..4 {
        post(&receiver, &format!("posted-{number}"), 0).await;
        settle(next(&feed).await, number).await;
    }
    // Several at once share a sync.
    let mut posts = JoinSet::new();
    for number in 0..6 {
        let address = receiver.local_addr();
        let path = receiver.url_path().to_owned();
        posts.spawn(async move { post_to(address, &path, &format!("together-{number}"), 0).await });
    }
    posts.join_all().await;
    for number in 0..4 {
        settle(next(&feed).await, number).await;
    }
    let dead = store.inbox().entries(Some(InboxState::Dead), 0, 2).await.expect("the store works");
    for entry in &dead {
        intends("replayed", &entry.external_order_id);
        store.inbox().replay(entry.id).await.expect("a dead letter is replayed");
        confirmed("replayed", &entry.external_order_id);
    }
    order(&store.outbox()).await;
    for number in 0..3 {
        post(&receiver, &format!("big-{number}"), BIG).await;
    }
    // Those that were posted together and not settled, those that were replayed, and the big ones.
    for _ in 0..2 + dead.len() + 3 {
        settle(next(&feed).await, 0).await;
    }
    send(endpoint, &store).await;
    close(store, feed, receiver).await;
}

/// Queues orders in every way.
async fn order(outbox: &Outbox) {
    let save = |number: u32| OrderSave::new("op-abc-123", order_id(number));
    for number in 0..4 {
        outbox.save(save(number)).await.expect("an order is queued");
        confirmed("queued", &order_id(number));
    }
    for _ in 0..2 {
        outbox.save(save(4).request_id("the fifth")).await.expect("an order is queued");
        // The second time it is known already.
    }
    confirmed("queued", &order_id(4));
    outbox.save_all((5..15).map(save)).await.expect("orders are queued");
    (5..15).for_each(|number| confirmed("queued", &order_id(number)));
    // In the place of the first.
    outbox.save(save(0).select_optional_operations(["op-opt-1"])).await.expect("an order is queued");
    confirmed("queued", &order_id(0));
    let dropped = outbox.find(order_id(1)).await.expect("the store works").remove(0);
    intends("dropped", &order_id(1));
    outbox.drop(dropped.id).await.expect("an order is dropped");
    confirmed("dropped", &order_id(1));
}

fn order_id(number: u32) -> String {
    format!("O-{number}")
}

/// Sends what was queued.
async fn send(endpoint: &str, store: &Store) {
    let client = Client::builder(endpoint).proxy(Proxy::None).build().expect("a client");
    let told = |entry: &OutboxEntry| confirmed(entry.state.name(), &entry.external_order_id);
    let sender = OutboxSender::builder(&client, store).batch(4).concurrency(1).on_settled(Arc::new(told));
    let sender = sender.start().await.expect("the sender starts");
    sender.drained().await.expect("the sender goes on");
    sender.close(LONG).await.expect("the sender ends");
}

/// Opens the same store again, which has a file but no log.
async fn second_day(endpoint: &str, path: &Path) {
    let (store, feed, receiver) = open(endpoint, path).await;
    for number in 0..3 {
        post(&receiver, &format!("later-{number}"), 0).await;
        settle(next(&feed).await, 0).await;
    }
    let outbox = store.outbox();
    for number in 20..23 {
        outbox.save(OrderSave::new("op-abc-123", order_id(number))).await.expect("an order is queued");
        confirmed("queued", &order_id(number));
    }
    let dead = store.inbox().entries(Some(InboxState::Dead), 0, 1).await.expect("the store works");
    for entry in &dead {
        intends("skipped", &entry.external_order_id);
        store.inbox().drop_dead(entry.id).await.expect("a dead letter is dropped");
        confirmed("skipped", &entry.external_order_id);
    }
    close(store, feed, receiver).await;
}

async fn open(endpoint: &str, path: &Path) -> (Store, Feed, WebhookReceiver) {
    let store = Store::open(path).await.expect("the store opens");
    print(&json!({ "confirmed": "opened" }));
    let client = Client::builder(endpoint).proxy(Proxy::None).build().expect("a client");
    let policy = FeedPolicy { live: false, ..FeedPolicy::default() };
    let feed = Feed::builder(&client, &store).policy(policy).start().await.expect("the feed starts");
    let mut notices = feed.notices();
    let listed = loop {
        match notices.next().await.expect("the feed goes on") {
            FeedNotice::CaughtUp(caught_up) => break caught_up.listed,
            FeedNotice::CatchUpFailed(error) => panic!("{error}"),
            _ => {}
        }
    };
    print(&json!({ "confirmed": "listed", "count": listed }));
    let receiver = feed.receiver().start().await.expect("the receiver starts");
    (store, feed, receiver)
}

async fn close(store: Store, feed: Feed, receiver: WebhookReceiver) {
    receiver.close(LONG).await.expect("the receiver ends");
    feed.close(LONG).await;
    store.close().await;
}

async fn next(feed: &Feed) -> Delivery {
    let delivery = feed.next().await.expect("the feed goes on").expect("the store works");
    // It was on disk before anybody saw it.
    confirmed("stored", &delivery.completion().external_order_id);
    delivery
}

async fn settle(delivery: Delivery, how: u64) {
    let order = delivery.completion().external_order_id.clone();
    match how {
        0 | 1 => {
            intends("acked", &order);
            delivery.ack().await.expect("an acknowledgement is taken");
            confirmed("acked", &order);
        }
        2 => {
            intends("waiting", &order);
            delivery.retry(Some(LONG), "the period is closed").await.expect("a retry is taken");
            confirmed("waiting", &order);
        }
        _ => {
            intends("dead", &order);
            delivery.reject("no such item").await.expect("a rejection is taken");
            confirmed("dead", &order);
        }
    }
}

async fn post(receiver: &WebhookReceiver, order: &str, padding: usize) {
    post_to(receiver.local_addr(), receiver.url_path(), order, padding).await;
}

/// Posts as Pico does, and notes what was answered with 2xx.
async fn post_to(address: std::net::SocketAddr, path: &str, order: &str, padding: usize) {
    let padding = "x".repeat(padding);
    let body = format!(
        r#"{{"externalOrderId":"{order}","at":"2025-01-15T14:22:00.000Z","operationSummary":{{"consumedSerials":[]}},"padding":"{padding}"}}"#
    );
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: erp\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(address).await.expect("the receiver listens");
    socket.write_all(head.as_bytes()).await.expect("the receiver reads");
    socket.write_all(body.as_bytes()).await.expect("the receiver reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("the receiver answers");
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    confirmed("stored", order);
}

fn intends(what: &str, order: &str) {
    print(&json!({ "intends": what, "order": order }));
}

fn confirmed(what: &str, order: &str) {
    print(&json!({ "confirmed": what, "order": order }));
}

/// One call for each line, so that it is whole when the power goes.
fn print(line: &Value) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).expect("standard output");
}
