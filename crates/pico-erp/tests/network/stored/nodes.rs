//! Several nodes on one database. A node is a store that was opened: as far as the database can tell, each is a process.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::select_all;
use pico_erp::{
    Backoff, Client, Delivery, ErrorKind, Feed, FeedNotice, FeedPart, FeedPolicy, OrderSave, OutboxSender,
    Proxy, Store, StoreBuilder, StreamPolicy, StreamTransport,
};
use pico_erp_sandbox::{CompletionSpec, Config, Sandbox, Waits};
use pico_erp_test_cluster::{Cluster, Cut, Newcomers};

use crate::waiting::{DEADLINE, within};

const OPERATION: &str = "op-abc-123";
const LEASE: Duration = Duration::from_secs(1);

fn node(url: &str) -> StoreBuilder {
    Store::builder(url).node_lease(LEASE).connections(2)
}

async fn sandbox() -> Sandbox {
    Sandbox::start(Config::default()).await.unwrap()
}

fn client(endpoint: String) -> Client {
    let stream = StreamPolicy {
        transport: StreamTransport::Sse,
        backoff: Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(50) },
        ..StreamPolicy::default()
    };
    Client::builder(endpoint).proxy(Proxy::None).stream(stream).build().unwrap()
}

fn policy() -> FeedPolicy {
    let backoff = Backoff { base: Duration::from_micros(1), cap: Duration::from_millis(1) };
    FeedPolicy { backoff, ..FeedPolicy::default() }
}

async fn feed(client: &Client, store: &Store) -> Feed {
    Feed::builder(client, store).policy(policy()).start().await.unwrap()
}

fn address(sandbox: &Sandbox) -> SocketAddr {
    let endpoint = sandbox.endpoint();
    let host = endpoint.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    host.and_then(|host| host.parse().ok()).expect("the sandbox is at an address")
}

/// It makes a runtime of its own, which it cannot on a thread that has one.
async fn cable(target: SocketAddr) -> Cut {
    tokio::task::spawn_blocking(move || Cut::new(target)).await.unwrap()
}

async fn complete(client: &Client, sandbox: &Sandbox, order: &str) {
    within(client.save_order(&OrderSave::new(OPERATION, order))).await.unwrap();
    sandbox.complete(CompletionSpec::new(order)).unwrap();
}

async fn next(feed: &Feed) -> Delivery {
    within(feed.next()).await.expect("the feed goes on").unwrap()
}

/// Waits until the feed plays the part of the live source.
async fn live(feed: &Feed) {
    let mut notices = feed.notices();
    if feed.status().await.unwrap().part == FeedPart::Live {
        return;
    }
    within(async {
        loop {
            if let FeedNotice::Part(FeedPart::Live) = notices.next().await.expect("the feed goes on") {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn one_node_has_the_live_source_every_node_hands_out_and_another_takes_over() {
    let (sandbox, url) = (sandbox().await, Cluster::shared().database());
    let client = client(sandbox.endpoint());
    let (one, two) = (node(&url).open().await.unwrap(), node(&url).open().await.unwrap());
    let first = feed(&client, &one).await;
    live(&first).await;
    within(first.opened()).await.unwrap();
    let second = feed(&client, &two).await;
    // That another misses nothing is enough.
    within(second.opened()).await.unwrap();
    assert!(matches!(second.status().await.unwrap().part, FeedPart::Standby { live: Some(_) }));
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();

    complete(&client, &sandbox, "A").await;
    let here = next(&second).await;
    complete(&client, &sandbox, "B").await;
    let there = next(&first).await;
    assert_eq!(here.completion().external_order_id, "A");
    assert_eq!(there.completion().external_order_id, "B");
    here.ack().await.unwrap();
    there.ack().await.unwrap();

    first.close(DEADLINE).await;
    one.close().await;
    complete(&client, &sandbox, "in between").await;
    live(&second).await;
    let caught = next(&second).await;
    assert_eq!(caught.completion().external_order_id, "in between");
    caught.ack().await.unwrap();
    assert_eq!(second.status().await.unwrap().inbox.acked, 3);
}

#[tokio::test]
async fn a_node_that_is_cut_off_from_the_database_loses_its_part_and_what_it_had_in_hand() {
    let (sandbox, url) = (sandbox().await, Cluster::shared().database());
    let client = client(sandbox.endpoint());
    let cable = cable(([127, 0, 0, 1], Cluster::shared().port()).into()).await;
    let one = node(&Cluster::shared().through(cable.address().port(), &url)).open().await.unwrap();
    let first = feed(&client, &one).await;
    live(&first).await;
    complete(&client, &sandbox, "A").await;
    let stale = next(&first).await;

    let two = node(&url).open().await.unwrap();
    let second = feed(&client, &two).await;
    cable.cut(Newcomers::Hang);
    live(&second).await;
    let fresh = next(&second).await;
    assert_eq!((fresh.key(), fresh.attempt()), (stale.key(), 2));
    cable.heal();
    // As soon as it can say anything again, what it says does not count.
    within(async { while one.inbox().counts().await.is_err() {} }).await;
    let refused = stale.ack().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::LeaseLost, "{refused}");
    fresh.ack().await.unwrap();
    assert_eq!(two.inbox().counts().await.unwrap().acked, 1);
}

#[tokio::test]
async fn a_consumer_that_hangs_loses_its_completion_and_one_that_asks_for_time_keeps_it() {
    let (sandbox, url) = (sandbox().await, Cluster::shared().database());
    let client = client(sandbox.endpoint());
    let store = node(&url).open().await.unwrap();
    let impatient = FeedPolicy { visible: Duration::from_secs(1), ..policy() };
    let feed = Feed::builder(&client, &store).policy(impatient).start().await.unwrap();
    within(feed.opened()).await.unwrap();
    for order in ["kept", "lost"] {
        complete(&client, &sandbox, order).await;
    }
    let (mut kept, mut lost) = (next(&feed).await, next(&feed).await);
    if kept.completion().external_order_id != "kept" {
        std::mem::swap(&mut kept, &mut lost);
    }
    kept.extend(Duration::from_secs(600)).await.unwrap();
    let again = next(&feed).await;
    assert_eq!(again.key(), lost.key());
    again.ack().await.unwrap();
    let error = lost.extend(Duration::from_secs(600)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost, "{error}");
    assert_eq!(lost.ack().await.unwrap_err().kind(), ErrorKind::LeaseLost);
    kept.ack().await.unwrap();
    assert_eq!(feed.status().await.unwrap().inbox.acked, 2);
}

#[tokio::test]
async fn a_late_acknowledgement_counts_when_nobody_else_was_handed_the_completion() {
    let (sandbox, url) = (sandbox().await, Cluster::shared().database());
    let client = client(sandbox.endpoint());
    let store = node(&url).open().await.unwrap();
    let impatient = FeedPolicy { visible: Duration::from_secs(1), ..policy() };
    let feed = Feed::builder(&client, &store).policy(impatient).start().await.unwrap();
    complete(&client, &sandbox, "A").await;
    let late = next(&feed).await;
    // Until the database itself says that the time is over.
    let (watcher, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    within(async {
        loop {
            let over = "SELECT visible_until < clock_timestamp() FROM pico_erp.inbox";
            if watcher.query_one(over, &[]).await.unwrap().get(0) {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    late.ack().await.unwrap();
    assert_eq!(feed.status().await.unwrap().inbox.acked, 1);
}

#[tokio::test]
async fn nodes_share_the_plants_between_them() {
    let (sandbox, url) = (sandbox().await, Cluster::shared().database());
    let client = client(sandbox.endpoint());
    let plants = ["a", "b", "c", "d"];
    let one = node(&url).open().await.unwrap();
    let mut firsts = Vec::new();
    for plant in plants {
        firsts.push(feed(&client, &one.plant(plant).unwrap()).await);
    }
    for feed in &firsts {
        live(feed).await;
    }
    let two = node(&url).open().await.unwrap();
    let mut seconds = Vec::new();
    for plant in plants {
        seconds.push(feed(&client, &two.plant(plant).unwrap()).await);
    }
    let live_of = async |feeds: &[Feed]| {
        let mut live = HashSet::new();
        for feed in feeds {
            if feed.status().await.unwrap().part == FeedPart::Live {
                live.insert(feed.store().plant_name().to_owned());
            }
        }
        live
    };
    let mut notices: Vec<_> = firsts.iter().chain(&seconds).map(Feed::notices).collect();
    within(async {
        loop {
            let (here, there) = (live_of(&firsts).await, live_of(&seconds).await);
            if here.len() == 2 && there.len() == 2 && here.is_disjoint(&there) {
                return;
            }
            // Whatever changes, one of the feeds tells of it.
            select_all(notices.iter_mut().map(|notices| Box::pin(notices.next()))).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_that_cannot_reach_pico_gives_the_plant_to_one_that_can() {
    let (sandbox, url) = (sandbox().await, Cluster::shared().database());
    let cable = cable(address(&sandbox)).await;
    let cut_off = client(format!("http://{}/graphql", cable.address()));
    let well = client(sandbox.endpoint());
    let (one, two) = (node(&url).open().await.unwrap(), node(&url).open().await.unwrap());
    let first = feed(&cut_off, &one).await;
    live(&first).await;
    within(first.opened()).await.unwrap();
    let second = feed(&well, &two).await;
    cable.reset();
    cable.cut(Newcomers::Refused);
    live(&second).await;
    complete(&well, &sandbox, "A").await;
    // Handed out by either: what one node has stored is the other's as well.
    let delivery = next(&first).await;
    assert_eq!(delivery.completion().external_order_id, "A");
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn senders_on_two_nodes_send_each_order_once_and_those_of_a_unit_in_order() {
    let (sandbox, url) = (sandbox().await, Cluster::shared().database());
    let client = client(sandbox.endpoint());
    let (one, two) = (node(&url).open().await.unwrap(), node(&url).open().await.unwrap());
    let senders = [
        OutboxSender::builder(&client, &one).batch(10).start().await.unwrap(),
        OutboxSender::builder(&client, &two).batch(10).start().await.unwrap(),
    ];
    let orders = |store: Store| async move {
        for block in 0..10 {
            let orders =
                (0..50).map(|number| OrderSave::new(OPERATION, format!("E-{}", block * 50 + number)));
            store.outbox().save_all(orders).await.unwrap();
        }
    };
    // Both queue the same orders: the later one takes the place of the earlier, or follows it.
    tokio::join!(orders(one.clone()), orders(two.clone()));
    for sender in &senders {
        within(sender.drained()).await.unwrap();
    }
    let saved = sandbox.orders();
    assert_eq!(saved.len(), 500);
    let counts = one.outbox().counts().await.unwrap();
    let calls: u64 = saved.iter().map(|order| u64::from(order.saves)).sum();
    assert_eq!((counts.sent, counts.sent + counts.superseded), (calls, 1000), "what was sent was sent once");
    for sender in senders {
        sender.close(DEADLINE).await.unwrap();
    }
}

#[tokio::test]
async fn any_node_may_receive_the_webhooks_of_a_plant() {
    let (sandbox, url) = (sandbox().await, Cluster::shared().database());
    let client = client(sandbox.endpoint());
    let (one, two) = (node(&url).open().await.unwrap(), node(&url).open().await.unwrap());
    let first = feed(&client, &one).await;
    live(&first).await;
    let second = feed(&client, &two).await;
    let receiver = second.receiver().bind("127.0.0.1:0").start().await.unwrap();
    let hook = pico_erp::WebhookSubscribe::order_completes(
        "erp",
        format!("http://{}{}", receiver.local_addr(), receiver.url_path()),
    );
    within(client.ensure_webhook(&hook, None)).await.unwrap();
    complete(&client, &sandbox, "A").await;
    // By the stream of the one and the webhook of the other, at once: it is one completion.
    next(&first).await.ack().await.unwrap();
    sandbox.wait_for(Waits { deliveries: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    let inbox = two.inbox();
    let counts = inbox.counts().await.unwrap();
    assert_eq!((counts.acked, counts.ready), (1, 0));
    let sources: HashSet<_> =
        inbox.watermarks().await.unwrap().iter().map(|mark| mark.source.name()).collect();
    assert!(sources.contains("webhook"), "{sources:?}");
}

#[tokio::test]
async fn a_database_that_restarts_costs_nothing_but_time() {
    let cluster = Cluster::start(pico_erp_test_cluster::Options::default());
    let (sandbox, url) = (sandbox().await, cluster.database());
    let client = client(sandbox.endpoint());
    let store = node(&url).open().await.unwrap();
    let feed = feed(&client, &store).await;
    live(&feed).await;
    complete(&client, &sandbox, "before").await;
    next(&feed).await.ack().await.unwrap();
    cluster.kill_hard();
    complete(&client, &sandbox, "without").await;
    cluster.restart();
    let delivery = next(&feed).await;
    assert_eq!(delivery.completion().external_order_id, "without");
    within(delivery.ack()).await.unwrap();
    assert_eq!(store.inbox().counts().await.unwrap().acked, 2);
}

#[tokio::test]
async fn a_database_is_trusted_by_its_certificate_and_trusts_by_a_password() {
    const PASSWORD: &str = "s3cret";
    let options =
        pico_erp_test_cluster::Options { tls: true, password: Some(PASSWORD.into()), ..Default::default() };
    let cluster = Cluster::start(options);
    let url = cluster.database();
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, cluster.authority().unwrap()).unwrap();
    let base = url.split('?').next().unwrap();
    let trusted = format!("{base}?sslmode=verify-full&sslrootcert={}", authority.display());
    let store = node(&trusted).open().await.unwrap();
    store.outbox().save(&OrderSave::new(OPERATION, "A")).await.unwrap();
    assert!(!store.location().contains(PASSWORD), "{}", store.location());
    store.close().await;
    for (url, says) in
        [(format!("{base}?sslmode=require"), "sslrootcert"), (trusted.replace(PASSWORD, "wr0ng"), "password")]
    {
        let error = node(&url).open().await.unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains(PASSWORD) && !error.contains("wr0ng"), "{error}");
    }
}
