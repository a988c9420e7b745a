//! What the metrics say of a feed, a receiver and a sender that work against the sandbox, and which requests carry a trace.

use std::time::Duration;

use pico_erp::{
    Backoff, Client, Feed, FeedPolicy, MetricsSnapshot, OrderSave, OutboxSender, Proxy, RetryPolicy, Source,
    Store, StreamPolicy, StreamTransport, TraceContext,
};
use pico_erp_sandbox::{CompletionSpec, Config, Sandbox};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::scripted::{Server, reply};
use crate::waiting::within;

const INSTANT: Duration = Duration::from_micros(1);
const OPERATION: &str = "op-abc-123";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn client(sandbox: &Sandbox, transport: StreamTransport) -> Client {
    let stream = StreamPolicy {
        transport,
        backoff: Backoff { base: INSTANT, cap: Duration::from_millis(5) },
        ..StreamPolicy::default()
    };
    Client::builder(sandbox.endpoint()).proxy(Proxy::None).stream(stream).build().unwrap()
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("erp.pico")).await.unwrap();
    (folder, store)
}

/// The metrics, once they are as wanted.
async fn until(store: &Store, wanted: impl Fn(&MetricsSnapshot) -> bool) -> MetricsSnapshot {
    within(async {
        loop {
            let metrics = store.metrics().await;
            if wanted(&metrics) {
                return metrics;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn a_feed_is_counted_from_the_report_to_the_acknowledgement() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let client = client(&sandbox, StreamTransport::Sse);
    let (_folder, store) = store().await;
    let before = store.metrics().await;
    assert!(before.plants[0].feed.is_none() && before.plants[0].requests.is_none());
    let policy = FeedPolicy { backoff: Backoff { base: INSTANT, cap: INSTANT }, ..FeedPolicy::default() };
    let feed = Feed::builder(&client, &store).policy(policy).start().await.unwrap();
    within(feed.opened()).await.unwrap();
    client.save_order(&OrderSave::new(OPERATION, "A")).await.unwrap();
    sandbox.complete(CompletionSpec::new("A")).unwrap();
    let waiting =
        until(&store, |metrics| metrics.plants[0].kept.as_ref().is_some_and(|kept| kept.inbox.ready == 1))
            .await;
    let kept = waiting.plants[0].kept.as_ref().unwrap();
    assert!(kept.oldest_unacknowledged.is_some() && kept.last_event_age.is_some());

    within(feed.next()).await.unwrap().unwrap().retry(Some(INSTANT), "not now").await.unwrap();
    within(feed.next()).await.unwrap().unwrap().ack().await.unwrap();
    client.save_order(&OrderSave::new(OPERATION, "B")).await.unwrap();
    sandbox.complete(CompletionSpec::new("B")).unwrap();
    within(feed.next()).await.unwrap().unwrap().reject("never").await.unwrap();
    sandbox.cut_connections();
    let metrics = until(&store, |metrics| {
        metrics.plants[0].feed.as_ref().is_some_and(|feed| feed.stream.reconnects == 1)
    })
    .await;
    let plant = &metrics.plants[0];
    let (counted, kept) = (plant.feed.as_ref().unwrap(), plant.kept.as_ref().unwrap());
    assert_eq!((counted.handed_out, counted.redelivered), (3, 1));
    assert_eq!((counted.acked, counted.retried, counted.dead_letters), (1, 1, 1));
    assert_eq!((counted.ack_lag.count(), counted.completion_lag.count()), (1, 2));
    let live = counted.received.iter().find(|count| count.source == Source::Sse).unwrap();
    assert_eq!(live.count, 2);
    assert!(counted.stream.open && counted.stream.last_gap.is_some() && counted.stream.failures > 0);
    assert!(counted.catch_ups > 0 && counted.catch_ups_failed == 0);
    assert_eq!((kept.inbox.acked, kept.inbox.dead, kept.oldest_unacknowledged), (1, 1, None));
    assert!(plant.requests.as_ref().unwrap().answered > 0);
    assert!(metrics.store.transactions > before.store.transactions && metrics.store.failures == 0);
    feed.close(Duration::ZERO).await;
}

#[tokio::test]
async fn a_receiver_serves_the_metrics_on_a_port_of_their_own() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let client = client(&sandbox, StreamTransport::Sse);
    let (_folder, store) = store().await;
    let policy = FeedPolicy { live: false, ..FeedPolicy::default() };
    let feed = Feed::builder(&client, &store).policy(policy).start().await.unwrap();
    let plain = feed.receiver().start().await.unwrap();
    assert_eq!(plain.metrics_addr(), None);
    drop(plain);
    let receiver =
        feed.receiver().secret_header("x-key", "k").metrics_bind("127.0.0.1:0").start().await.unwrap();
    // What the world can reach knows no metrics.
    assert!(get(receiver.local_addr(), "/metrics").await.starts_with("HTTP/1.1 404 "));
    let metrics = get(receiver.metrics_addr().unwrap(), "/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200 "), "{metrics}");
    let refused = "\npico_erp_webhook_posts_total{plant=\"\",outcome=\"refused\",status=\"4xx\"} 1\n";
    assert!(metrics.contains(refused), "{metrics}");
    assert!(get(receiver.metrics_addr().unwrap(), "/healthz").await.starts_with("HTTP/1.1 200 "));
    let taken = receiver.metrics_addr().unwrap().to_string();
    let error = feed.receiver().metrics_bind(&taken).start().await.unwrap_err();
    assert!(error.to_string().starts_with("metrics_bind: "), "{error}");
    receiver.close(Duration::from_secs(5)).await.unwrap();
    feed.close(Duration::ZERO).await;
}

#[tokio::test]
async fn orders_are_counted_by_what_became_of_them() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let client = client(&sandbox, StreamTransport::Sse);
    let (_folder, store) = store().await;
    let outbox = store.outbox();
    outbox.save(OrderSave::new(OPERATION, "A")).await.unwrap();
    outbox.save(OrderSave::new(OPERATION, "A").select_optional_operations(["x"])).await.unwrap();
    outbox.save(OrderSave::new("no-such-operation", "B")).await.unwrap();
    let queued = store.metrics().await;
    let kept = queued.plants[0].kept.as_ref().unwrap();
    assert_eq!((kept.outbox.queued, kept.oldest_unsent.is_some()), (2, true));
    let sender = OutboxSender::builder(&client, &store).start().await.unwrap();
    within(sender.drained()).await.unwrap();
    let metrics = store.metrics().await;
    let sent = metrics.plants[0].sender.unwrap();
    assert_eq!(sent.sent + sent.failed, 2);
    assert_eq!((sent.superseded, sent.pauses), (1, 0));
    assert!(sent.failed >= 1, "{sent:?}");
    sender.close(Duration::from_secs(5)).await.unwrap();
}

fn traceparents(requests: &[String]) -> Vec<String> {
    let line = |request: &String| {
        let line = request.lines().find_map(|line| line.strip_prefix("traceparent: "));
        line.unwrap_or_default().to_owned()
    };
    requests.iter().map(line).collect()
}

async fn traced(
    server: &Server,
    trace: TraceContext,
) -> (Result<Vec<pico_erp::Operation>, pico_erp::Error>, Vec<String>) {
    let retry = RetryPolicy {
        max_attempts: 2,
        backoff: Backoff { base: INSTANT, cap: INSTANT },
        ..RetryPolicy::default()
    };
    let endpoint = format!("http://{}", server.address);
    let client =
        Client::builder(endpoint).proxy(Proxy::None).retry(retry).trace_context(trace).build().unwrap();
    let result = within(client.operations(&pico_erp::OperationFilter::all())).await;
    (result, traceparents(&server.requests()))
}

#[tokio::test]
async fn a_retry_stays_in_its_trace_and_the_error_names_it() {
    let unwell = || reply("503 Service Unavailable", "application/json", "{}");
    let server = Server::start(vec![unwell(), unwell()]).await;
    let (result, headers) = traced(&server, TraceContext::generate()).await;
    let error = result.unwrap_err();
    assert_eq!(headers.len(), 2);
    let ids: Vec<Vec<&str>> = headers.iter().map(|header| header.split('-').collect()).collect();
    assert_eq!(ids[0][1], ids[1][1], "{headers:?}");
    assert_ne!(ids[0][2], ids[1][2], "{headers:?}");
    assert_eq!(error.trace_id(), Some(ids[0][1]));

    let server = Server::start(vec![unwell(), unwell()]).await;
    let (result, headers) = traced(&server, TraceContext::provider(|| Some(PARENT.to_owned()))).await;
    assert_eq!(headers, [PARENT, PARENT]);
    assert_eq!(result.unwrap_err().trace_id(), Some("0af7651916cd43dd8448eb211c80319c"));

    // One that was answered, with an error in GraphQL.
    let refused = reply("200 OK", "application/json", r#"{"errors":[{"message":"no"}]}"#);
    let server = Server::start(vec![refused]).await;
    let (result, headers) = traced(&server, TraceContext::provider(|| Some(PARENT.to_owned()))).await;
    assert_eq!(headers, [PARENT]);
    assert_eq!(result.unwrap_err().trace_id(), Some("0af7651916cd43dd8448eb211c80319c"));

    let server = Server::start(vec![unwell(), unwell()]).await;
    let (result, headers) = traced(&server, TraceContext::off()).await;
    assert_eq!(headers, ["", ""]);
    assert_eq!(result.unwrap_err().trace_id(), None);
}

#[tokio::test]
async fn streams_carry_a_trace_whichever_way_they_go() {
    for transport in [StreamTransport::Sse, StreamTransport::WebSocket] {
        let mut server = Server::start(vec![reply("404 Not Found", "text/plain", "no")]).await;
        let client = Client::builder(format!("http://{}", server.address))
            .proxy(Proxy::None)
            .stream(StreamPolicy { transport, ..StreamPolicy::default() })
            .trace_context(TraceContext::generate())
            .build()
            .unwrap();
        let stream = client.order_completes_stream(&pico_erp::OrderCompleteFilter::all()).unwrap();
        within(server.request()).await;
        drop(stream);
        let headers = traceparents(&server.requests());
        assert_eq!(headers[0].len(), 55, "{transport:?}: {:?}", server.requests());
    }
}
