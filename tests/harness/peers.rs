//! The client against servers that nobody here wrote, with Pico's schema: graphql-yoga, graphql-sse and graphql-ws. Each
//! test is a row that runs against every one of them, over each transport that it has.

#[path = "peer_generations.rs"]
mod generations;

use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use pico_erp::{
    Backoff, Client, ErrorKind, Model, Notification, OperationFilter, OrderCancel, OrderCompleteFilter,
    OrderSave, OrderSaved, Proxy, Request, StreamPolicy, StreamState, StreamTransport, SubOperationFilter,
    Subscription, Token, Units, WebhookSubscribe,
};
use pico_erp_tests::{repository, tool};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(30);
const TOKEN: &str = "peer-token";
/// What makes a peer one of generation G3.
const EXTENSION: (&str, &str) = ("PEER_EXTENSION", "schema.g3.graphql");

/// A program of `tests/peers`, and the way its streams go.
#[derive(Clone, Copy, Debug)]
struct Peer {
    program: &'static str,
    transport: StreamTransport,
}

/// All of them.
const PEERS: [Peer; 4] = [
    Peer { program: "yoga.mjs", transport: StreamTransport::Sse },
    Peer { program: "yoga.mjs", transport: StreamTransport::WebSocket },
    Peer { program: "graphql-ws.mjs", transport: StreamTransport::WebSocket },
    Peer { program: "graphql-sse.mjs", transport: StreamTransport::Sse },
];

/// Runs a test against all of them at once.
async fn each(test: impl AsyncFn(Server)) {
    join_all(PEERS.map(async |peer| test(Server::start(peer, 0).await).await)).await;
}

/// A peer that runs; it ends with its standard input, and so with the test.
struct Server {
    peer: Peer,
    process: Child,
    endpoint: String,
}

impl Server {
    /// Starts it; port 0 is any that is free.
    async fn start(peer: Peer, port: u16) -> Self {
        Self::start_with(peer, port, &[EXTENSION]).await
    }

    /// The same with variables, as `tests/peers/peer.mjs` has them; those that are files are relative to the core's.
    async fn start_with(peer: Peer, port: u16, variables: &[(&str, &str)]) -> Self {
        let folder = repository().join("crates/pico-erp/graphql");
        let mut command = Command::new(tool("PICO_TEST_NODE"));
        for (name, value) in variables {
            match (*name, *value) {
                EXTENSION => command.env(name, folder.join(value)),
                _ => command.env(name, value),
            };
        }
        let mut process = command
            .arg(peer.program)
            .arg(folder.join("schema.graphql"))
            .arg(TOKEN)
            .env("PORT", port.to_string())
            .current_dir(tool("PICO_TEST_PEERS_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = timeout(DEADLINE, lines.next_line()).await.expect("it starts in time").unwrap();
        let endpoint =
            line.as_deref().and_then(|line| line.strip_prefix("listening ")).expect("it says where");
        Self { peer, process, endpoint: endpoint.to_owned() }
    }

    fn client(&self) -> Client {
        self.client_with(TOKEN)
    }

    fn client_with(&self, token: &str) -> Client {
        let stream = StreamPolicy {
            transport: self.peer.transport,
            backoff: Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(50) },
            ..StreamPolicy::default()
        };
        Client::builder(&self.endpoint)
            .token(Token::fixed(token.to_owned()))
            .proxy(Proxy::None)
            .stream(stream)
            .build()
            .unwrap()
    }
}

/// Waits until the stream is open, again if it was before.
async fn opened<T: Model>(peer: Peer, stream: &Subscription<T>) {
    loop {
        let told = timeout(DEADLINE, stream.next_notification()).await;
        match told.unwrap_or_else(|_| panic!("{peer:?}: not open in time")).unwrap() {
            Notification::State(StreamState::Open { .. }) => return,
            Notification::State(_) => {}
            Notification::Closed(error) => panic!("{peer:?}: the stream ended: {error:?}"),
            _ => panic!("{peer:?}: something came before the stream was open"),
        }
    }
}

/// The next item, which is to come in time.
async fn next<T: Model>(peer: Peer, stream: &Subscription<T>) -> Result<T, pico_erp::Error> {
    let next = timeout(DEADLINE, stream.next()).await;
    next.unwrap_or_else(|_| panic!("{peer:?}: nothing in time"))
        .unwrap_or_else(|| panic!("{peer:?}: the end"))
}

#[tokio::test]
async fn every_call_works() {
    each(async |server| {
        let (client, peer) = (server.client(), server.peer);
        let operations = client.operations(&OperationFilter::all()).await.unwrap();
        assert_eq!(operations.len(), 3, "{peer:?}");
        let one = client.operations(&OperationFilter::all().id("op-gearbox")).await.unwrap();
        assert_eq!(one[0].external_id.as_deref(), Some("PN-2000"), "{peer:?}");
        assert_eq!(client.sub_operations(&SubOperationFilter::all()).await.unwrap().len(), 1, "{peer:?}");

        let order = OrderSave::new("op-gearbox", "E-1").order_index(1);
        assert_eq!(client.save_order(&order).await.unwrap(), OrderSaved::Created, "{peer:?}");
        assert_eq!(client.save_order(&order).await.unwrap(), OrderSaved::Updated, "{peer:?}");
        let cancel = OrderCancel::new("op-gearbox", "E-1", Units::One(1));
        assert_eq!(client.cancel_order(&cancel).await.unwrap(), "canceled", "{peer:?}");
        let unknown = client.save_order(&OrderSave::new("op-none", "E-2")).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::Graphql, "{peer:?}: {unknown}");
        assert_eq!(unknown.graphql_errors()[0].code.as_deref(), Some("NOT_FOUND"), "{peer:?}");

        let fragment = "fragment Done on OperationOrderComplete { externalOrderId }";
        let webhook = WebhookSubscribe::new("w-1", fragment, "http://127.0.0.1:9/").header("X-Key", "k");
        let handle = client.webhook_subscribe(&webhook).await.unwrap();
        assert_eq!(handle.subscription_id.as_deref(), Some("w-1"), "{peer:?}");
        assert_eq!(client.webhooks().await.unwrap().len(), 1, "{peer:?}");
        assert!(client.webhook_unsubscribe("w-1").await.unwrap().success, "{peer:?}");
    })
    .await;
}

#[tokio::test]
async fn a_saved_order_comes_back_over_the_stream_and_by_query() {
    each(async |server| {
        let (client, peer) = (server.client(), server.peer);
        let filter = OrderCompleteFilter::all().operation_id("op-gearbox");
        let stream = client.order_completes_stream(&filter).unwrap();
        opened(peer, &stream).await;
        client.save_order(&OrderSave::new("op-motor", "E-0")).await.unwrap();
        client.save_order(&OrderSave::new("op-gearbox", "E-1")).await.unwrap();
        let done = next(peer, &stream).await.unwrap();
        assert_eq!((done.external_order_id.as_str(), done.operation_id()), ("E-1", Some("op-gearbox")));
        let listed = client.order_completes(&filter).await.unwrap();
        assert_eq!(listed.len(), 1, "{peer:?}");
        assert_eq!(listed[0].at, done.at, "{peer:?}");
    })
    .await;
}

#[tokio::test]
async fn a_refused_token_ends_a_stream_and_fails_a_call_with_that_reason() {
    each(async |server| {
        let (stranger, peer) = (server.client_with("no"), server.peer);
        let refused = stranger.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
        let error = next(peer, &refused).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{peer:?}: {error}");
        let error = stranger.operations(&OperationFilter::all()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{peer:?}: {error}");
    })
    .await;
}

#[tokio::test]
async fn a_document_that_does_not_fit_the_schema_ends_its_stream_and_no_other() {
    each(async |server| {
        let (client, peer) = (server.client(), server.peer);
        let good = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
        opened(peer, &good).await;
        let bad = client.subscribe(&Request::new("subscription { noSuchStream { id } }")).unwrap();
        let error = next(peer, &bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Graphql, "{peer:?}: {error:?}");
        assert!(error.to_string().contains("noSuchStream"), "{peer:?}: {error}");
        client.save_order(&OrderSave::new("op-motor", "E-1")).await.unwrap();
        assert_eq!(next(peer, &good).await.unwrap().external_order_id, "E-1", "{peer:?}");
    })
    .await;
}

#[tokio::test]
async fn a_stream_survives_a_restart_of_the_server() {
    each(async |mut server| {
        let (client, peer) = (server.client(), server.peer);
        let port = server.endpoint.trim_end_matches("/graphql").rsplit(':').next().unwrap().parse().unwrap();
        let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
        opened(peer, &stream).await;
        server.process.kill().await.unwrap();
        let _again = Server::start(peer, port).await;
        opened(peer, &stream).await;
        client.save_order(&OrderSave::new("op-motor", "E-1")).await.unwrap();
        assert_eq!(next(peer, &stream).await.unwrap().external_order_id, "E-1", "{peer:?}");
    })
    .await;
}
