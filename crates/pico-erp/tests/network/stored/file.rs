//! What a store in a file does that a database does not: it fills a disk, and one process at a time plays a part.

use std::time::Duration;

use pico_erp::{
    Catalogue, Client, ErrorKind, Feed, FeedNotice, OrderSave, OutboxSender, Proxy, RetryPolicy, Store,
    Token, WebhookReceiver,
};
use pico_erp_sandbox::{CompletionSpec, Config, Sandbox};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::waiting::{DEADLINE, within};

const OPERATION: &str = "op-abc-123";

async fn scene() -> (Sandbox, Client, tempfile::TempDir) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let client = Client::builder(sandbox.endpoint()).proxy(Proxy::None).build().unwrap();
    (sandbox, client, tempfile::tempdir().unwrap())
}

async fn complete(client: &Client, sandbox: &Sandbox, order: &str) {
    within(client.save_order(&OrderSave::new(OPERATION, order))).await.unwrap();
    sandbox.complete(CompletionSpec::new(order)).unwrap();
}

async fn feed(client: &Client, store: &Store) -> Feed {
    let feed = Feed::builder(client, store).start().await.unwrap();
    within(feed.opened()).await.unwrap();
    feed
}

/// Posts a completion with that much in an unknown field, and returns the head of the answer.
async fn post(receiver: &WebhookReceiver, padding: &str) -> String {
    let body =
        format!(r#"{{"externalOrderId":"posted","at":"2025-01-15T14:22:00.000Z","padding":"{padding}"}}"#);
    let mut socket = TcpStream::connect(receiver.local_addr()).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: erp\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        receiver.url_path(),
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(socket.read_to_string(&mut answer)).await.unwrap();
    answer
}

async fn ack_next(feed: &Feed) -> String {
    let delivery = within(feed.next()).await.expect("the feed goes on").unwrap();
    let order = delivery.completion().external_order_id.clone();
    delivery.ack().await.unwrap();
    order
}

#[tokio::test]
async fn a_full_store_holds_everything_up_and_loses_nothing() {
    let (sandbox, client, folder) = scene().await;
    let path = folder.path().join("small.pico");
    let small = Store::builder(&path).max_size(200 << 10).open().await.unwrap();
    let full = feed(&client, &small).await;
    let mut notices = full.notices();
    let receiver = full.receiver().start().await.unwrap();
    let mut orders: Vec<String> = (0..300).map(|number| format!("{number:03}")).collect();
    for order in &orders {
        complete(&client, &sandbox, order).await;
    }
    let refused = within(async {
        loop {
            if let FeedNotice::Store(error) = notices.next().await.unwrap() {
                break error;
            }
        }
    })
    .await;
    assert_eq!(refused.kind(), ErrorKind::StoreFull, "{refused}");
    assert!(refused.to_string().contains("small.pico"), "{refused}");
    assert!(post(&receiver, &"x".repeat(64 << 10)).await.starts_with("HTTP/1.1 503 "));
    full.close(DEADLINE).await;
    small.close().await;
    // Room was made.
    let roomy = Store::open(&path).await.unwrap();
    let feed = feed(&client, &roomy).await;
    let mut acked = Vec::new();
    for _ in 0..300 {
        acked.push(ack_next(&feed).await);
    }
    acked.sort();
    orders.sort();
    assert_eq!(acked, orders);
    let inbox = feed.status().await.unwrap().inbox;
    assert_eq!((inbox.acked, inbox.ready, inbox.waiting, inbox.handed_out), (300, 0, 0, 0), "{inbox:?}");
}

#[tokio::test]
async fn a_plant_of_a_file_has_one_feed_one_sender_and_one_catalogue_at_a_time() {
    let (sandbox, client, folder) = scene().await;
    let path = folder.path().join("erp.pico");
    let store = Store::open(&path).await.unwrap();
    let first = feed(&client, &store).await;
    let other_process = Store::open(&path).await.unwrap();
    let error = Feed::builder(&client, &other_process).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreInUse);
    complete(&client, &sandbox, "A").await;
    let delivery = within(first.next()).await.unwrap().unwrap();
    // Looking is not forbidden.
    assert_eq!(other_process.inbox().counts().await.unwrap().handed_out, 1);
    // What is in hand when the feed is closed can still be acknowledged while close waits.
    let (closed, acked) = tokio::join!(first.close(DEADLINE), delivery.ack());
    let ((), ()) = (closed, acked.unwrap());
    let second = feed(&client, &other_process).await;
    assert_eq!(second.status().await.unwrap().inbox.acked, 1);

    let sender = OutboxSender::builder(&client, &store).start().await.unwrap();
    let error = OutboxSender::builder(&client, &other_process).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreInUse, "{error}");
    let catalogue = Catalogue::builder(&client, &store).start().await.unwrap();
    let error = Catalogue::builder(&client, &other_process).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreInUse, "{error}");

    // Another plant has its own.
    let berlin = other_process.plant("berlin").unwrap();
    let theirs = Feed::builder(&client, &berlin).start().await.unwrap();
    let _theirs_too = OutboxSender::builder(&client, &berlin).start().await.unwrap();
    let busy = Store::set_aside(&path).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::StoreInUse, "{busy}");
    drop((theirs, second, catalogue));
    sender.close(DEADLINE).await.unwrap();
}

#[tokio::test]
async fn a_completion_that_a_closed_feed_handed_out_cannot_be_acknowledged_once_another_has_it() {
    let (sandbox, client, folder) = scene().await;
    let store = Store::open(folder.path().join("erp.pico")).await.unwrap();
    let first = feed(&client, &store).await;
    complete(&client, &sandbox, "A").await;
    let stale = within(first.next()).await.unwrap().unwrap();
    first.end();
    let second = feed(&client, &store).await;
    let fresh = within(second.next()).await.unwrap().unwrap();
    assert_eq!((fresh.attempt(), fresh.key()), (2, stale.key()));
    let refused = stale.ack().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::LeaseLost, "{refused}");
    fresh.ack().await.unwrap();
    assert_eq!(store.inbox().counts().await.unwrap().acked, 1);
}

#[tokio::test]
async fn the_orders_of_one_pico_are_not_sent_to_another() {
    let (_sandbox, client, folder) = scene().await;
    let store = Store::open(folder.path().join("erp.pico")).await.unwrap();
    drop(Feed::builder(&client, &store).start().await.unwrap());
    let other = Client::builder("https://munich.example/graphql")
        .token(Token::fixed("t"))
        .retry(RetryPolicy::never())
        .request_timeout(Duration::from_secs(1))
        .proxy(Proxy::None)
        .build()
        .unwrap();
    let error = OutboxSender::builder(&other, &store).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let text = error.to_string();
    assert!(
        text.contains("localhost") && text.contains("munich.example") && text.contains("rebind"),
        "{text}"
    );
    // As another plant it is welcome, and once it was said that the Pico has moved.
    OutboxSender::builder(&other, &store.plant("munich").unwrap()).start().await.unwrap();
    store.rebind(&other).await.unwrap();
    OutboxSender::builder(&other, &store).start().await.unwrap();
    assert_eq!(store.plant_names().await.unwrap(), ["", "munich"]);
}
