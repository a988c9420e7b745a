//! One node of an ERP that runs on several machines, to be killed, paused and cut off: books the completions of all plants,
//! sends their orders, and queues what it is told to. `tests/harness/nodes` starts it and reads what it leaves behind.
//!
//! chaos-node DATABASE SEED LEASE-MS PLANT=ENDPOINT...
//!
//! | line on the standard input | what is done |
//! |---|---|
//! | `{"request":ID,"plant":P,"order":O,"choice":C}` | the order, with that optional operation, is queued under that request id |
//! | `{"request":ID,"plant":P,"order":O,"cancel":true}` | its cancellation is |
//!
//! | line on the standard output | when |
//! |---|---|
//! | `{"stage":"store"}`, `"ready"` | the program has come that far |
//! | `{"queued":ID}` | the order is queued |
//! | `{"refused":ID,"why":TEXT}` | the store could not be asked |
//!
//! Its books are two tables of the same database, reached by the same way: `ledger.books` has a row for each completion that
//! took effect, `ledger.journal` one for each that was handed out (in the same transaction as its effect), that was
//! acknowledged (after that had returned), or whose acknowledgement was refused because the lease was lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pico_erp::{
    Backoff, Client, Delivery, ErrorKind, Feed, FeedPolicy, KeeperPolicy, OrderCancel, OrderSave, Outbox,
    OutboxSender, Proxy, Store, StreamPolicy, StreamTransport, Units, WebhookSubscribe,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;
use tokio_postgres::types::ToSql;

const OPERATION: &str = "op-abc-123";
const MOMENT: Duration = Duration::from_millis(10);
const PAUSE: Duration = Duration::from_millis(100);
/// So long without a byte, and a stream counts as dead; the sandboxes ping four times as often.
const IDLE: Duration = Duration::from_secs(2);
/// How long Pico or the books may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// So many plants post webhooks as well.
const POSTING: usize = 3;

const BOOK: &str = "WITH handed AS (INSERT INTO ledger.journal (what, plant, key, attempt, node) \
                    VALUES ('handed', $1, $2, $4, $5)) \
                    INSERT INTO ledger.books (plant, key, serial) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const NOTE: &str = "INSERT INTO ledger.journal (what, plant, key, attempt, node) VALUES ($1, $2, $3, $4, $5)";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, seed, lease, plants @ ..] = arguments.as_slice() else {
        panic!("usage: chaos-node DATABASE SEED LEASE-MS PLANT=ENDPOINT...");
    };
    let mut dice = fastrand::Rng::with_seed(seed.parse().expect("a number"));
    let lease = Duration::from_millis(lease.parse().expect("milliseconds"));
    let store = again(async || Store::builder(database).node_lease(lease).connections(2).open().await).await;
    say(&json!({ "stage": "store" }));
    let books = Arc::new(Books { database: database.clone(), client: Mutex::default() });
    let mut outboxes = HashMap::new();
    // Held until the process is killed.
    let mut held = Vec::new();
    for (number, plant) in plants.iter().enumerate() {
        let (name, endpoint) = plant.split_once('=').expect("PLANT=ENDPOINT");
        let store = store.plant(name).expect("a name");
        let client = client(endpoint, number);
        let backoff = Backoff { base: MOMENT, cap: PAUSE };
        let sender =
            again(async || OutboxSender::builder(&client, &store).backoff(backoff).batch(10).start().await);
        let sender = sender.await;
        let policy = FeedPolicy {
            catch_up_every: Duration::from_secs(2),
            backoff,
            max_attempts: u32::MAX,
            ..FeedPolicy::default()
        };
        let feed =
            Arc::new(again(async || Feed::builder(&client, &store).policy(policy).start().await).await);
        let hook = if number < POSTING { Some(hook(&feed).await) } else { None };
        let (consumer, books, dice) = (Arc::clone(&feed), Arc::clone(&books), dice.fork());
        tokio::spawn(consume(consumer, books, name.to_owned(), dice));
        outboxes.insert(name.to_owned(), store.outbox());
        held.push((sender, feed, hook));
    }
    say(&json!({ "stage": "ready" }));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.expect("the standard input can be read") {
        let order: Value = serde_json::from_str(&line).expect("a line is JSON");
        let outbox = outboxes[text(&order, "plant")].clone();
        tokio::spawn(queue(outbox, order));
    }
    drop(held);
}

/// Until it works: at the start the database may be away.
async fn again<T>(mut start: impl AsyncFnMut() -> Result<T, pico_erp::Error>) -> T {
    loop {
        match start().await {
            Ok(started) => return started,
            Err(error) if error.kind() == ErrorKind::Store => sleep(PAUSE).await,
            Err(error) => panic!("{error}"),
        }
    }
}

fn say(line: &Value) {
    println!("{line}");
}

fn text<'a>(order: &'a Value, name: &str) -> &'a str {
    order[name].as_str().expect("a text")
}

fn client(endpoint: &str, number: usize) -> Client {
    let transport = if number.is_multiple_of(2) { StreamTransport::Sse } else { StreamTransport::WebSocket };
    let stream = StreamPolicy {
        transport,
        idle_timeout: IDLE,
        ping_interval: IDLE / 2,
        backoff: Backoff { base: MOMENT, cap: PAUSE },
        ..StreamPolicy::default()
    };
    let client = Client::builder(endpoint).proxy(Proxy::None).stream(stream);
    client.connect_timeout(ANSWER).request_timeout(ANSWER).build().expect("a client")
}

/// Each node has a webhook of its own, so that posts come to all of them at once; one that is dead does not get its own.
async fn hook(feed: &Feed) -> (pico_erp::WebhookReceiver, pico_erp::WebhookKeeper) {
    let receiver = feed.receiver().bind("127.0.0.1:0").start().await.expect("the receiver starts");
    let url = format!("http://{}{}", receiver.local_addr(), receiver.url_path());
    let name = std::env::var("CHAOS_NODE").unwrap_or_else(|_| "node".to_owned());
    let keeper = feed.keep_webhook(WebhookSubscribe::order_completes(name, url), KeeperPolicy::default());
    (receiver, keeper.expect("the webhook is kept"))
}

async fn queue(outbox: Outbox, order: Value) {
    let (id, name) = (text(&order, "request"), text(&order, "order"));
    let queued = if order["cancel"] == true {
        outbox.cancel(OrderCancel::new(OPERATION, name, Units::One(0)).request_id(id)).await
    } else {
        let save = OrderSave::new(OPERATION, name).select_optional_operations([text(&order, "choice")]);
        outbox.save(save.request_id(id)).await
    };
    match queued {
        Ok(_) => say(&json!({ "queued": id })),
        Err(error) if error.kind() == ErrorKind::Store => {
            say(&json!({ "refused": id, "why": error.to_string() }))
        }
        Err(error) => fail(&format!("order {order} could not be queued: {error}")),
    }
}

/// Ends the node as no kill does: the test notices.
fn fail(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(101);
}

async fn consume(feed: Arc<Feed>, books: Arc<Books>, plant: String, mut dice: fastrand::Rng) {
    while let Some(delivery) = feed.next().await {
        match delivery {
            Ok(delivery) => take(delivery, &books, &plant, &mut dice).await,
            Err(error) => fail(&format!("{plant}: nothing is handed out any more: {error}")),
        }
    }
}

async fn take(delivery: Delivery, books: &Books, plant: &str, dice: &mut fastrand::Rng) {
    let (key, attempt) = (delivery.key(), i64::from(delivery.attempt()));
    let serial = delivery.completion().produced_serial().unwrap_or_default().to_owned();
    let node = i64::from(std::process::id());
    if !books.write(BOOK, &[&plant, &key, &serial, &attempt, &node]).await {
        // Dropped: it is handed out again.
        return;
    }
    match dice.u8(..64) {
        0..3 => {
            // Whether that is taken makes no difference: it is handed out again.
            let _ = delivery.retry(Some(MOMENT), "the period is closed").await;
            return;
        }
        // Work that takes its time, so that many a lease is lost in the middle of it.
        3 => sleep(Duration::from_millis(dice.u64(500..3000))).await,
        4..20 => sleep(Duration::from_millis(dice.u64(..200))).await,
        _ => {}
    }
    let what = match delivery.ack().await {
        Ok(()) => "acked",
        Err(error) if error.kind() == ErrorKind::LeaseLost => "lost",
        Err(error) if error.kind() == ErrorKind::Store => return,
        Err(error) => fail(&format!("{plant}: {key} could not be acknowledged: {error}")),
    };
    books.write(NOTE, &[&what, &plant, &key, &attempt, &node]).await;
}

/// The ERP's own tables.
struct Books {
    database: String,
    client: Mutex<Option<Arc<tokio_postgres::Client>>>,
}

impl Books {
    /// Whether it is surely written. What fails may have been written all the same.
    async fn write(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> bool {
        let written = timeout(ANSWER, async { self.connected().await?.execute(sql, values).await });
        let written = matches!(written.await, Ok(Ok(_)));
        if !written {
            self.slot().take();
        }
        written
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<tokio_postgres::Client>>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connected(&self) -> Result<Arc<tokio_postgres::Client>, tokio_postgres::Error> {
        if let Some(client) = self.slot().as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let (client, connection) = tokio_postgres::connect(&self.database, NoTls).await?;
        tokio::spawn(connection);
        let client = Arc::new(client);
        *self.slot() = Some(Arc::clone(&client));
        Ok(client)
    }
}
