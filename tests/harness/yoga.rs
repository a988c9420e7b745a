//! The client against a server that nobody here wrote: graphql-yoga with Pico's schema, over HTTP and SSE.

use std::process::Stdio;
use std::time::Duration;

use pico_erp::{
    Backoff, Client, ErrorKind, Model, Notification, OperationFilter, OrderCancel, OrderCompleteFilter,
    OrderSave, OrderSaved, Proxy, Request, StreamPolicy, StreamState, SubOperationFilter, Subscription,
    Token, Units, WebhookSubscribe,
};
use pico_erp_tests::{repository, tool};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(30);
const TOKEN: &str = "yoga-token";

/// The server; it ends with its standard input, and so with the test.
struct Yoga {
    process: Child,
    endpoint: String,
}

impl Yoga {
    async fn start() -> Self {
        Self::start_at(0).await
    }

    async fn start_at(port: u16) -> Self {
        let mut process = Command::new(tool("PICO_TEST_NODE"))
            .arg("yoga.mjs")
            .arg(repository().join("crates/pico-erp/graphql/schema.graphql"))
            .arg(TOKEN)
            .env("PORT", port.to_string())
            .current_dir(tool("PICO_TEST_PEERS_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = timeout(DEADLINE, lines.next_line()).await.expect("yoga starts in time").unwrap();
        let endpoint =
            line.as_deref().and_then(|line| line.strip_prefix("listening ")).expect("yoga says where");
        Self { process, endpoint: endpoint.to_owned() }
    }

    fn client(&self) -> Client {
        let instant = Duration::from_millis(1);
        let stream = StreamPolicy {
            backoff: Backoff { base: instant, cap: Duration::from_millis(50) },
            ..StreamPolicy::default()
        };
        Client::builder(&self.endpoint)
            .token(Token::fixed(TOKEN))
            .proxy(Proxy::None)
            .stream(stream)
            .build()
            .unwrap()
    }
}

async fn opened<T: Model>(stream: &Subscription<T>) {
    loop {
        match timeout(DEADLINE, stream.next_notification()).await.expect("the stream opens in time").unwrap()
        {
            Notification::State(StreamState::Open { .. }) => return,
            Notification::State(_) => {}
            _ => panic!("something came before the stream was open"),
        }
    }
}

#[tokio::test]
async fn every_call_works() {
    let yoga = Yoga::start().await;
    let client = yoga.client();
    let operations = client.operations(&OperationFilter::all()).await.unwrap();
    assert_eq!(operations.len(), 3);
    let one = client.operations(&OperationFilter::all().id("op-gearbox")).await.unwrap();
    assert_eq!(one[0].external_id.as_deref(), Some("PN-2000"));
    assert_eq!(client.sub_operations(&SubOperationFilter::all()).await.unwrap().len(), 1);

    let order = OrderSave::new("op-gearbox", "E-1").order_index(1);
    assert_eq!(client.save_order(&order).await.unwrap(), OrderSaved::Created);
    assert_eq!(client.save_order(&order).await.unwrap(), OrderSaved::Updated);
    let cancel = OrderCancel::new("op-gearbox", "E-1", Units::One(1));
    assert_eq!(client.cancel_order(&cancel).await.unwrap(), "canceled");
    let unknown = client.save_order(&OrderSave::new("op-none", "E-2")).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Graphql);
    assert_eq!(unknown.graphql_errors()[0].code.as_deref(), Some("NOT_FOUND"));

    let fragment = "fragment Done on OperationOrderComplete { externalOrderId }";
    let webhook = WebhookSubscribe::new("w-1", fragment, "http://127.0.0.1:9/").header("X-Key", "k");
    assert_eq!(client.webhook_subscribe(&webhook).await.unwrap().subscription_id.as_deref(), Some("w-1"));
    assert_eq!(client.webhooks().await.unwrap().len(), 1);
    assert!(client.webhook_unsubscribe("w-1").await.unwrap().success);
}

#[tokio::test]
async fn a_saved_order_comes_back_over_sse_and_by_query() {
    let yoga = Yoga::start().await;
    let client = yoga.client();
    let filter = OrderCompleteFilter::all().operation_id("op-gearbox");
    let stream = client.order_completes_stream(&filter).unwrap();
    opened(&stream).await;
    client.save_order(&OrderSave::new("op-motor", "E-0")).await.unwrap();
    client.save_order(&OrderSave::new("op-gearbox", "E-1")).await.unwrap();
    let done = timeout(DEADLINE, stream.next()).await.expect("the event in time").unwrap().unwrap();
    assert_eq!((done.external_order_id.as_str(), done.operation_id()), ("E-1", Some("op-gearbox")));
    let listed = client.order_completes(&filter).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].at, done.at);
}

#[tokio::test]
async fn a_refused_token_and_a_bad_document_end_a_stream_with_their_reason() {
    let yoga = Yoga::start().await;
    let stranger =
        Client::builder(&yoga.endpoint).token(Token::fixed("no")).proxy(Proxy::None).build().unwrap();
    let refused = stranger.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    let error = timeout(DEADLINE, refused.next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(
        stranger.operations(&OperationFilter::all()).await.unwrap_err().kind(),
        ErrorKind::Unauthorized
    );

    let bad = yoga.client().subscribe(&Request::new("subscription { noSuchStream { id } }")).unwrap();
    let error = timeout(DEADLINE, bad.next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Graphql, "{error:?}");
    assert!(error.to_string().contains("noSuchStream"), "{error}");
}

#[tokio::test]
async fn a_stream_survives_a_restart_of_the_server() {
    let mut yoga = Yoga::start().await;
    let client = yoga.client();
    let port = yoga.endpoint.trim_end_matches("/graphql").rsplit(':').next().unwrap().parse().unwrap();
    let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    opened(&stream).await;
    yoga.process.kill().await.unwrap();
    let _again = Yoga::start_at(port).await;
    opened(&stream).await;
    client.save_order(&OrderSave::new("op-motor", "E-1")).await.unwrap();
    let done = timeout(DEADLINE, stream.next()).await.expect("the event in time").unwrap().unwrap();
    assert_eq!(done.external_order_id, "E-1");
}
